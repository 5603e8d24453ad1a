"""How much of the photograph's structure is left: single layer, several layers, attention-weighted.

The published losses name VGG's conv3_2, conv4_2 and conv5_2; the distilled VGG ends at conv5_1,
which stands in for conv5_2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor

from models.losses.features import Features, channel_normalized, l2_normalized

CONTENT_LAYERS = {"3_2": 0.2, "4_2": 0.5, "5_1": 0.3}
DETAIL_LAYERS = {"1_1": 0.5, "2_1": 0.5}
PUBLISHED_LAYER = "4_2"
Weight: TypeAlias = float | Tensor


def pixel_loss(result: Tensor, photograph: Tensor) -> Tensor:
    """Mean squared difference [N] of two pictures [N, 3, H, W]: the plainest content loss."""
    return (result.float() - photograph.float()).square().mean((1, 2, 3))


def single_layer_loss(
    result: Features, photograph: Features, layer: str = PUBLISHED_LAYER, normalize: bool = True
) -> Tensor:
    """L = 1/2 sum_ij (F_ij - P_ij)^2 [N] on one layer (Gatys et al. 2016, equation 1).

    With `normalize` F and P are divided by their own L2 norm first, so that the result lies in [0,
    2] whatever the layer; features of a ReLU, which have no negative values, reach at most 1.
    """
    f, p = result[layer].float(), photograph[layer].float()
    if normalize:
        f, p = l2_normalized(f), l2_normalized(p)
    return 0.5 * (f - p).square().sum((1, 2, 3))


def multi_scale_loss(
    result: Features,
    photograph: Features,
    layers: Mapping[str, Weight],
    normalize: Callable[[Tensor], Tensor] = channel_normalized,
) -> Tensor:
    """Sum over layers of weight * mean (F - P)^2 [N], on features normalized by `normalize`.

    A weight is one number, or one for each sample [N].
    """
    total = torch.zeros((), device=next(iter(result.values())).device)
    for layer, weight in layers.items():
        difference = normalize(result[layer]) - normalize(photograph[layer])
        total = total + weight * difference.square().mean((1, 2, 3))
    return total


def content_loss(
    result: Features, photograph: Features, layers: Mapping[str, Weight] = CONTENT_LAYERS
) -> Tensor:
    """Multi-scale content distance [N]: layers 3_2, 4_2 and 5_1 at the published 0.2 : 0.5 : 0.3.

    Features are normalized per channel first, so that color and contrast may change but structure
    may not. Equal features give 0, unrelated ones about 2. One layer alone: `{"4_2": 1.0}`.
    """
    return multi_scale_loss(result, photograph, layers)


def detail_loss(result: Features, photograph: Features) -> Tensor:
    """As `content_loss` on layers 1_1 and 2_1 [N]: edges and fine lines, whatever their color."""
    return multi_scale_loss(result, photograph, DETAIL_LAYERS)


def attended_content_loss(
    result: Features,
    photograph: Features,
    attention: Tensor,
    layers: Mapping[str, Weight] = CONTENT_LAYERS,
) -> Tensor:
    """Sum over layers of weight * mean A_ij (F_ij - P_ij)^2 [N]: what matters counts for more.

    The published form is sum_ij A_ij (F_ij - P_ij)^2. A network that learns A could win by A = 0,
    so A is divided by its mean over the picture: it can move weight from place to place, not take
    it away, and constant attention gives `content_loss`.

    Args:
        result, photograph: perceptual features.
        attention: A [N, 1, h, w], at least 0; averaged or interpolated to each layer's grid.
        layers: weight per layer.
    """
    attention = attention.float()
    share = attention / (attention.mean((1, 2, 3), keepdim=True) + 1e-6)
    total = torch.zeros((), device=attention.device)
    for layer, weight in layers.items():
        difference = channel_normalized(result[layer]) - channel_normalized(photograph[layer])
        here = _to_grid(share, difference)
        total = total + weight * (here * difference.square()).mean((1, 2, 3))
    return total


def _to_grid(map_: Tensor, like: Tensor) -> Tensor:
    if map_.shape[2:] == like.shape[2:]:
        return map_
    if map_.shape[2] > like.shape[2]:
        return F.adaptive_avg_pool2d(map_, like.shape[2:])  # type: ignore[arg-type]
    return F.interpolate(map_, size=like.shape[2:], mode="bilinear", align_corners=False)
