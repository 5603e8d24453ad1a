"""Nearest pixels, turns around a side and grown edges, by what only moves values; fixed shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


def nearest_places(
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor | None:
    """`F.interpolate` to the nearest pixel, by other than whole factors, as gathers of places.

    None: it is another resize, or one that repeats every pixel alike.
    """
    if mode not in ("nearest", "nearest-exact") or input.dim() != 4:
        return None
    sides = [int(side) for side in input.shape[2:]]
    factors = pair(scale_factor)
    if size is not None:
        made = [int(side) for side in pair(size)]
    else:
        made = [int(side * factor) for side, factor in zip(sides, factors, strict=True)]
    if size is not None or recompute_scale_factor:
        factors = [None, None]
    resized = list(zip((2, 3), sides, made, factors, strict=True))
    middle = 0.5 if mode == "nearest-exact" else 0.0
    if all(_is_whole(before, after, factor, middle) for _, before, after, factor in resized):
        return None
    for dim, before, after, factor in resized:
        if before != after or not _is_whole(before, after, factor, middle):
            input = _taken(input, dim, _places(before, after, factor, middle))
    return input


def _taken(x: Tensor, dim: int, places: list[int]) -> Tensor:
    """Rows or columns of a picture, by a step where every so many are taken."""
    step = int(x.shape[dim]) // len(places)
    if step > 1 and places == list(range(places[0], int(x.shape[dim]), step)):
        taken = slice(places[0], None, step)
        return x[:, :, taken] if dim == 2 else x[:, :, :, taken]
    return x.index_select(dim, torch.tensor(places))


def _is_whole(before: int, after: int, factor: float | None, middle: float) -> bool:
    """Whether every pixel is repeated alike: a side grows by a whole factor, and by no other.

    For once and twice PyTorch's plain nearest takes no heed of the factor.
    """
    heeds = middle or after not in (before, 2 * before)
    return after % before == 0 and (not heeds or factor in (None, after // before))


_STEPS = {"replicate": 0, "reflect": 1}  # see `grown`


def mirrored(
    x: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor | None:
    """A picture with mirrored, repeated or opposite edges; None: they are filled otherwise."""
    if x.dim() != 4 or len(pad) != 4 or min(pad) < 0:
        return None
    if mode == "circular":
        return _around(x, pad)
    return grown(x, pad, _STEPS[mode]) if mode in _STEPS else None


def _around(x: Tensor, pad: Sequence[int]) -> Tensor:
    """A picture [N, C, H, W] with the opposite edges around it."""
    for dim, before, after in ((2, pad[2], pad[3]), (3, pad[0], pad[1])):
        head = [x.narrow(dim, x.shape[dim] - before, before)] if before else []
        tail = [x.narrow(dim, 0, after)] if after else []
        x = torch.cat([*head, x, *tail], dim) if head or tail else x
    return x


def grown(x: Tensor, pad: Sequence[int], step: int) -> Tensor:
    """A picture [N, C, H, W] with rows and columns of its own around it.

    Args:
        x: the picture.
        pad: how many on the left, on the right, above and below.
        step: 0 repeats the edge, 1 mirrors what lies behind it.
    """
    for dim, before, after in ((2, pad[2], pad[3]), (3, pad[0], pad[1])):
        last = x.shape[dim] - 1
        head = [x.narrow(dim, i * step, 1) for i in range(before, 0, -1)]
        tail = [x.narrow(dim, last - i * step, 1) for i in range(1, after + 1)]
        if head or tail:
            x = torch.cat([*head, x, *tail], dim)
    return x


def pair(value: Any) -> list[Any]:
    """A setting for rows and one for columns, of one for both or one that is given for each."""
    both = list(value) if isinstance(value, Sequence) else [value]
    return both * 2 if len(both) == 1 else both


def _places(before: int, after: int, factor: float | None, middle: float) -> list[int]:
    """Which pixel of a side each one of the result is, in single precision as PyTorch reckons."""
    step = np.float32(before / after if factor is None else 1 / factor)
    found = np.floor((np.arange(after, dtype=np.float32) + np.float32(middle)) * step)
    return [int(place) for place in np.minimum(found, before - 1)]


def turned(
    input: Tensor,
    shifts: Any,
    dims: Any = None,
) -> Tensor | None:
    """`torch.roll` along sides, as two slices and a concatenation each.

    None: it goes along all values at once.
    """
    moves, along = ([v] if isinstance(v, int) else list(v or ()) for v in (shifts, dims))
    if not along:
        return None
    for by, dim in zip(moves, along, strict=True):
        side = int(input.shape[dim])
        if by % side:
            parts = (
                input.narrow(dim, side - by % side, by % side),
                input.narrow(dim, 0, side - by % side),
            )
            input = torch.cat(parts, dim)
    return input
