"""What a depth buys: better than every faster one beyond chance, or not on the front."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iast_export.errors import CannotJudgeError
from iast_export.lanes import depths
from iast_export.lanes.depths import STRENGTHS, DepthLanes, compare_depths, pays
from iast_export.lanes.judge import Judging, Reference
from iast_export.lanes.lane import Lane
from iast_export.lanes.timing import Samples, TimingOptions
from iast_export.lanes.views import EvaluationPair, View
from iast_export.metrics.style import LENGTH
from iast_export.reports.depths import DepthGain, Measure, SizeDepths
from iast_export.reports.verify import TaskScores
from iast_export.specs import STRENGTH, Tier

RGB = np.zeros((8, 8, 3), np.uint8)


def pair(place: int, has_strength: bool) -> EvaluationPair:
    feeds = {STRENGTH: np.ones((1, 1), np.float32)} if has_strength else {}
    return EvaluationPair(f"p{place}", "a", RGB, feeds, np.zeros(LENGTH))


def lanes(depth: int) -> DepthLanes:
    return DepthLanes(depth, Lane("onnxruntime", "fp32", Tier(depth, 8), Path(f"d{depth}")), None)


# Of a depth: milliseconds, style distance at full strength, SSIM there.
Figures = tuple[float, float, float]


def compared(
    figures: dict[int, Figures],
    monkeypatch: pytest.MonkeyPatch,
    has_strength: bool = True,
    photographs: int = 6,
) -> SizeDepths:
    """Depths that are what `figures` say; photographs differ alike for all."""

    def times(runs: dict[Lane, object], options: TimingOptions) -> dict[Lane, Samples]:
        return {lane: Samples((), ((figures[lane.tier.depth][0],) * 2,)) for lane in runs}

    def judged(lane: Lane, views: list[View], judging: Judging) -> list[Reference]:
        _, style, ssim = figures[lane.tier.depth]
        found = []
        for view in views:
            share = float(view.pair.feeds[STRENGTH][0, 0]) if has_strength else 1.0
            off = 0.01 * int(view.pair.content[1:])
            scores = TaskScores(
                style_distance=0.3 - share * (0.3 - style) + off,
                ssim_content=1.0 - share * (1.0 - ssim) - off,
            )
            found.append(Reference(view, RGB, scores, ""))
        return found

    monkeypatch.setattr(depths, "open_runs", lambda lanes, *_: dict.fromkeys(lanes))
    monkeypatch.setattr(depths, "time_in_turn", times)
    monkeypatch.setattr(depths, "make_references", judged)
    pairs = [pair(i, has_strength) for i in range(photographs)]
    made = [lanes(depth) for depth in figures]
    return compare_depths(8, made, [Tier(4, 8)], pairs, Judging(), TimingOptions())


def test_a_deeper_one_that_keeps_more_at_equal_style_is_on_the_front_and_one_that_does_not_is_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = compared({4: (9.0, 0.1, 0.6), 2: (4.0, 0.1, 0.5), 1: (2.0, 0.1, 0.5)}, monkeypatch)
    assert [(row.depth, row.on_front, row.shipped) for row in found.rows] == [
        (1, True, False),
        (2, False, False),
        (4, True, True),
    ]
    assert found.common_style == pytest.approx([0.245, 0.205, 0.165, 0.125])
    assert found.rows[2].gains[0].value == pytest.approx(0.1 * (0.4 + 0.6 + 0.8 + 1.0) / 4)


def test_more_style_at_the_same_ssim_counts_at_equal_style(monkeypatch: pytest.MonkeyPatch) -> None:
    found = compared({2: (4.0, 0.1, 0.5), 1: (2.0, 0.15, 0.5)}, monkeypatch)
    deeper = found.rows[1]
    assert deeper.on_front and deeper.ssim == pytest.approx(found.rows[0].ssim)
    assert deeper.ssim_at_equal_style is not None and deeper.ssim_at_equal_style.value > 0.5


@pytest.mark.parametrize(
    ("deeper", "on_front"),
    [((4.0, 0.1, 0.5), True), ((4.0, 0.15, 0.6), True), ((4.0, 0.16, 0.5), False)],
)
def test_without_a_strength_nearer_to_the_artwork_or_to_the_photograph_pays(
    deeper: Figures, on_front: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = compared({2: deeper, 1: (2.0, 0.15, 0.5)}, monkeypatch, has_strength=False)
    assert not found.common_style and found.rows[1].on_front is on_front
    assert {gain.measure for gain in found.rows[1].gains} == {"style_distance", "ssim"}


def test_it_must_be_better_than_every_faster_one() -> None:
    def gain(beside: int, low: float, measure: Measure = "ssim") -> DepthGain:
        return DepthGain(beside=beside, measure=measure, value=low + 0.1, low=low, high=low + 0.2)

    assert pays([]) and pays([gain(1, 0.1), gain(2, 0.1)])
    assert not pays([gain(1, 0.1), gain(2, -0.1)])
    assert pays([gain(1, -0.1), gain(1, 0.1, "style_distance")])


def test_three_photographs_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CannotJudgeError, match="3 photographs"):
        compared({2: (4.0, 0.1, 0.5), 1: (2.0, 0.1, 0.5)}, monkeypatch, photographs=3)


def test_the_last_strength_is_the_full_one() -> None:
    assert STRENGTHS[-1] == 1.0 and list(STRENGTHS) == sorted(STRENGTHS)
