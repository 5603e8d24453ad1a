"""Which large picture a tier is judged on."""

from __future__ import annotations

import pytest

from iast_export.reports.statistics import LargePlan, large_plan


@pytest.mark.parametrize(
    ("side_px", "multiple_px", "halo_px", "plan"),
    [
        (256, 4, 48, LargePlan(768, 256)),
        (1024, 4, 24, LargePlan(768, 256)),
        (1024, 4, 80, LargePlan(972, 324)),
        (64, 4, 24, LargePlan(192, 64)),
        (250, 16, 48, LargePlan(720, 240)),
        (1024, 8, 120, LargePlan(1024, 488)),
    ],
)
def test_three_tiles_stand_in_a_row_with_as_much_inside_as_halo(
    side_px: int, multiple_px: int, halo_px: int, plan: LargePlan
) -> None:
    assert large_plan(side_px, multiple_px, halo_px) == plan


@pytest.mark.parametrize(("side_px", "halo_px"), [(64, 32), (1024, 200)], ids=["halo", "costly"])
def test_none_is_judged_where_tiles_are_all_halo_or_cost_too_much(
    side_px: int, halo_px: int
) -> None:
    assert large_plan(side_px, 4, halo_px) is None
