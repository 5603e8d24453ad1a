"""Losses of the student, each a pure function over features; every one is dimensionless.

Features are divided by the target's own energy, so that layers of different scale weigh alike and
the weights of a recipe mean the same on any perceptual network.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

CONTENT_LAYERS = {"3_2": 0.2, "4_2": 0.5, "5_1": 0.3}
DETAIL_LAYERS = {"1_1": 0.5, "2_1": 0.5}
MOMENT_LAYERS = ("1_1", "2_1", "3_1", "4_1", "5_1")
GRAM_LAYERS = ("2_1", "3_1", "4_1")

Features = Mapping[str, Tensor]


def content_loss(result: Features, photograph: Features) -> Tensor:
    """Multi-scale content distance [N] on instance-normalised features.

    Layers 3_2, 4_2 and 5_1 weigh 0.2 : 0.5 : 0.3 (the published multi-scale weights). Features are
    normalised per channel first, so that colour and contrast may change but structure may not.
    """
    return _normalised_distance(result, photograph, CONTENT_LAYERS)


def detail_loss(result: Features, photograph: Features) -> Tensor:
    """As `content_loss` on layers 1_1 and 2_1 [N]: edges and fine lines, whatever their colour."""
    return _normalised_distance(result, photograph, DETAIL_LAYERS)


def _normalised_distance(result: Features, photograph: Features, layers: Mapping[str, float]) -> Tensor:
    total = torch.zeros((), device=next(iter(result.values())).device)
    for layer, weight in layers.items():
        difference = _normalised(result[layer]) - _normalised(photograph[layer])
        total = total + weight * difference.square().mean((1, 2, 3))
    return total


def _normalised(x: Tensor) -> Tensor:
    x = x.float()
    mean = x.mean((2, 3), keepdim=True)
    return (x - mean) / (x.var((2, 3), unbiased=False, keepdim=True) + 1e-2 * x.square().mean() + 1e-6).sqrt()


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Per-channel mean and standard deviation over space, each [N, C]."""
    x = x.float()
    return x.mean((2, 3)), (x.var((2, 3), unbiased=False) + 1e-6).sqrt()


def style_moment_loss(result: Features, style: Features) -> Tensor:
    """Distance [N] of feature means and deviations (Huang and Belongie 2017, equation 13)."""
    total: Tensor | float = 0.0
    for layer in MOMENT_LAYERS:
        mean, std = moments(result[layer])
        mean_s, std_s = moments(style[layer])
        energy = (mean_s.square() + std_s.square()).mean(1) + 1e-6
        total = total + ((mean - mean_s).square() + (std - std_s).square()).mean(1) / energy
    return total / len(MOMENT_LAYERS)  # type: ignore[return-value]


def gram(x: Tensor) -> Tensor:
    """Gram matrix [N, C, C] over space, per position."""
    flat = x.float().flatten(2)
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def style_gram_loss(result: Features, style: Features) -> Tensor:
    """Distance [N] of Gram matrices (Gatys et al. 2016, equation 4), relative to the style's."""
    total: Tensor | float = 0.0
    for layer in GRAM_LAYERS:
        target = gram(style[layer])
        difference = (gram(result[layer]) - target).square().sum((1, 2))
        total = total + difference / (target.square().sum((1, 2)) + 1e-6)
    return total / len(GRAM_LAYERS)  # type: ignore[return-value]


def total_variation_loss(image: Tensor) -> Tensor:
    """Mean absolute difference [N] between neighbours, both directions."""
    horizontal = (image[..., 1:] - image[..., :-1]).abs().mean((1, 2, 3))
    vertical = (image[..., 1:, :] - image[..., :-1, :]).abs().mean((1, 2, 3))
    return horizontal + vertical


def out_of_range_loss(image: Tensor) -> Tensor:
    """Mean distance [N] of pixels outside [0, 1] to the range: keeps the final clamp honest."""
    return (image - image.clamp(0.0, 1.0)).abs().mean((1, 2, 3))
