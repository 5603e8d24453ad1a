"""Losses on the picture itself: smoothness, staying in range, staying still, staying quiet."""

from __future__ import annotations

import torch
from torch import Tensor


def total_variation_loss(image: Tensor) -> Tensor:
    """Mean absolute difference [N] of neighbors both ways (anisotropic total variation)."""
    horizontal = (image[..., 1:] - image[..., :-1]).abs().mean((1, 2, 3))
    vertical = (image[..., 1:, :] - image[..., :-1, :]).abs().mean((1, 2, 3))
    return horizontal + vertical


def out_of_range_loss(image: Tensor) -> Tensor:
    """Mean distance [N] of pixels outside [0, 1] to the range: keeps the final clamp honest."""
    return (image - image.clamp(0.0, 1.0)).abs().mean((1, 2, 3))


def rolled(x: Tensor, shift_px: Tensor) -> Tensor:
    """Pictures [N, C, H, W] moved in a circle, down and to the right by `shift_px` [2].

    As `Tensor.roll`, but the shift, whole pixels, may be drawn after the step was recorded for a
    GPU.
    """
    down, right = shift_px.long()
    rows, columns = (torch.arange(side, device=x.device) for side in x.shape[2:])
    moved = x.index_select(2, (rows - down) % x.shape[2])
    return moved.index_select(3, (columns - right) % x.shape[3])


def steady_loss(before: Tensor, after: Tensor, shift_px: Tensor, margin_px: int) -> Tensor:
    """What flickers [N]: mean absolute difference of a picture and the one of a moved photograph.

    Compared where the movement carries one onto the other, `margin_px` inside the edges. A change
    of the whole tone is allowed, as in ReReVST (Wang et al., TIP 2020, relaxed style loss).

    Args:
        before, after: pictures [N, 3, H, W], the second of the photograph moved by `shift_px` (down
            and to the right, [2]).
    """
    difference = after.float() - rolled(before.float(), shift_px)
    inner = difference[..., margin_px:-margin_px, margin_px:-margin_px]
    return (inner - inner.mean((2, 3), keepdim=True)).abs().mean((1, 2, 3))


def noise_loss(before: Tensor, after: Tensor, photograph: Tensor, noisy: Tensor) -> Tensor:
    """How much louder noise gets [N]: energy of the result's change over the photograph's.

    1 where it is passed on as it is; the square of `iast_export.metrics.flicker.noise_gain`, so
    that the pictures in which it is loudest, those of little contrast, weigh most.

    Args:
        before, after: pictures [N, 3, H, W] of `photograph` and of `noisy`.
    """
    change = (after.float() - before.float()).square().mean((1, 2, 3))
    given = (noisy.float() - photograph.float()).square().mean((1, 2, 3))
    return change / given.clamp_min(1e-6)
