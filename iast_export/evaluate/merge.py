"""From rows to figures: a pure function, whose result does not depend on how a run was split.

A pair is no unit of its own: what a photograph loses it loses in many styles, and an artwork in
many photographs. So intervals come from drawing photographs and artworks anew, both with
replacement, each pair as often as the product of the two says: the pigeonhole bootstrap of Owen,
Annals of Applied Statistics 1(2), 2007.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import CannotJudgeError, InputError
from iast_export.evaluate.worker import line_of
from iast_export.files.artifacts import sha256_bytes
from iast_export.metrics.bootstrap import Resampling, central_interval
from iast_export.metrics.summaries import HIGHER_IS_BETTER, lower_p5, relative_drop
from iast_export.reports.evaluation import (
    Estimate,
    EvaluatedRow,
    EvaluationPlan,
    EvaluationReport,
    FailureCount,
    LaneEvaluation,
    PlannedLane,
    RowKey,
    WorstPair,
)
from iast_export.reports.verify import PairScore

# Chosen: a 2.5th percentile of a thousand is known to a few of them. Others must find the same.
_RESAMPLES = 1000
_PHOTOGRAPHS = Resampling(_RESAMPLES, seed=1, kept_stream=True)
_ARTWORKS = Resampling(_RESAMPLES, seed=2, kept_stream=True)
# Sums of products in another order differ in the 15th digit.
_DIGITS = 9
_WORST = 3
_NAMED = 3
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Merged:
    """All rows of a run in their order, as lines, and their sum."""

    lines: tuple[str, ...]
    report: EvaluationReport


def merge(plan: EvaluationPlan, rows: Iterable[EvaluatedRow]) -> Merged:
    """The sum of a run, the same bytes in whatever order and however often rows come.

    A row that was judged counts before one of the same pair and lane that failed.

    Raises:
        CannotJudgeError: a pair of the plan is in no row.
        InputError: a row is not of the plan, or two judged the same and found another thing.
    """
    found = _each_once(rows)
    wanted = _wanted(plan)
    _check_whole(found.keys(), wanted)
    ordered = [found[key] for key in wanted]
    lines = tuple(line_of(row) for row in ordered)
    report = EvaluationReport(
        bundle=plan.bundle,
        plan_sha256=sha256_bytes(plan.to_json()),
        rows_sha256=sha256_bytes("".join(lines).encode()),
        contents=len(plan.contents),
        styles=len(plan.styles),
        pairs=len(plan.contents) * len(plan.styles),
        own_shape=plan.own_shape,
        left_out=plan.left_out,
        lanes=_summed(plan, ordered),
        failures=_failures(ordered),
        machines=dict(sorted(Counter(row.machine for row in ordered).items())),
    )
    return Merged(lines, report)


def _each_once(rows: Iterable[EvaluatedRow]) -> dict[RowKey, EvaluatedRow]:
    found: dict[RowKey, EvaluatedRow] = {}
    for row in rows:
        other = found.get(row.key)
        if other is None or other.judged is None:
            # Of failures the first by its words, so that no order tells.
            both = [one for one in (row, other) if one is not None]
            found[row.key] = min(both, key=lambda one: (one.judged is None, line_of(one)))
        elif row.judged is not None and row.judged != other.judged:
            raise InputError(
                f"{row.content} in {row.style} by {' '.join(row.key[2])} was judged twice, and "
                f"differs: on {other.machine} and on {row.machine}",
                "judge each shard on one machine, and merge each once",
            )
        elif row.judged is not None:
            found[row.key] = min(row, other, key=line_of)
    return found


def _wanted(plan: EvaluationPlan) -> list[RowKey]:
    return [
        (content.id, style.id, lane.key)
        for lane in plan.lanes
        for content in plan.contents
        for style in plan.styles
    ]


def _check_whole(found: Iterable[RowKey], wanted: Sequence[RowKey]) -> None:
    have, need = set(found), set(wanted)
    foreign = sorted(have - need)
    if foreign:
        content, style, _ = foreign[0]
        raise InputError(
            f"{len(foreign)} rows are of no pair of the plan, such as {content} in {style}",
            "merge the shards of one run",
        )
    missing = sorted({key[:2] for key in need - have})
    if missing:
        named = ", ".join(f"{content} in {style}" for content, style in missing[:_NAMED])
        raise CannotJudgeError(
            f"{len(missing)} pairs are not judged yet, such as {named}",
            "evaluate the shards that are missing, or go on with those that were stopped",
        )


def _summed(plan: EvaluationPlan, rows: Sequence[EvaluatedRow]) -> tuple[LaneEvaluation, ...]:
    grid = _Grid(
        {one.id: i for i, one in enumerate(plan.contents)},
        {one.id: i for i, one in enumerate(plan.styles)},
    )
    size = len(plan.contents) * len(plan.styles)
    parts = (rows[i * size : (i + 1) * size] for i in range(len(plan.lanes)))
    return tuple(_lane(lane, part, grid) for lane, part in zip(plan.lanes, parts, strict=True))


def _lane(lane: PlannedLane, rows: Sequence[EvaluatedRow], grid: _Grid) -> LaneEvaluation:
    judged = [row.judged for row in rows if row.judged is not None]
    facts = {
        "runtime": lane.runtime,
        "precision": lane.precision,
        "tier": lane.tier,
        "pairs": len(judged),
        "failed": len(rows) - len(judged),
    }
    if not judged:
        return LaneEvaluation.model_validate(facts)
    clusters = _Clusters(grid, judged)
    psnr_db = [one.psnr_db for one in judged]
    worst = sorted(judged, key=lambda one: (one.psnr_db, one.content, one.style))[:_WORST]
    return LaneEvaluation.model_validate(
        {
            **facts,
            "psnr_db": clusters.mean(psnr_db),
            "psnr_p5_db": lower_p5(psnr_db),
            "ssim": clusters.mean([one.ssim for one in judged]),
            "drop": clusters.drops(judged),
            "worst": tuple(
                WorstPair(content=one.content, style=one.style, psnr_db=one.psnr_db)
                for one in worst
            ),
        }
    )


@dataclass(frozen=True)
class _Grid:
    """The row of each photograph and the column of each artwork in a table of pairs."""

    contents: Mapping[str, int]
    styles: Mapping[str, int]


class _Clusters:
    """Means over drawn photographs and artworks of some pairs.

    Args:
        grid: of all pairs.
        pairs: those that were judged.
    """

    def __init__(self, grid: _Grid, pairs: Sequence[PairScore]) -> None:
        self._at = (
            np.array([grid.contents[one.content] for one in pairs]),
            np.array([grid.styles[one.style] for one in pairs]),
        )
        self._shape = len(grid.contents), len(grid.styles)
        self._weights = tuple(
            _times_drawn(how, count)
            for how, count in zip((_PHOTOGRAPHS, _ARTWORKS), self._shape, strict=True)
        )
        self._is_drawn = max(self._shape) > 1
        self._sizes = self._sums(np.ones(len(pairs)))

    def mean(self, values: Sequence[float]) -> Estimate:
        """A mean over pairs."""
        return self._estimate(statistics.fmean(values), lambda: self._means(values))

    def drops(self, pairs: Sequence[PairScore]) -> dict[str, Estimate]:
        """The relative loss of each task score that was judged."""
        found = {}
        for name, higher_is_better in HIGHER_IS_BETTER.items():
            scores = [getattr(one.scores, name) for one in pairs]
            references = [getattr(one.reference, name) for one in pairs]
            if any(value is None for value in (*scores, *references)):
                continue
            found[name] = self._drop(references, scores, higher_is_better)
        return found

    def _drop(
        self, references: Sequence[float], scores: Sequence[float], higher_is_better: bool
    ) -> Estimate:
        value = relative_drop(
            statistics.fmean(references), statistics.fmean(scores), higher_is_better
        )

        def resampled() -> Values:
            both = zip(self._means(references), self._means(scores), strict=True)
            return np.array([relative_drop(one, two, higher_is_better) for one, two in both])

        return self._estimate(value, resampled)

    def _estimate(self, value: float, resampled: Callable[[], Values]) -> Estimate:
        if not self._is_drawn:
            return Estimate(value=round(value, _DIGITS))
        found = central_interval(resampled(), value)
        low, high = min(found.low, value), max(found.high, value)
        return Estimate(
            value=round(value, _DIGITS), low=round(low, _DIGITS), high=round(high, _DIGITS)
        )

    def _means(self, values: Sequence[float]) -> Values:
        """Of each resample that holds a pair that was judged."""
        held = self._sizes > 0
        return self._sums(np.array(values))[held] / self._sizes[held]

    def _sums(self, values: Values) -> Values:
        table = np.zeros(self._shape)
        table[self._at] = values
        contents, styles = self._weights
        return np.asarray(((contents @ table) * styles).sum(axis=1), np.float64)


def _times_drawn(how: Resampling, count: int) -> Values:
    """How often each resample holds each thing: [resamples, count]; one thing is held once."""
    if count == 1:
        return np.ones((how.resamples, 1))
    drawn = how.draws(count)
    flat = (drawn + count * np.arange(len(drawn))[:, np.newaxis]).reshape(-1)
    return np.bincount(flat, minlength=drawn.size).reshape(drawn.shape).astype(np.float64)


def _failures(rows: Sequence[EvaluatedRow]) -> tuple[FailureCount, ...]:
    told = Counter((row.failed.kind, row.failed.message) for row in rows if row.failed is not None)
    return tuple(
        FailureCount(kind=kind, message=message, rows=count)
        for (kind, message), count in sorted(told.items())
    )
