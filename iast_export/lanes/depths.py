"""Depths of a network side by side at one size: timed in turn, judged at equal style.

A deeper subnetwork costs more, so it must be better: in what it keeps of the photograph where it
has as much of the style, or, where no strength can make that equal, in one of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import CannotJudgeError
from iast_export.lanes.judge import Judging, make_references
from iast_export.lanes.lane import Lane, open_runs
from iast_export.lanes.timing import TimingOptions, time_in_turn
from iast_export.lanes.views import EvaluationPair, View, squares
from iast_export.metrics.bootstrap import Draws, Resampling, Values, central_interval
from iast_export.metrics.equal_style import StyleCurve, at_common_style
from iast_export.metrics.paired import LEAST_UNITS
from iast_export.pictures.images import to_tensor
from iast_export.reports.depths import DepthGain, DepthRow, Estimate, Measure, SizeDepths
from iast_export.specs import STRENGTH, Tier

# Chosen; the weakest is there to be read from, not at.
STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
_RESAMPLING = Resampling(4000)
_LOWER_IS_BETTER: tuple[Measure, ...] = ("style_distance",)

Drawn = Mapping[Measure, NDArray[np.float64]]  # [depths, draws] of each


@dataclass(frozen=True)
class DepthLanes:
    """A depth's files, at one size."""

    depth: int
    fp32: Lane
    int8: Lane | None


def compare_depths(
    size_px: int,
    depths: Sequence[DepthLanes],
    shipped: Sequence[Tier],
    pairs: Sequence[EvaluationPair],
    judging: Judging,
    options: TimingOptions,
) -> SizeDepths:
    """All depths of a network at one size, fastest first, those on the front marked.

    Args:
        size_px: of the squares.
        depths: with INT8 at every depth, or at none.
        shipped: the plan.
        pairs: what to judge on.
        judging: how; pictures are squares.
        options: how to time.

    Raises:
        CannotJudgeError: too few photographs for an interval.
        InputError: a result holds NaN.
        ToolError: a runtime failed.
    """
    if len(pairs) < LEAST_UNITS:
        raise CannotJudgeError(
            f"{len(pairs)} photographs don't tell depths apart, {LEAST_UNITS} are needed",
            "raise [verify] images, or add photographs to its set",
        )
    views = squares(pairs, Tier(depths[0].depth, size_px))
    times = _times(depths, views[0], options)
    ordered = sorted(depths, key=lambda one: times[one.fp32])
    found = _Judged.of([_curve(one.fp32, views, judging) for one in ordered])
    rows = []
    for place, one in enumerate(ordered):
        gains = [
            found.gain(place, other, ordered[other].depth, name)
            for other in range(place)
            for name in found.once
        ]
        row = DepthRow(
            depth=one.depth,
            shipped=Tier(one.depth, size_px) in shipped,
            fp32_ms=times[one.fp32],
            int8_ms=times[one.int8] if one.int8 else None,
            style_distance=float(found.curves[place].style[:, -1].mean()),
            ssim=float(found.curves[place].score[:, -1].mean()),
            ssim_at_equal_style=found.at_equal_style(place),
            gains=tuple(gains),
            on_front=pays(gains),
        )
        rows.append(row)
    return SizeDepths(size_px=size_px, common_style=found.common_style, rows=tuple(rows))


def pays(gains: Sequence[DepthGain]) -> bool:
    """Whether a depth is better than every faster one in some measure, beyond its interval."""
    beside = {gain.beside for gain in gains}
    return beside == {gain.beside for gain in gains if gain.low > 0}


def _times(
    depths: Sequence[DepthLanes], view: View, options: TimingOptions
) -> dict[Lane | None, float]:
    lanes = [lane for one in depths for lane in (one.fp32, one.int8) if lane is not None]
    runs = open_runs(lanes, to_tensor(view.content), view.pair.feeds, options.threads)
    return {lane: samples.median_ms for lane, samples in time_in_turn(runs, options).items()}


def _curve(lane: Lane, views: Sequence[View], judging: Judging) -> StyleCurve:
    """Style distance and SSIM of a depth, by photograph and strength."""
    has_strength = STRENGTH in views[0].pair.feeds
    strengths = STRENGTHS if has_strength else STRENGTHS[-1:]
    asked = [
        _at(view, strength) if has_strength else view for view in views for strength in strengths
    ]
    scores = [one.scores for one in make_references(lane, asked, judging)]
    shape = len(views), len(strengths)
    style = np.array([one.style_distance for one in scores]).reshape(shape)
    return StyleCurve(style, np.array([one.ssim_content for one in scores]).reshape(shape))


def _at(view: View, strength: float) -> View:
    feeds = {**view.pair.feeds, STRENGTH: np.full((1, 1), strength, np.float32)}
    return replace(view, pair=replace(view.pair, feeds=feeds))


@dataclass(frozen=True)
class _Judged:
    """What is known of depths by their places: over all photographs, and over draws of them."""

    curves: Sequence[StyleCurve]
    once: Drawn
    many: Drawn
    common_style: tuple[float, ...]

    @staticmethod
    def of(curves: Sequence[StyleCurve]) -> _Judged:
        count = len(curves[0].style)
        once, targets = _measured(curves, np.arange(count)[None])
        many, _ = _measured(curves, _RESAMPLING.draws(count))
        return _Judged(curves, once, many, tuple(float(one[0]) for one in targets))

    def at_equal_style(self, place: int) -> Estimate | None:
        if not self.common_style:
            return None
        name: Measure = "ssim_at_equal_style"
        return _estimate(self.many[name][place], float(self.once[name][place, 0]))

    def gain(self, place: int, other: int, beside: int, name: Measure) -> DepthGain:
        sign = -1.0 if name in _LOWER_IS_BETTER else 1.0
        value = float(sign * (self.once[name][place, 0] - self.once[name][other, 0]))
        found = _estimate(sign * (self.many[name][place] - self.many[name][other]), value)
        return DepthGain(beside=beside, measure=name, **found.model_dump())


def _measured(curves: Sequence[StyleCurve], draws: Draws) -> tuple[Drawn, Sequence[Values]]:
    """Each measure over draws of photographs, and the common style distances of each draw."""
    if curves[0].style.shape[1] > 1:
        targets, scores = at_common_style(curves, draws)
        return {"ssim_at_equal_style": scores}, list(targets)
    style = [one.style[:, 0][draws].mean(1) for one in curves]
    ssim = [one.score[:, 0][draws].mean(1) for one in curves]
    return {"style_distance": np.stack(style), "ssim": np.stack(ssim)}, ()


def _estimate(resampled: Values, value: float) -> Estimate:
    found = central_interval(resampled, value)
    return Estimate(value=found.value, low=found.low, high=found.high)
