"""Fair timing: things to compare run in turn (A B B A) in one process, and ratios carry an
interval."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import CannotJudgeError, InputError, UsageError
from iast_export.metrics.summaries import p90_ms

Clock = Callable[[], int]

# Of a bootstrap: its ends at 2.5 and 97.5 % rest on 100 resamples each.
_RESAMPLES = 4000


@dataclass(frozen=True)
class Samples:
    """Times of one thing, in milliseconds, in the order they were measured.

    Attributes:
        warmup_ms: runs before any was counted.
        blocks_ms: per block the two runs of it.
    """

    warmup_ms: tuple[float, ...]
    blocks_ms: tuple[tuple[float, float], ...]

    @property
    def samples_ms(self) -> tuple[float, ...]:
        """All counted runs."""
        return tuple(sample for block in self.blocks_ms for sample in block)

    @property
    def median_ms(self) -> float:
        """Median of the counted runs."""
        return statistics.median(self.samples_ms)

    @property
    def p90_ms(self) -> float | None:
        """90th percentile of the counted runs; None below `P90_MIN_SAMPLES`."""
        return p90_ms(self.samples_ms)


@dataclass(frozen=True)
class Interval:
    """A ratio with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def interleave(
    runs: Mapping[str, Callable[[], object]],
    warmup: int,
    blocks: int,
    *,
    budget_s: float | None = None,
    min_blocks: int = 2,
    clock_ns: Clock = time.perf_counter_ns,
) -> dict[str, Samples]:
    """Times several things in turn: each block goes through them forward, then backward.

    With two that is A B B A, so that a slow drift of the machine weighs on both alike. Garbage
    collection rests while it measures.

    Args:
        runs: what to time, by name; each call is one run.
        warmup: runs of each before any counts, kept apart.
        blocks: blocks to measure; every block gives each thing two samples.
        budget_s: fewer blocks, where the warmed-up speed says that all would take longer than this.
        min_blocks: blocks to measure whatever the budget.
        clock_ns: a clock that never goes back, nanoseconds.

    Raises:
        UsageError: nothing to time, or too few blocks to compare.
    """
    if not runs or warmup < 0 or blocks < 2 or min_blocks < 2:
        raise UsageError(
            f"{len(runs)} things to time with {warmup} warm-up runs and {blocks} blocks",
            "time at least one thing in at least 2 blocks",
        )
    collects = gc.isenabled()
    gc.disable()
    try:
        warm: dict[str, list[float]] = {
            name: [_time_ms(run, clock_ns) for _ in range(warmup)] for name, run in runs.items()
        }
        wanted = _affordable(warm, blocks, budget_s, min_blocks)
        timed = [_block(runs, clock_ns) for _ in range(wanted)]
    finally:
        if collects:
            gc.enable()
    return {
        name: Samples(tuple(warm[name]), tuple(block[name] for block in timed)) for name in runs
    }


def ratio_interval(base: Samples, other: Samples, seed: int = 0) -> Interval:
    """How many times faster `other` is than `base`, with a 95 % bootstrap interval over blocks.

    The value is the median over blocks of base time / other time, both summed within the block, so
    that a drift within a block cancels. Blocks are resampled, never single runs. The same samples
    and seed give the same interval.

    Raises:
        InputError: the two were not measured in the same blocks.
        CannotJudgeError: fewer than two blocks.
    """
    if len(base.blocks_ms) != len(other.blocks_ms):
        raise InputError(
            f"{len(base.blocks_ms)} and {len(other.blocks_ms)} blocks can't be compared",
            "measure both in one interleaved run",
        )
    if len(base.blocks_ms) < 2:
        raise CannotJudgeError("an interval needs at least two blocks", "measure more blocks")
    ratios = np.array(
        [sum(one) / sum(two) for one, two in zip(base.blocks_ms, other.blocks_ms, strict=True)]
    )
    medians = _medians(ratios, _drawn(len(ratios), seed))
    value = float(np.median(ratios))
    low, high = (float(np.quantile(medians, q)) for q in (0.025, 0.975))
    return Interval(value, min(low, value), max(high, value))


def _medians(values: NDArray[np.float64], drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """The median of each resample, by ranks: small integers sort several times faster than
    floats."""
    order = np.argsort(values, kind="stable")
    ranks = np.empty(len(values), np.int16)
    ranks[order] = np.arange(len(values))
    resampled = np.sort(ranks[drawn], axis=1)
    middle = (len(values) - 1) // 2, len(values) // 2
    lower, upper = (values[order][resampled[:, place]] for place in middle)
    return (lower + upper) / 2.0


@lru_cache(maxsize=8)
def _drawn(blocks: int, seed: int) -> NDArray[np.int64]:
    """Which blocks each resample holds; `RandomState`, since numpy keeps its stream the same for
    good."""
    return np.random.RandomState(seed).randint(0, blocks, (_RESAMPLES, blocks), np.int64)


def _affordable(
    warm: Mapping[str, Sequence[float]], blocks: int, budget_s: float | None, least: int
) -> int:
    if budget_s is None or not all(warm.values()):
        return blocks
    block_ms = 2 * sum(min(times) for times in warm.values())
    return max(min(least, blocks), min(blocks, int(budget_s * 1000.0 / block_ms)))


def _block(
    runs: Mapping[str, Callable[[], object]], clock_ns: Clock
) -> dict[str, tuple[float, float]]:
    forward = {name: _time_ms(run, clock_ns) for name, run in runs.items()}
    backward = {name: _time_ms(runs[name], clock_ns) for name in reversed(list(runs))}
    return {name: (forward[name], backward[name]) for name in runs}


def _time_ms(run: Callable[[], object], clock_ns: Clock) -> float:
    start = clock_ns()
    run()
    return max(clock_ns() - start, 1) / 1e6
