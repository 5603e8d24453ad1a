"""Measuring entrants: timed in one interleaved run per tier, judged on pictures that calibrated
nothing."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from iast_export.environment import usable_cores
from iast_export.errors import IastExportError, ToolError
from iast_export.files.artifacts import Progress
from iast_export.lanes.lane import Lane, timed_run
from iast_export.lanes.timing import Clock, Samples, interleave
from iast_export.lanes.verify import Reference, Scorers, verify_lane
from iast_export.pictures.images import to_tensor
from iast_export.reports.verify import VerifyRow
from iast_export.runtimes.onnx import onnx_session_options
from iast_export.side_by_side.make import Entrant
from iast_export.specs import CONTENT

# A lane this many times slower than FP32 would take the others' time: it is timed with FP32 alone,
# twice. Chosen: its ratio is then far enough from 1 that two blocks say so.
_HOPELESS = 3.0
# Chosen: operators are ranked by them, never timed against others.
_PROFILED_RUNS = 5


@dataclass(frozen=True)
class TimingOptions:
    """How lanes are timed: blocks through all lanes forward and backward, at most about `budget_s`
    a tier."""

    threads: int = 1
    warmup: int = 2
    blocks: int = 15
    budget_s: float = 60.0
    clock_ns: Clock = time.perf_counter_ns


def time_lanes(
    entrants: Sequence[Entrant], reference: Reference, options: TimingOptions
) -> dict[str, tuple[Samples, Samples]]:
    """Each lane's samples with those of FP32 of its runtime, from the same blocks, by
    `Entrant.key`.

    Raises:
        ToolError: a runtime fails.
    """
    content = to_tensor(reference.content)
    runs: dict[str, Callable[[], object]] = {
        one.key: timed_run(one.lane.open(options.threads), content, reference.pair.feeds)
        for one in entrants
    }
    bases = {one.key: f"{one.lane.runtime} fp32" for one in entrants}
    slow = _hopeless(runs, bases, options.clock_ns)
    found = _in_turn({key: run for key, run in runs.items() if key not in slow}, bases, options)
    for key in slow:
        pair = {bases[key]: runs[bases[key]], key: runs[key]}
        found[key] = _in_turn(pair, bases, replace(options, warmup=0, blocks=2))[key]
    return found


def _hopeless(
    runs: Mapping[str, Callable[[], object]], bases: Mapping[str, str], clock_ns: Clock
) -> list[str]:
    """The lanes far slower than FP32, each found so twice: a first run may be slow for other
    reasons."""

    def spent(key: str) -> int:
        start = clock_ns()
        runs[key]()
        return clock_ns() - start

    limit = {
        base: _HOPELESS * min(spent(base), spent(base)) for base in sorted(set(bases.values()))
    }
    return [key for key, base in bases.items() if min(spent(key), spent(key)) > limit[base]]


def _in_turn(
    runs: Mapping[str, Callable[[], object]], bases: Mapping[str, str], options: TimingOptions
) -> dict[str, tuple[Samples, Samples]]:
    samples = interleave(
        runs,
        options.warmup,
        options.blocks,
        budget_s=options.budget_s,
        min_blocks=min(5, options.blocks),
        clock_ns=options.clock_ns,
    )
    return {key: (own, samples[bases[key]]) for key, own in samples.items()}


def onnx_convolution_share(lane: Lane, reference: Reference, threads: int) -> float:
    """The share of a file's time that ONNX Runtime spends in its convolutions, by its own profile.

    Raises:
        ToolError: ONNX Runtime refuses the file, or its profile names no operator.
    """
    feeds = {CONTENT: to_tensor(reference.content), **reference.pair.feeds}
    with tempfile.TemporaryDirectory() as folder:
        options = onnx_session_options(threads)
        options.enable_profiling, options.profile_file_prefix = True, str(Path(folder) / "profile")
        try:
            session = lane.open_onnx(options).raw
            for _ in range(_PROFILED_RUNS):
                session.run(None, feeds)
            events = json.loads(Path(session.end_profiling()).read_text())
        except IastExportError:
            raise
        except Exception as error:  # onnxruntime raises classes of its own, without a common base
            raise ToolError(
                f"ONNX Runtime can't profile {lane.path}: {error}", "build the file again"
            ) from error
    spent = [
        (one["args"]["op_name"], one["dur"])
        for one in events
        if one["name"].endswith("_kernel_time")
    ]
    total = sum(duration for _, duration in spent)
    if not total:
        raise ToolError(f"ONNX Runtime's profile of {lane.path} is empty", "report this")
    return float(sum(duration for name, duration in spent if "Conv" in name) / total)


def judge_lanes(
    entrants: Sequence[Entrant],
    references: Sequence[Reference],
    scorers: Scorers,
    threads: int,
    progress: Progress,
) -> dict[str, VerifyRow]:
    """Fidelity and drops of each lane but the reference itself and the ceilings, by
    `Entrant.key`."""
    judged = [one for one in entrants if one.kind != "ceiling" and one.key != "onnxruntime fp32"]
    rows = {}
    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        for i, one in enumerate(judged):
            progress("judge lanes", i, len(judged))
            session = one.lane.open(threads)
            results = [one.lane.stylize(session, r.content, r.pair.feeds) for r in references]
            rows[one.key] = verify_lane(one.lane, references, results, scorers, pool)
    progress("judge lanes", len(judged), len(judged))
    return rows
