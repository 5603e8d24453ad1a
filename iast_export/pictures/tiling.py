"""Pictures beyond the largest tier, in overlapping tiles blended by integer weights.

The network normalizes by the statistics of what it sees, which is a tile: tones may differ from
tile to tile, and from the same picture scaled down. The blend hides the seams, not that. The
Android core does the same to the level (tests/testdata/tiling_cases.json).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError

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


def run_tiled(
    rgb: Rgb, tile_px: int, size_multiple_px: int, stylize: Callable[[Rgb], Rgb]
) -> tuple[Rgb, int]:
    """The picture stylized tile by tile, row by row, and the number of tiles.

    Args:
        rgb: [H, W, 3].
        tile_px: a tile's side; size_multiple_px: of the network.
        stylize: makes a picture of the same size.

    Returns:
        [H, W, 3], floor((2 sum(w level) + sum(w)) / (2 sum(w))), and the count.
    """
    down, across = tile_axes(rgb.shape[0], rgb.shape[1], tile_px, size_multiple_px)
    sums, weights = np.zeros(rgb.shape, np.int64), np.zeros((*rgb.shape[:2], 1), np.int64)
    for top in down.starts:
        for left in across.starts:
            place = np.s_[top : top + down.size_px, left : left + across.size_px]
            weight = (down.weights(top)[:, None] * across.weights(left)[None, :])[..., None]
            sums[place] += stylize(np.ascontiguousarray(rgb[place])).astype(np.int64) * weight
            weights[place] += weight
    blended = ((2 * sums + weights) // (2 * weights)).astype(np.uint8)
    return blended, len(down.starts) * len(across.starts)
