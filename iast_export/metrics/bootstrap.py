"""The one bootstrap: percentiles of a statistic over draws, with replacement, of what was measured.

What is drawn (blocks, pictures, photographs, artworks), how often and from which stream is the
caller's to say, as a `Resampling`; equal values and an equal `Resampling` give equal figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# Of every interval and bound; chosen, as usual.
CONFIDENCE = 0.95
_CENTRAL = (0.025, 0.975)

Draws = NDArray[np.int64]
Values = NDArray[np.float64]
Statistic = Callable[[Draws], Values]


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class Resampling:
    """How a bootstrap draws.

    Attributes:
        resamples: draws; a percentile of them is then known to a few of their number.
        seed: of the stream.
        kept_stream: draw from `RandomState`, whose stream numpy keeps the same for good, where
            others must find the same figures with a numpy of theirs.
    """

    resamples: int
    seed: int = 0
    kept_stream: bool = False

    def draws(self, count: int) -> Draws:
        """Which of `count` things each resample holds: [resamples, count], read-only."""
        return _drawn(self, count)

    def bound(self, count: int, statistic: Statistic, *, higher: bool) -> tuple[float, float]:
        """A statistic over all of `count` things, and its one-sided 95 % bound on the bad side.

        Args:
            count: of things that can be drawn.
            statistic: of draws [N, count], one value each.
            higher: whether a higher value is better, so that the bound lies below it.
        """
        value = float(statistic(np.arange(count)[None])[0])
        share = 1 - CONFIDENCE if higher else CONFIDENCE
        found = float(np.quantile(statistic(self.draws(count)), share))
        return value, min(found, value) if higher else max(found, value)


@lru_cache(maxsize=8)
def _drawn(how: Resampling, count: int) -> Draws:
    shape = (how.resamples, count)
    if how.kept_stream:
        made = np.random.RandomState(how.seed).randint(0, count, shape, np.int64)
    else:
        made = np.random.default_rng(how.seed).integers(0, count, shape)
    made.flags.writeable = False
    return made


def central_interval(resampled: Values, value: float) -> Interval:
    """The 2.5th and 97.5th percentile of resampled values around a value; NaN where any is."""
    low, high = (float(np.quantile(resampled, share)) for share in _CENTRAL)
    return Interval(value, low, high)


def medians(values: Values, drawn: Draws) -> Values:
    """The median of each draw, by ranks: small integers sort several times faster than floats."""
    order = np.argsort(values, kind="stable")
    ranks = np.empty(len(values), np.int16)
    ranks[order] = np.arange(len(values))
    resampled = np.sort(ranks[drawn], axis=1)
    middle = (len(values) - 1) // 2, len(values) // 2
    lower, upper = (values[order][resampled[:, place]] for place in middle)
    return (lower + upper) / 2.0
