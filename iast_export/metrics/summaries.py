"""How a report's figures follow from its raw values, for who writes and who judges them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

from iast_export.errors import InputError
from iast_export.reports.verify import Drop, PairScore, Spread, TaskScores

# A drop relative to a score near zero says nothing: smaller FP32 scores count as this much; chosen.
SCORE_FLOOR = 0.05
HIGHER_IS_BETTER: Mapping[str, bool] = {
    "ssim_content": True,
    "style_distance": False,
    "lpips_content": False,
    "identity": True,
}
# From so many samples on, a 95 % upper bound of the 90th percentile exists: 1 - 0.9 ** 29 = 0.953.
P90_MIN_SAMPLES = 29


def spread_of(values: Sequence[float]) -> Spread:
    """Mean and 5th percentile.

    Raises:
        InputError: no value, or one that is not finite.
    """
    return Spread(p5=lower_p5(values), mean=statistics.fmean(values))


def lower_p5(values: Sequence[float]) -> float:
    """The 5th percentile as an order statistic that was really measured, never interpolated upward.

    It is the value of rank ceil(0.05 n): up to 20 values that is the smallest.

    Raises:
        InputError: no value, or one that is not finite.
    """
    if not values:
        raise InputError("a percentile of no values was asked", "measure at least one picture")
    if not all(math.isfinite(value) for value in values):
        raise InputError("a value is not finite", "check the pictures that it was measured on")
    return sorted(map(float, values))[max(0, math.ceil(len(values) / 20) - 1)]


def p90_ms(samples_ms: Sequence[float]) -> float | None:
    """The 90th percentile as a measured sample (rank ceil(0.9 n)); None below `P90_MIN_SAMPLES`."""
    if len(samples_ms) < P90_MIN_SAMPLES:
        return None
    return sorted(samples_ms)[-(-9 * len(samples_ms) // 10) - 1]


def relative_drop(reference: float, candidate: float, higher_is_better: bool) -> float:
    """Loss of a mean score relative to FP32's; positive is worse.

    FP32 scores below `SCORE_FLOOR` (in size) count as that, since a share of almost nothing says
    nothing.
    """
    loss = reference - candidate if higher_is_better else candidate - reference
    return loss / max(abs(reference), SCORE_FLOOR)


def drop_of(pairs: Sequence[PairScore]) -> Drop:
    """Relative loss of every mean task score; None where no pair has it."""
    drops: dict[str, float | None] = {}
    for name, higher_is_better in HIGHER_IS_BETTER.items():
        base = _mean([one.reference for one in pairs], name)
        other = _mean([one.scores for one in pairs], name)
        judged = base is not None and other is not None
        drops[name] = relative_drop(base or 0.0, other or 0.0, higher_is_better) if judged else None
    return Drop.model_validate(drops)


def _mean(scores: Sequence[TaskScores], name: str) -> float | None:
    values = [value for value in (getattr(one, name) for one in scores) if value is not None]
    return statistics.fmean(values) if values else None
