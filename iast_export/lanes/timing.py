"""Fair timing: things to compare run in turn (A B B A) in one process; ratios have intervals."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from iast_export.errors import CannotJudgeError, InputError, UsageError
from iast_export.metrics.bootstrap import Interval, Resampling, central_interval, medians
from iast_export.metrics.summaries import p90_ms
from iast_export.reports.benchmark import ClockName, Ratio

K = TypeVar("K")
Clock = Callable[[], int]
Run = Callable[[], object]

# Reports keep these intervals, and the gate finds them again, maybe with another numpy.
_BLOCKS = Resampling(4000, kept_stream=True)
# Chosen: a figure that tells a slow shape from a fast one may cost a few seconds of a build.
BESIDE_S = 1.0


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
class TimingOptions:
    """How things are timed in turn.

    Attributes:
        threads: of each session.
        warmup: runs of each thing before any counts, kept apart.
        blocks: to measure; every block gives each thing two samples.
        budget_s: fewer blocks, where the warmed-up speed says that all would take longer than this;
            None: all of them.
        min_blocks: blocks to measure whatever the budget.
        clock_ns: a clock that never goes back, nanoseconds.
    """

    threads: int = 1
    warmup: int = 2
    blocks: int = 15
    budget_s: float | None = 15.0
    min_blocks: int = 5
    clock_ns: Clock = time.perf_counter_ns


def clock_of(threads: int) -> tuple[ClockName, Clock]:
    """What times a session of so many threads.

    One thread by the processor time that it takes, which another's work on a shared core does not
    lengthen; several by the clock on the wall, as they wait for each other.
    """
    if threads == 1:
        return "processor", time.process_time_ns
    return "wall", time.perf_counter_ns


def time_in_turn(
    runs: Mapping[K, Run],
    options: TimingOptions,
    beside: Mapping[K, Run] = MappingProxyType({}),
) -> dict[K, Samples]:
    """Times several things in turn: each block goes through them forward, then backward.

    With two that is A B B A, so that a slow drift of the machine weighs on both alike. Garbage
    collection rests while it measures.

    Args:
        runs: what to time, by name; each call is one run.
        options: how.
        beside: what is timed between them in the first blocks alone, as many as `BESIDE_S` pays
            for, warmed up once.

    Raises:
        UsageError: nothing to time, or too few blocks to compare.
    """
    if not runs or options.warmup < 0 or options.blocks < 2 or options.min_blocks < 2:
        raise UsageError(
            f"{len(runs)} things to time with {options.warmup} warm-up runs and {options.blocks} "
            "blocks",
            "time at least one thing in at least 2 blocks",
        )
    collects = gc.isenabled()
    gc.disable()
    try:
        warm = {
            name: tuple(_time_ms(run, options.clock_ns) for _ in range(options.warmup))
            for name, run in runs.items()
        }
        warm |= {name: (_time_ms(run, options.clock_ns),) for name, run in beside.items()}
        blocks = _affordable({name: warm[name] for name in runs}, options)
        first = min(blocks, _affordable_beside([warm[name] for name in beside], options))
        all_runs = {**runs, **beside}
        timed = [_block(all_runs if i < first else runs, options.clock_ns) for i in range(blocks)]
    finally:
        if collects:
            gc.enable()
    return {
        name: Samples(warm[name], tuple(block[name] for block in timed if name in block))
        for name in all_runs
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
    value = float(np.median(ratios))
    found = central_interval(medians(ratios, replace(_BLOCKS, seed=seed).draws(len(ratios))), value)
    return Interval(value, min(found.low, value), max(found.high, value))


def speed_ratio(base: Samples, other: Samples) -> Ratio:
    """`ratio_interval` as reports write it."""
    found = ratio_interval(base, other)
    return Ratio(value=found.value, low=found.low, high=found.high)


def _affordable(warm: Mapping[K, Sequence[float]], options: TimingOptions) -> int:
    if options.budget_s is None or not all(warm.values()):
        return options.blocks
    block_ms = 2 * sum(min(times) for times in warm.values())
    wanted = min(options.blocks, int(options.budget_s * 1000.0 / block_ms))
    return max(min(options.min_blocks, options.blocks), wanted)


def _affordable_beside(warm: Sequence[Sequence[float]], options: TimingOptions) -> int:
    """Blocks for what is timed beside: two, which an interval needs, or more where they are cheap.

    All of them where no budget is set.
    """
    if options.budget_s is None or not warm:
        return options.blocks
    block_ms = 2 * sum(min(times) for times in warm)
    return max(2, min(options.min_blocks, int(BESIDE_S * 1000.0 / block_ms)))


def _block(runs: Mapping[K, Run], clock_ns: Clock) -> dict[K, tuple[float, float]]:
    forward = {name: _time_ms(run, clock_ns) for name, run in runs.items()}
    backward = {name: _time_ms(runs[name], clock_ns) for name in reversed(list(runs))}
    return {name: (forward[name], backward[name]) for name in runs}


def _time_ms(run: Run, clock_ns: Clock) -> float:
    start = clock_ns()
    run()
    return max(clock_ns() - start, 1) / 1e6
