"""Losses on the picture itself: smoothness, staying in range, staying still."""

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


def steady_loss(before: Tensor, after: Tensor, shift_px: tuple[int, int], margin_px: int) -> Tensor:
    """What flickers [N]: mean absolute difference of a picture and the one of a moved photograph.

    Compared where the movement carries one onto the other, `margin_px` inside the edges. A change
    of the whole tone is allowed, as in ReReVST (Wang et al., TIP 2020, relaxed style loss).

    Args:
        before, after: pictures [N, 3, H, W], the second of the photograph moved by `shift_px` (down
            and to the right).
    """
    difference = after.float() - before.float().roll(shift_px, (2, 3))
    inner = difference[..., margin_px:-margin_px, margin_px:-margin_px]
    return (inner - inner.mean((2, 3), keepdim=True)).abs().mean((1, 2, 3))
