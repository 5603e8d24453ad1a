"""Overlapping tiles blended by integer weights, for networks whose statistics can't be lifted out.

Such a network normalizes by the statistics of what it sees, which is a tile: tones may differ from
tile to tile, and from the same picture scaled down. The blend hides the seams, not that. The
Android core does the same to the level (tests/testdata/tiling_cases.json).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError
from iast_export.files.artifacts import Progress, no_progress

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class TileAxis:
    """One axis of `length_px` cut into tiles of `tile_px` that overlap by at least `overlap_px`.

    Raises:
        InputError: nothing to cut, or an overlap that is not below the tile.
    """

    length_px: int
    tile_px: int
    overlap_px: int

    def __post_init__(self) -> None:
        if self.length_px < 1 or not 0 <= self.overlap_px < self.tile_px:
            raise InputError(
                f"tiles of {self.tile_px} px, overlap {self.overlap_px} px, don't cover "
                f"{self.length_px} px",
                "use tiles that are larger than their overlap",
            )

    @property
    def size_px(self) -> int:
        """Pixels of every tile along this axis."""
        return min(self.length_px, self.tile_px)

    @property
    def starts(self) -> tuple[int, ...]:
        """Where tiles begin, rising; the last one ends with the axis."""
        if self.length_px <= self.tile_px:
            return (0,)
        step = self.tile_px - self.overlap_px
        count = -(-(self.length_px - self.overlap_px) // step)
        return tuple(k * (self.length_px - self.tile_px) // (count - 1) for k in range(count))

    def weights(self, start: int) -> NDArray[np.int64]:
        """Weight of each position of the tile at `start`: rising over overlaps, not at edges."""
        position = np.arange(self.size_px, dtype=np.int64)
        full = np.full(self.size_px, self.overlap_px + 1, np.int64)
        left = full if start == 0 else position + 1
        right = full if start + self.size_px == self.length_px else self.size_px - position
        return np.minimum(np.minimum(left, right), full)


def tile_axes(
    height_px: int, width_px: int, tile_px: int, size_multiple_px: int
) -> tuple[TileAxis, TileAxis]:
    """The vertical and the horizontal cut, which overlap by an eighth in whole multiples."""
    overlap = max(size_multiple_px, tile_px // 8 // size_multiple_px * size_multiple_px)
    return TileAxis(height_px, tile_px, overlap), TileAxis(width_px, tile_px, overlap)


def tiled_bands(
    rgb: Rgb,
    tile_px: int,
    size_multiple_px: int,
    stylize: Callable[[Rgb], Rgb],
    progress: Progress = no_progress,
) -> Iterator[Rgb]:
    """The picture stylized tile by tile, row by row, in bands that are complete.

    Args:
        rgb: [H, W, 3].
        tile_px: a tile's side; size_multiple_px: of the network.
        stylize: makes a picture of the same size.

    Yields:
        [rows, W, 3], floor((2 sum(w level) + sum(w)) / (2 sum(w))).
    """
    down, across = tile_axes(rgb.shape[0], rgb.shape[1], tile_px, size_multiple_px)
    rows, width = down.size_px, rgb.shape[1]
    sums, weights = np.zeros((rows, width, 3), np.uint32), np.zeros((rows, width, 1), np.uint32)
    count = len(down.starts) * len(across.starts)
    for k, (top, following) in enumerate(pairwise([*down.starts, rgb.shape[0]])):
        for i, left in enumerate(across.starts):
            columns = slice(left, left + across.size_px)
            weight = down.weights(top)[:, None] * across.weights(left)[None, :]
            tile = stylize(np.ascontiguousarray(rgb[top : top + rows, columns]))
            sums[:, columns] += tile * weight[..., None].astype(np.uint32)
            weights[:, columns] += weight[..., None].astype(np.uint32)
            progress("tiles", k * len(across.starts) + i + 1, count)
        done = following - top
        yield ((2 * sums[:done] + weights[:done]) // (2 * weights[:done])).astype(np.uint8)
        for total in (sums, weights):
            total[: rows - done] = total[done:]
            total[rows - done :] = 0


def run_tiled(
    rgb: Rgb, tile_px: int, size_multiple_px: int, stylize: Callable[[Rgb], Rgb]
) -> tuple[Rgb, int]:
    """The bands of `tiled_bands` as one picture, and the number of tiles."""
    down, across = tile_axes(rgb.shape[0], rgb.shape[1], tile_px, size_multiple_px)
    bands = tiled_bands(rgb, tile_px, size_multiple_px, stylize)
    return np.concatenate(list(bands)), len(down.starts) * len(across.starts)
