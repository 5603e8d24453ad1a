"""Where a photograph is detailed, and what follows from it: two open ends of the article.

Detail is `roughness`, the mean gradient of the lightness. The article claims that its strength
alpha is 37 % higher in detail such as hair and 22 % lower on smooth skin, and names content layers
chosen by the complexity of a picture as future work; it gives no term and no rule for either. These
are ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor

from models.losses.content import Weight
from models.losses.style import roughness

# Of alpha's mean over the picture, as published.
DETAILED_SHARE, SMOOTH_SHARE = 1.37, 0.78
# Roughness of the 10th and of the 90th percentile of the training photographs' crops.
_PLAIN, _COMPLEX = 0.037, 0.118
# What the most complex picture moves from the coarsest content layer to the finest.
_MOVED = {"3_2": 0.15, "4_2": 0.0, "5_1": -0.15}


def placed_strength_loss(alpha: Tensor, photograph: Tensor) -> Tensor:
    """How far alpha misses the published placing [N]; 0 where it is met or passed.

    Args:
        alpha: [N, 1, h, w] in (0, 1).
        photograph: [N, 3, H, W] in [0, 1], of which the roughest and the flattest third count.
    """
    rough = F.adaptive_avg_pool2d(roughness(photograph), alpha.shape[2:]).flatten(1)  # type: ignore[arg-type]
    flat, count = alpha.float().flatten(1), max(1, rough.shape[1] // 3)
    mean = flat.mean(1)
    detailed, smooth = (
        flat.gather(1, rough.topk(count, largest=largest).indices).mean(1) / mean
        for largest in (True, False)
    )
    return (DETAILED_SHARE - detailed).clamp_min(0.0) + (smooth - SMOOTH_SHARE).clamp_min(0.0)


def complexity(photograph: Tensor) -> Tensor:
    """From 0 (plain) to 1 (complex) [N]: the logarithm of a photograph's mean roughness."""
    mean = roughness(photograph).mean((1, 2, 3)).clamp_min(1e-6).log()
    plain, complex_ = math.log(_PLAIN), math.log(_COMPLEX)
    return ((mean - plain) / (complex_ - plain)).clamp(0.0, 1.0)


def layers_by_complexity(
    layers: Mapping[str, Weight], photograph: Tensor, share: float
) -> dict[str, Weight]:
    """Weight [N] of each content layer: finer ones for complex photographs, coarser for plain ones.

    Args:
        layers: the fixed weights, which a picture of complexity 0.5 keeps.
        photograph: [N, 3, H, W].
        share: of the rule, from 0 (the fixed weights) to 1.
    """
    moved = 2.0 * share * (complexity(photograph) - 0.5)
    return {layer: weight + moved * _MOVED.get(layer, 0.0) for layer, weight in layers.items()}
