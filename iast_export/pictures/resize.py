"""The resize that a bundle names `area_down_linear_up`: exact in integers, rounded once.

Each axis by itself: where it shrinks or stays, an output pixel is the area average of what it
covers; where it grows, the linear interpolation between pixel centers, the border repeated. No
float takes part, so the Android core gives the same levels (tests/testdata/resize_cases.json).
What shrinks is worked through in bands of rows, so that large pictures take no more memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError

Rgb = NDArray[np.uint8]
Sums = NDArray[np.int64]
_LARGEST_AREA_PX = 2**44  # twice 255 times the product of two axes' weights stays within 63 bits
_BAND_ROWS = 64  # chosen: 64-bit sums of so many rows fit a cache


def resize(rgb: Rgb, height_px: int, width_px: int) -> Rgb:
    """`rgb` [H, W, 3] at another size, rounded half up.

    A level is floor((2 S + D) / (2 D)), S the weighted sum, D the weights' total.

    Raises:
        InputError: a size below 1 px, an empty picture, or sizes whose sums leave 64 bits.
    """
    if height_px < 1 or width_px < 1 or rgb.size == 0:
        raise InputError(
            f"{rgb.shape[1]}x{rgb.shape[0]} px can't be scaled to {width_px}x{height_px} px",
            "both sizes must be at least 1 px",
        )
    if rgb.shape[:2] == (height_px, width_px):
        return rgb.copy()
    total_down, total_across = _total(rgb.shape[0], height_px), _total(rgb.shape[1], width_px)
    if total_down * total_across > _LARGEST_AREA_PX:
        raise InputError(
            f"{rgb.shape[1]}x{rgb.shape[0]} px are too many to scale", "use a smaller picture"
        )
    if height_px <= rgb.shape[0] and width_px <= rgb.shape[1]:
        down = AreaRows(rgb.shape[:2], (height_px, width_px))
        bands = range(0, len(rgb), _BAND_ROWS)
        return np.concatenate([down.add(rgb[top : top + _BAND_ROWS]) for top in bands])
    sums = _along_rows(rgb.astype(np.int64), height_px)
    sums = _along_rows(sums.transpose(1, 0, 2), width_px).transpose(1, 0, 2)
    total = total_down * total_across
    return np.ascontiguousarray(((2 * sums + total) // (2 * total)).astype(np.uint8))


class AreaRows:
    """A picture made smaller as its rows come, to the levels of `resize`.

    Args:
        size_px: height and width of the picture.
        small_px: of the result, neither larger.
    """

    def __init__(self, size_px: tuple[int, ...], small_px: tuple[int, int]) -> None:
        self._height, width = size_px
        self._rows, self._columns = small_px
        self._total = self._height * width
        self._seen = 0
        self._open: Sums = np.zeros((self._columns, 3), np.int64)

    def add(self, band: Rgb) -> Rgb:
        """The rows [n, width, 3] of the result that are complete once these rows have come."""
        sums = _areas(band.transpose(1, 0, 2).astype(np.int64), self._columns).transpose(1, 0, 2)
        done = [np.zeros((0, self._columns, 3), np.int64)]
        for row in sums:
            # In units of 1 / rows of a pixel: this row spans `rows`, one of the result `height`.
            start = self._seen * self._rows
            left = (start // self._height + 1) * self._height - start
            self._open += row * min(left, self._rows)
            if left <= self._rows:
                done.append(self._open[None])
                self._open = row * (self._rows - left)
            self._seen += 1
        found = np.concatenate(done)
        return ((2 * found + self._total) // (2 * self._total)).astype(np.uint8)


def _total(size: int, count: int) -> int:
    return size if count <= size else 2 * count


def _along_rows(values: Sums, count: int) -> Sums:
    """Weighted sums [count, ...] along the first axis."""
    return _areas(values, count) if count <= len(values) else _interpolated(values, count)


def _areas(values: Sums, count: int) -> Sums:
    """Sum over [i * size / count, (i + 1) * size / count), in units of 1 / count of a pixel.

    Differences of the integral of `values`, which is linear within a pixel and so exact at
    fractions.
    """
    size = len(values)
    integral = np.zeros((size + 1, *values.shape[1:]), np.int64)
    np.cumsum(values, axis=0, out=integral[1:])
    whole, part = np.divmod(np.arange(count + 1, dtype=np.int64) * size, count)
    inside = values[np.minimum(whole, size - 1)] * part.reshape(-1, *[1] * (values.ndim - 1))
    result: Sums = np.diff(integral[whole] * count + inside, axis=0)
    return result


def _interpolated(values: Sums, count: int) -> Sums:
    """Linear between centers, in units of 1 / (2 * count); beyond the border it repeats."""
    size = len(values)
    center = (2 * np.arange(count, dtype=np.int64) + 1) * size - count
    below, part = np.divmod(center, 2 * count)
    part = part.reshape(-1, *[1] * (values.ndim - 1))
    low, high = np.clip(below, 0, size - 1), np.clip(below + 1, 0, size - 1)
    result: Sums = values[low] * (2 * count - part) + values[high] * part
    return result
