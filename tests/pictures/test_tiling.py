"""Tiles: they cover the picture, overlap, and blend what is equal to itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iast_export.errors import InputError
from iast_export.pictures.tiling import TileAxis, run_tiled


@given(st.integers(1, 400), st.integers(2, 64), st.integers(0, 63))
def test_tiles_cover_the_axis_and_overlap(length: int, tile: int, overlap: int) -> None:
    overlap = min(overlap, tile - 1)
    axis = TileAxis(length, tile, overlap)
    starts = axis.starts
    assert starts[0] == 0 and starts[-1] + axis.size_px == length
    assert all(a < b and a + tile - b >= overlap for a, b in zip(starts, starts[1:], strict=False))
    assert all((axis.weights(start) > 0).all() for start in starts)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_blending_unchanged_tiles_gives_the_picture(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    assert np.array_equal(run_tiled(picture, 16, 2, lambda tile: tile)[0], picture)


def test_an_overlap_as_large_as_the_tile_is_refused() -> None:
    with pytest.raises(InputError, match="larger than their overlap"):
        TileAxis(100, 8, 8)
