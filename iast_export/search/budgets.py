"""Budgets of a search: directed limits, judged by a confidence bound and not by a point."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import CannotJudgeError, UsageError
from iast_export.metrics.bootstrap import Draws, Resampling, Statistic, medians
from iast_export.metrics.summaries import HIGHER_IS_BETTER, relative_drop
from iast_export.reports.base import PSNR_CAP_DB
from iast_export.reports.search import Candidate, JudgedBudget, Operator

# Chosen: a bootstrap over fewer pictures bounds nothing; one-sided; ends on 200 resamples.
MIN_IMAGES = 4
# Nobody finds a bound again from a report, so the stream may be that of numpy's newer generator.
_RESAMPLING = Resampling(4000)
_FORM = re.compile(r"^\s*([a-z_.]+)\s*(>=|<=)\s*(\S+)\s*$")


@dataclass(frozen=True)
class Metric:
    """What can be budgeted: its good direction, and the values that a limit can sensibly have.

    Attributes:
        higher_is_better: whether a limit is a floor.
        low, high: a limit lies strictly above `low`, and at `high` at most.
        is_cost: paid in time or space, not in accuracy.
    """

    higher_is_better: bool
    low: float
    high: float
    is_cost: bool = False


_DROPS = {f"drop.{name}": Metric(False, -math.inf, math.inf) for name in HIGHER_IS_BETTER}
METRICS: Mapping[str, Metric] = {
    "psnr_db": Metric(True, 0.0, PSNR_CAP_DB),
    "ssim": Metric(True, -1.0, 1.0),
    **_DROPS,
    "latency_ms": Metric(False, 0.0, math.inf, is_cost=True),
    "bytes": Metric(False, 0.0, math.inf, is_cost=True),
}


@dataclass(frozen=True)
class Budget:
    """One limit, such as `psnr_db>=42`. `drop.NAME` is relative, positive is worse."""

    name: str
    operator: Operator
    limit: float

    @property
    def metric(self) -> Metric:
        """What it limits."""
        return METRICS[self.name]

    def holds(self, value: float) -> bool:
        """Whether a value keeps to the limit."""
        return value >= self.limit if self.operator == ">=" else value <= self.limit


def parse_budgets(texts: Sequence[str]) -> tuple[Budget, ...]:
    """Budgets from the command line.

    Raises:
        UsageError: none, one that can't be read or is limited on its good side, a name twice.
    """
    budgets = tuple(_parse(text) for text in texts)
    if not budgets:
        raise UsageError(
            "a search needs a budget", "give at least one, such as --budget 'psnr_db>=42'"
        )
    names = [budget.name for budget in budgets]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(
            f"{twice} is budgeted twice", "give each name once, with the stricter limit"
        )
    return budgets


def _parse(text: str) -> Budget:
    form = _FORM.match(text)
    if form is None:
        raise UsageError(
            f"the budget {text!r} can't be read", "write NAME>=VALUE or NAME<=VALUE, quoted"
        )
    name, operator, written = form.groups()
    if name not in METRICS:
        raise UsageError(f"there is no budget {name!r}", f"choose of {', '.join(METRICS)}")
    metric, limit = METRICS[name], _number(written, text)
    wanted: Operator = ">=" if metric.higher_is_better else "<="
    if operator != wanted:
        side = "higher" if metric.higher_is_better else "lower"
        raise UsageError(
            f"{text!r} limits {name} on its good side", f"{side} is better: {name}{wanted}VALUE"
        )
    if not metric.low < limit <= metric.high:
        raise UsageError(
            f"no model can keep {text!r}",
            f"{name} lies above {metric.low:g}, up to {metric.high:g}",
        )
    return Budget(name, wanted, limit)


def _number(written: str, text: str) -> float:
    try:
        value = float(written)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(
            f"the budget {text!r} has no finite value", "write a number after the operator"
        )
    return value


def judge(
    budget: Budget,
    candidate: Candidate,
    base: Candidate,
    reference: Sequence[Mapping[str, float | None]],
    by_value: bool = False,
    squares: int | None = None,
) -> JudgedBudget:
    """One budget of one candidate: the measured value, and its bound, which decides.

    The bound is one-sided at 95 %, bootstrapped over evaluation images, for latency over timing
    blocks; a file's size is exact.

    Args:
        budget: to judge by.
        candidate: measured.
        base: the all-INT8 file.
        reference: the task scores of FP32's pictures, in the order of the candidate's.
        by_value: whether the value decides instead.
        squares: drops of task scores are of the first so many pictures; None: of all.

    Raises:
        CannotJudgeError: fewer than `MIN_IMAGES` images.
        UsageError: a score that nothing judged.
    """
    if budget.name == "bytes":
        value = bound = float(candidate.file_bytes)
    elif budget.name == "latency_ms":
        value, bound = latency_ms(candidate, base)
    else:
        count = len(candidate.psnr_db)
        if budget.name.startswith("drop."):
            count = squares or count
        _check_images(count)
        statistic = _statistic(budget, candidate, reference)
        higher = budget.metric.higher_is_better
        value, bound = _RESAMPLING.bound(count, statistic, higher=higher)
    return JudgedBudget(
        name=budget.name,
        operator=budget.operator,
        limit=budget.limit,
        value=value,
        bound=bound,
        holds=budget.holds(value if by_value else bound),
    )


def latency_ms(candidate: Candidate, base: Candidate) -> tuple[float, float]:
    """A candidate's time and its bound: the base's own time by the ratio of the two, timed in turn.

    The machine's drift between two measurements so weighs on no candidate alone.
    """
    times, own = np.array(base.blocks_ms), np.array(candidate.blocks_ms).sum(axis=1)
    ratios = own / np.array(candidate.base_blocks_ms).sum(axis=1)
    base_ms, base_bound = _RESAMPLING.bound(
        len(times), lambda rows: np.median(times[rows], axis=(1, 2)), higher=False
    )
    ratio, ratio_bound = _RESAMPLING.bound(
        len(ratios), lambda rows: medians(ratios, rows), higher=False
    )
    return base_ms * ratio, base_bound * ratio_bound


def _statistic(
    budget: Budget, candidate: Candidate, reference: Sequence[Mapping[str, float | None]]
) -> Statistic:
    """The value of a budget's metric over chosen images."""
    if not budget.name.startswith("drop."):
        values = np.array(getattr(candidate, budget.name))
        return lambda rows: values[rows].mean(axis=1)
    name = budget.name.removeprefix("drop.")
    base, own = _column(reference, name), _column(candidate.scores, name)

    def drop(rows: Draws) -> NDArray[np.float64]:
        means = zip(base[rows].mean(axis=1), own[rows].mean(axis=1), strict=True)
        return np.array([relative_drop(one, two, HIGHER_IS_BETTER[name]) for one, two in means])

    return drop


def _column(scores: Sequence[Mapping[str, float | None]], name: str) -> NDArray[np.float64]:
    values = [row.get(name) for row in scores]
    if any(value is None for value in values):
        given = (
            "give [verify] perceptual_weights in the recipe, or " if name == "lpips_content" else ""
        )
        raise UsageError(f"drop.{name} is not judged here", f"{given}leave this budget out")
    return np.array(values, np.float64)


def _check_images(count: int) -> None:
    if count < MIN_IMAGES:
        raise CannotJudgeError(
            f"{count} evaluation pictures allow no bound",
            f"judge on at least {MIN_IMAGES}, better 8",
        )


def shortfall(judged: Sequence[JudgedBudget], by_value: bool = False) -> float:
    """How far budgets are from holding: the sum, in shares of the limits, over those that miss.

    Args:
        judged: budgets.
        by_value: whether values decide, not their bounds.
    """
    return sum(
        abs((one.value if by_value else one.bound) - one.limit) / max(abs(one.limit), 1e-3)
        for one in judged
        if not one.holds
    )
