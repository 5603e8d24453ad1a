"""What the losses have in common: normalized features, moments and Gram matrices."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

Features = Mapping[str, Tensor]
_EPS = 1e-6


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Per-channel mean and standard deviation over space, each [N, C], of features [N, C, H, W]."""
    mean, variance = _mean_and_variance(x.float())
    return mean, (variance + _EPS).sqrt()


def gram(x: Tensor) -> Tensor:
    """Gram matrix [N, C, C] of features [N, C, H, W], per position (Gatys 2016, equation 3)."""
    rows = by_place(x.float())
    return rows.transpose(1, 2) @ rows / rows.shape[1]


def by_place(x: Tensor) -> Tensor:
    """Features [N, H * W, C] of [N, C, H, W]: no copy where channels come last in memory."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def channel_normalized(x: Tensor) -> Tensor:
    """Features of mean 0 and deviation 1 per channel and sample: structure without contrast.

    Channels that hardly vary are held down by a hundredth of the mean energy under the root.
    """
    x = x.float()
    mean, variance = _mean_and_variance(x)
    energy = (variance + mean.square()).mean()
    scale = torch.rsqrt(variance + 1e-2 * energy + _EPS)
    return torch.addcmul(-(mean * scale)[:, :, None, None], x, scale[:, :, None, None])


def l2_normalized(x: Tensor) -> Tensor:
    """Features [N, C, H, W] over their L2 norm per sample, so that every layer weighs alike."""
    x = x.float()
    return x / (x.square().sum((1, 2, 3), keepdim=True) + _EPS).sqrt()


def _mean_and_variance(x: Tensor) -> tuple[Tensor, Tensor]:
    # Centered on a constant per channel first: exact enough in float32 and several times
    # faster than var().
    pivot = x[:, :, :1, :1].detach()
    shifted = x - pivot
    mean = shifted.mean((2, 3))
    variance = (shifted.square().mean((2, 3)) - mean.square()).clamp_min(0.0)
    return mean + pivot[:, :, 0, 0], variance
