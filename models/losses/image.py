"""Losses on the picture itself: smoothness, and staying in range."""

from __future__ import annotations

from torch import Tensor


def total_variation_loss(image: Tensor) -> Tensor:
    """Mean absolute difference [N] of neighbors both ways (anisotropic total variation)."""
    horizontal = (image[..., 1:] - image[..., :-1]).abs().mean((1, 2, 3))
    vertical = (image[..., 1:, :] - image[..., :-1, :]).abs().mean((1, 2, 3))
    return horizontal + vertical


def out_of_range_loss(image: Tensor) -> Tensor:
    """Mean distance [N] of pixels outside [0, 1] to the range: keeps the final clamp honest."""
    return (image - image.clamp(0.0, 1.0)).abs().mean((1, 2, 3))
