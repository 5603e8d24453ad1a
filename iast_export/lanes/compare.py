"""Lanes side by side: timed in one run, judged, default and front marked.

Verify and bench over more lanes than a bundle ships.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iast_export.errors import InputError, ToolError
from iast_export.files.artifacts import Progress, no_progress, sha256_file
from iast_export.lanes.default_lane import default_lanes
from iast_export.lanes.figures import row_figures
from iast_export.lanes.forms import Entrant
from iast_export.lanes.front import front
from iast_export.lanes.judge import (
    Judging,
    Reference,
    Scorers,
    drawn_unpadded,
    figures_of,
    judge,
    make_references,
)
from iast_export.lanes.lane import Lane, open_runs
from iast_export.lanes.profile import onnx_convolution_share
from iast_export.lanes.timing import Clock, Run, Samples, TimingOptions, speed_ratio, time_in_turn
from iast_export.lanes.views import EvaluationPair, View, is_square, own_shape_pairs, views_of
from iast_export.pictures.images import to_tensor
from iast_export.reports.lanes import LaneRow
from iast_export.reports.verify import Figures
from iast_export.runtimes.gpu import GpuDevice
from iast_export.runtimes.target import TARGETS
from iast_export.specs import REFERENCE, Runtime

# A lane this many times slower than FP32 would take the others' time: it is timed with FP32 alone,
# twice. Of all lanes LiteRT's 16x8 alone is (17 times, in reference kernels); the others take at
# most 1.5 times as long.
_HOPELESS = 3.0

Timed = Mapping[Lane, tuple[Samples, Samples]]


@dataclass(frozen=True)
class ComparisonOptions(TimingOptions):
    """How lanes are timed; `budget_s` is for all of a tier."""

    budget_s: float | None = 60.0


def compare_tier(
    entrants: Sequence[Entrant],
    pairs: Sequence[EvaluationPair],
    scorers: Scorers,
    root: Path,
    options: ComparisonOptions,
    progress: Progress = no_progress,
    gpu: GpuDevice | None = None,
    multiple_px: int | None = None,
) -> list[LaneRow]:
    """A row for each lane of one tier, in their order; behind them those that a GPU runs.

    Timed are squares; judged as `verify` does, but that a lane which pads has squares alone.

    Args:
        entrants: with FP32 of each runtime, and ONNX Runtime's INT8, all of which must run.
        pairs: what to judge on.
        scorers: judges with weights of the user's.
        root: the bundle's folder, in which every file lies.
        options: how to time.
        progress: told of every lane.
        gpu: what runs LiteRT's shipped files too, whole or not at all; None: nothing does.
        multiple_px: the network's size multiple, to judge pictures in their own shape too; None:
            squares.

    Raises:
        InputError: a file is altered, a result holds NaN.
        ToolError: a lane that ran does not run any more.
    """
    lanes = [one.lane for one in entrants if not one.not_run]
    known = {(lane.runtime, lane.precision): lane for lane in lanes}
    reference = known[REFERENCE]
    judging = Judging(scorers, options.threads, multiple_px)
    smallest_px = reference.tier.max_side_px
    shaped = [] if multiple_px is None else own_shape_pairs(pairs, smallest_px)
    views = views_of(pairs, shaped, reference.tier)
    references = make_references(reference, views, judging)
    progress(f"time lanes of {reference.tier.id}", 0, 1)
    timed = time_lanes(lanes, views[0], options)
    progress(f"time lanes of {reference.tier.id}", 1, 1)
    scored = [one for one in lanes if one.precision != "ceiling" and one != reference]
    judged = {}
    for i, lane in enumerate(scored):
        progress("judge lanes", i, len(scored))
        judged[lane] = _judged(lane, references, judging)
    progress("judge lanes", len(scored), len(scored))
    int8 = known[REFERENCE[0], "int8"]
    shares = {int8: onnx_convolution_share(int8, views[0], options.threads)}
    on_gpu = [
        replace(one, accelerator="gpu", shapes=None) for one in lanes if _is_for_gpu(one, entrants)
    ]
    rows = mark(
        [
            _row(root, one, timed.get(one.lane), judged.get(one.lane), shares.get(one.lane))
            for one in entrants
        ]
    )
    if gpu is None:
        return rows
    for lane in on_gpu:
        progress(f"judge {lane.label}", 0, 1)
        rows.append(_gpu_row(root, lane, gpu, references, judging, views[0], options))
        progress(f"judge {lane.label}", 1, 1)
    return rows


def _judged(lane: Lane, references: Sequence[Reference], judging: Judging) -> Figures:
    """Fidelity over all pictures that the lane does not pad, drops over squares, as `verify`."""
    scored = judge(lane, drawn_unpadded(lane, references), judging)
    of_all = figures_of(scored, judging.scorers)
    count = sum(is_square(one.view.content) for one in references)
    of_squares = figures_of(scored[:count], judging.scorers)
    update = {"drop": of_squares.drop, "not_judged": of_squares.not_judged}
    return of_all.model_copy(update=update)


def _is_for_gpu(lane: Lane, entrants: Sequence[Entrant]) -> bool:
    shipped = any(one.lane == lane and one.shipped for one in entrants)
    return shipped and "gpu" in TARGETS[lane.runtime].accelerators


def _gpu_row(
    root: Path,
    lane: Lane,
    gpu: GpuDevice,
    references: Sequence[Reference],
    judging: Judging,
    view: View,
    options: ComparisonOptions,
) -> LaneRow:
    """A lane on a GPU: judged, and timed in turn with FP32 on the CPU where the GPU is one."""
    computes = f"FP16 on {gpu}"
    try:
        judged = _judged(lane, references, judging)
        timed = None if gpu.software else _time_on_gpu(lane, view, options)
    except (InputError, ToolError) as error:
        reason = f"does not run: {' '.join(error.message.split())}"
        return _row(root, Entrant(lane, True, not_run=reason), None, None, None)
    return _row(root, Entrant(lane, True, computes), timed, judged, None)


def _time_on_gpu(lane: Lane, view: View, options: ComparisonOptions) -> tuple[Samples, Samples]:
    """Samples of a lane on the GPU, which no processor's clock sees, and of its file on the CPU."""
    both = [lane, replace(lane, accelerator="cpu")]
    runs = open_runs(both, to_tensor(view.content), view.pair.feeds, options.threads)
    samples = time_in_turn(runs, replace(options, clock_ns=time.perf_counter_ns))
    return samples[both[0]], samples[both[1]]


def time_lanes(lanes: Sequence[Lane], view: View, options: TimingOptions) -> Timed:
    """Each lane's samples with those of FP32 of its runtime, from the same blocks.

    Raises:
        ToolError: a runtime fails.
    """
    content = to_tensor(view.content)
    runs = open_runs(lanes, content, view.pair.feeds, options.threads)
    fp32: dict[Runtime, Lane] = {one.runtime: one for one in lanes if one.precision == "fp32"}
    bases = {lane: fp32[lane.runtime] for lane in lanes}
    slow = hopeless(runs, bases, options.clock_ns)
    samples = time_in_turn({one: run for one, run in runs.items() if one not in slow}, options)
    found = {lane: (own, samples[bases[lane]]) for lane, own in samples.items()}
    for lane in slow:
        both = {one: runs[one] for one in (bases[lane], lane)}
        samples = time_in_turn(both, replace(options, warmup=0, blocks=2))
        found[lane] = samples[lane], samples[bases[lane]]
    return found


def hopeless(runs: Mapping[Lane, Run], bases: Mapping[Lane, Lane], clock_ns: Clock) -> list[Lane]:
    """The lanes far slower than FP32, found so twice: a first run may be slow by itself."""

    def spent(lane: Lane) -> int:
        start = clock_ns()
        runs[lane]()
        return clock_ns() - start

    limits = {
        base: _HOPELESS * min(spent(base), spent(base)) for base in dict.fromkeys(bases.values())
    }
    return [one for one, base in bases.items() if min(spent(one), spent(one)) > limits[base]]


def _row(
    root: Path,
    one: Entrant,
    timed: tuple[Samples, Samples] | None,
    judged: Figures | None,
    convolution_share: float | None,
) -> LaneRow:
    lane, exists = one.lane, one.lane.path.is_file()
    facts: dict[str, Any] = {
        "runtime": lane.runtime,
        "tier": lane.tier.id,
        "lane": lane.precision,
        "accelerator": lane.accelerator,
        "path": lane.path.relative_to(root).as_posix() if exists else None,
        "sha256": sha256_file(lane.path) if exists else None,
        "shipped": one.shipped,
        "computes": one.computes,
        "not_run": one.not_run,
        "file_bytes": lane.path.stat().st_size if exists else None,
        "convolution_share": convolution_share,
    }
    if timed is not None:
        samples, base = timed
        facts["median_ms"], facts["samples_ms"] = samples.median_ms, samples.samples_ms
        if lane.precision != "fp32" and lane.accelerator == "cpu":
            facts["ratio_to_fp32"] = speed_ratio(base, samples)
    if judged is not None:
        facts["psnr_db"], facts["drop"] = judged.psnr_db, judged.drop
    return LaneRow.model_validate(facts)


def mark(rows: Sequence[LaneRow]) -> list[LaneRow]:
    """The rows of a tier, the front and each runtime's default lane, a shipped one, marked."""
    figures = [row_figures(row) for row in rows]
    shipped = [one for one, row in zip(figures, rows, strict=True) if row.shipped]
    defaults, best = default_lanes(shipped), front(figures)
    return [
        row.model_copy(
            update={
                "is_default": row.shipped and defaults[row.runtime, row.tier] == row.lane,
                "on_front": one in best,
            }
        )
        for row, one in zip(rows, figures, strict=True)
    ]
