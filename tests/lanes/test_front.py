"""The front: what no other lane of a tier equals in both and beats in one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from iast_export.lanes.figures import Fidelity, LaneFigures, Speed
from iast_export.lanes.front import front, place_of
from iast_export.specs import AnyPrecision


def lane(
    precision: AnyPrecision, median_ms: float | None, psnr_db: float | None, tier: str = "d1-32px"
) -> LaneFigures:
    speed = None if median_ms is None else Speed(median_ms)
    return LaneFigures(
        "litert", precision, tier, speed, None if psnr_db is None else Fidelity(psnr_db)
    )


def test_the_front_goes_from_the_fastest_to_the_closest() -> None:
    fp32, int8 = lane("fp32", 9.0, 90.0), lane("int8", 3.0, 45.0)
    beaten, between = lane("int16x8", 10.0, 50.0), lane("mixed", 4.0, 47.0)
    assert front([fp32, beaten, int8, between]) == [int8, between, fp32]


def test_a_lane_without_time_or_picture_is_on_no_front() -> None:
    alone = [lane("ceiling", 1.0, 90.0), lane("int8", None, 50.0), lane("fp16", 1.0, None)]
    assert [place_of(one) for one in alone] == [None] * 3
    slow = lane("fp32", 9.0, 40.0)
    assert front([*alone, slow]) == [slow]


def test_tiers_are_apart() -> None:
    small, large = lane("fp32", 1.0, 90.0), lane("fp32", 30.0, 80.0, "d1-64px")
    assert front([large, small]) == [small, large]


def test_of_two_that_are_equal_neither_beats_the_other() -> None:
    same = [lane("fp16", 5.0, 60.0), lane("fp32", 5.0, 60.0)]
    assert front(same) == same
    assert front([*same, lane("int8", 5.0, 59.0), lane("dynamic_int8", 5.1, 60.0)]) == same


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(30, 36)), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_every_lane_is_on_the_front_or_beaten_by_one_that_is(
    places: list[tuple[int, int]],
) -> None:
    found = front([lane("int8", float(ms), float(db)) for ms, db in places])
    best = {place for one in found if (place := place_of(one))}
    for ms, db in places:
        better = [one for one in best if one != (ms, db) and one[0] <= ms and one[1] >= db]
        assert ((ms, db) in best) == (not better)
