"""Benchmark: latency against FP32 of the same runtime, peak memory and size of every lane.

All precisions of one runtime at one tier run in turn in one process (A B B A), so that what slows
the machine down weighs on all of them alike. Memory comes from a fresh process per lane.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from iast_export.environment import machine_fingerprint, usable_cores, versions
from iast_export.errors import CannotJudgeError
from iast_export.files.artifacts import Progress, no_progress, sha256_file
from iast_export.lanes.four_thirds import PRECISIONS, four_thirds, four_thirds_of
from iast_export.lanes.lane import Feeds, Lane, measure_peak_rss_bytes, timed_run
from iast_export.lanes.timing import Run, Samples, TimingOptions, speed_ratio, time_in_turn
from iast_export.pictures.images import Rgb, center_square, to_tensor
from iast_export.pictures.resize import resize
from iast_export.reports.benchmark import BenchmarkReport, BenchmarkRow, ClockName, FourThirds


@dataclass(frozen=True)
class BenchmarkOptions(TimingOptions):
    """How to measure; `budget_s` is for one runtime at one tier.

    Attributes:
        memory: whether to measure peak memory, in processes of its own.
        clock: what `clock_ns` is, for the report.
        multiple_px: the network's size multiple, to time a 4:3 picture beside the square; None:
            squares alone.
    """

    warmup: int = 3
    budget_s: float | None = 6.0
    memory: bool = True
    clock: ClockName = "wall"
    multiple_px: int | None = None


def benchmark(
    lanes: Sequence[Lane],
    content: Rgb,
    feeds: Feeds,
    options: BenchmarkOptions | None = None,
    progress: Progress = no_progress,
) -> BenchmarkReport:
    """A row per lane: raw samples, median, P90 if there are enough, ratio to FP32, memory, size.

    Args:
        lanes: what to measure; ratios need the FP32 lane of the same runtime and tier.
        content: a photograph, uint8 [H, W, 3], cut to each tier's square and scaled to its 4:3.
        feeds: every style input of the cut network, by name.
        options: how to measure.
        progress: told after every lane.

    Raises:
        CannotJudgeError: there is no lane.
        InputError: a file is missing.
        ToolError: a runtime failed.
    """
    if not lanes:
        raise CannotJudgeError("there is nothing to benchmark", "give at least one lane")
    used = options or BenchmarkOptions()
    memory = _memory(lanes, feeds, used, progress)
    rows: dict[Lane, BenchmarkRow] = {}
    for runtime, tier in dict.fromkeys((lane.runtime, lane.tier) for lane in lanes):
        group = [lane for lane in lanes if (lane.runtime, lane.tier) == (runtime, tier)]
        progress("benchmark", len(rows), len(lanes))
        rows.update(_measure(group, content, feeds, used, memory))
    progress("benchmark", len(rows), len(lanes))
    ordered = tuple(rows[lane] for lane in lanes)
    return BenchmarkReport(
        machine=machine_fingerprint(), versions=versions(), clock=used.clock, rows=ordered
    )


def _measure(
    group: Sequence[Lane],
    content: Rgb,
    feeds: Feeds,
    options: BenchmarkOptions,
    memory: Mapping[Lane, int],
) -> dict[Lane, BenchmarkRow]:
    tier = group[0].tier
    size = None if options.multiple_px is None else four_thirds_of(tier, options.multiple_px)
    square = to_tensor(center_square(content, tier.max_side_px))
    wide = None if size is None else to_tensor(resize(content, *size))
    runs: dict[tuple[Lane, bool], Run] = {}
    beside: dict[tuple[Lane, bool], Run] = {}
    for lane in group:
        session = lane.open(options.threads)
        runs[lane, False] = timed_run(session, square, feeds)
        if wide is not None and lane.precision in PRECISIONS and lane.keeps_shape:
            beside[lane, True] = timed_run(session, wide, feeds)
    samples = time_in_turn(runs, options, beside)
    base = next((samples[lane, False] for lane in group if lane.precision == "fp32"), None)
    shaped = {
        lane: four_thirds(samples[lane, False], samples[lane, True], tier, size)
        for lane, _ in beside
        if size is not None
    }
    return {
        lane: _row(lane, samples[lane, False], base, shaped.get(lane), options, memory.get(lane))
        for lane in group
    }


def _row(
    lane: Lane,
    samples: Samples,
    base: Samples | None,
    shaped: FourThirds | None,
    options: BenchmarkOptions,
    peak_rss_bytes: int | None,
) -> BenchmarkRow:
    ratio = speed_ratio(base, samples) if base and lane.precision != "fp32" else None
    return BenchmarkRow.model_validate(
        {
            "runtime": lane.runtime,
            "precision": lane.precision,
            "tier": lane.tier.id,
            "sha256": sha256_file(lane.path),
            "threads": options.threads,
            "median_ms": samples.median_ms,
            "p90_ms": samples.p90_ms,
            "samples_ms": samples.samples_ms,
            "warmup_ms": samples.warmup_ms,
            "ratio_to_fp32": ratio,
            "four_thirds": shaped,
            "peak_rss_bytes": peak_rss_bytes,
            "file_bytes": lane.path.stat().st_size,
        }
    )


def _memory(
    lanes: Sequence[Lane], feeds: Feeds, options: BenchmarkOptions, progress: Progress
) -> dict[Lane, int]:
    """Peak memory per lane, before any timing, in as many processes at once as there are cores."""
    if not options.memory:
        return {}
    shapes = {name: value.shape for name, value in feeds.items()}
    peaks: dict[Lane, int] = {}
    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        jobs = {
            lane: pool.submit(measure_peak_rss_bytes, lane, shapes, options.threads)
            for lane in lanes
        }
        for lane, job in jobs.items():
            peaks[lane] = job.result()
            progress("memory", len(peaks), len(lanes))
    return peaks
