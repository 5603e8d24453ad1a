"""Square crops cut from many pictures at once: few kernels and no wait, on a GPU as on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Square(NamedTuple):
    """Where a crop lies in its picture, in pixels, and whether it is mirrored."""

    top: int
    left: int
    side: int
    mirrored: bool


def to_device(values: np.ndarray, device: torch.device) -> Tensor:
    """The array as float32 on the device; the host doesn't wait for the copy."""
    made = torch.from_numpy(np.asarray(values, np.float32))
    return (
        made.pin_memory().to(device, non_blocking=True)
        if device.type == "cuda"
        else made.to(device)
    )


def cut_squares(images: Sequence[Tensor], squares: Sequence[Square], side_px: int) -> Tensor:
    """Crops [N, 3, side_px, side_px] in [0, 1] of uint8 pictures [3, H, W], on their device.

    Bilinear, and antialiased where a crop shrinks: what `F.interpolate` makes of each alone, as two
    products of matrices for all of them together.
    """
    device, largest = images[0].device, max(square.side for square in squares)
    cut = torch.zeros(len(images), 3, largest, largest, dtype=torch.uint8, device=device)
    for row, image, (top, left, side, _) in zip(cut, images, squares, strict=True):
        row[:, :side, :side] = image[:, top : top + side, left : left + side]
    drawn = to_device(np.array([(s.side, s.mirrored) for s in squares]), device)
    rows = _resampling(drawn[:, 0], largest, side_px)
    columns = torch.where(drawn[:, 1, None, None] > 0, rows.flip(1), rows)
    return rows[:, None] @ cut.float().div_(255.0) @ columns[:, None].mT


def _resampling(sides: Tensor, size: int, side_px: int) -> Tensor:
    """Matrices [N, side_px, size] that take the first `sides` [N] of `size` values to `side_px`.

    A triangle over the values, as wide as a step where that is more than one value, cut off at the
    ends; its weights sum to 1.
    """
    scale = (sides / side_px)[:, None, None]
    centers = (torch.arange(side_px, device=sides.device) + 0.5)[:, None] * scale
    values = torch.arange(size, device=sides.device) + 0.5
    weights = (1.0 - (values - centers).abs() / scale.clamp_min(1.0)).clamp_min(0.0)
    weights = weights * (values < sides[:, None, None])
    return weights / weights.sum(2, keepdim=True)
