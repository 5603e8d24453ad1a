"""Covers: every pixel is given once, by a tile that sees its halo or the picture's edge."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iast_export.errors import InputError
from iast_export.stylize.cover import Cover, CoverAxis

MULTIPLES = st.sampled_from([1, 2, 4, 8])


@given(st.integers(1, 3000), st.integers(4, 40), st.integers(0, 6), MULTIPLES)
def test_every_pixel_is_given_once_with_its_halo(
    length: int, tile: int, halo: int, multiple: int
) -> None:
    tile, halo = max(tile, 2 * halo + 1) * multiple, halo * multiple
    axis = CoverAxis(length, tile, halo, multiple)
    spans = axis.spans
    assert len(spans) == axis.count and axis.side_px % multiple == 0
    assert axis.side_px <= max(tile, 2 * multiple)
    assert spans[0].first_px == 0 and spans[-1].last_px == length
    assert all(a.last_px == b.first_px for a, b in pairwise(spans))
    for i, span in enumerate(spans):
        end = span.start_px + axis.side_px
        assert span.start_px % multiple == 0 and span.first_px % multiple == 0
        assert 0 <= span.start_px <= span.first_px < span.last_px
        assert i == 0 or span.first_px - span.start_px >= halo
        assert i == len(spans) - 1 or end - span.last_px >= halo
    assert spans[0].start_px == 0 and spans[-1].start_px + axis.side_px == axis.padded_px


@given(st.integers(600, 5000), st.sampled_from([256, 512]))
def test_no_smaller_tile_would_need_as_few(length: int, tile: int) -> None:
    axis = CoverAxis(length, tile, 24, 4)
    smaller = CoverAxis(length, axis.side_px - 4, 24, 4)
    assert smaller.count > axis.count or axis.count == 1


def test_a_picture_of_one_tile_is_that_tile() -> None:
    cover = Cover.of(61, 30, 64, 24, 4)
    assert (cover.shape_px, cover.count) == ((64, 32), 1)
    assert [len(row) for row in cover.rows()] == [1]


def test_tiles_that_are_all_halo_are_refused() -> None:
    with pytest.raises(InputError, match="use larger tiles"):
        CoverAxis(500, 48, 24, 4)
    assert CoverAxis(48, 48, 24, 4).count == 1
