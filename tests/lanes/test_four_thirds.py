"""A 4:3 picture of a tier's area, and what a pixel of it takes beside the square's."""

from __future__ import annotations

import math

import pytest

from iast_export.lanes.four_thirds import four_thirds, four_thirds_of
from iast_export.lanes.timing import Samples
from iast_export.specs import Tier


@pytest.mark.parametrize(
    ("side_px", "multiple_px", "size"),
    [(1024, 4, (888, 1184)), (256, 4, (220, 296)), (64, 4, (56, 72)), (32, 1, (28, 37))],
)
def test_it_has_the_tiers_area_and_sides_that_the_network_takes(
    side_px: int, multiple_px: int, size: tuple[int, int]
) -> None:
    assert four_thirds_of(Tier(1, side_px), multiple_px) == size
    assert math.prod(size) / side_px**2 == pytest.approx(1.0, abs=0.03)


def test_there_is_none_where_the_multiple_is_too_coarse() -> None:
    assert four_thirds_of(Tier(1, 64), 32) is None


def test_a_pixel_is_held_to_the_squares_of_the_same_blocks() -> None:
    square = Samples((), ((10.0, 10.0), (20.0, 20.0), (99.0, 99.0)))
    wide = Samples((9.0,), ((11.0, 11.0), (22.0, 22.0)))
    found = four_thirds(square, wide, Tier(1, 100), (80, 100))
    assert found.per_pixel.value == pytest.approx(1.1 * 10_000 / 8_000)
    assert found.samples_ms == (11.0, 11.0, 22.0, 22.0)
    assert (found.width_px, found.height_px) == (100, 80)
