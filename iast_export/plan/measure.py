"""The micro-benchmark of a group: FP32 and INT8 of it alone, in turn, kept in the cache.

With one thread the clock is the thread's own processor time, so that another process's turn on the
core does not count; with several it is the wall's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from iast_export import __version__
from iast_export.decide.decide import Decisions
from iast_export.environment import machine_fingerprint, versions
from iast_export.families import FAMILIES
from iast_export.files.artifacts import json_bytes, sha256_bytes
from iast_export.lanes.timing import Samples, TimingOptions, time_in_turn
from iast_export.plan import cache, onnx_micro
from iast_export.plan.groups import Group
from iast_export.plan.micro import Micro
from iast_export.plan.planned import Planned
from iast_export.plan.planner import PLANNERS
from iast_export.reports.plan import GroupMeasurement, Int8Facts
from iast_export.specs import Runtime

Mode = Literal["cached", "again", "no"]
# Counts changes in how groups are timed, so that old figures in the cache are not taken.
_METHOD = 3


@dataclass(frozen=True)
class MeasureOptions:
    """How groups are measured.

    Attributes:
        mode: "cached" measures what the cache lacks, "again" everything, "no" nothing.
        threads: of the runtimes.
        warmup, blocks: see `TimingOptions`.
        budget_s: about as long a group may take.
    """

    mode: Mode = "cached"
    threads: int = 1
    warmup: int = 2
    blocks: int = 40
    budget_s: float = 0.6


@dataclass(frozen=True)
class Found:
    """What is known of a group in INT8, and its times; None: not measured, or INT8 does not run."""

    int8: Int8Facts
    fp32: Samples | None = None
    quantized: Samples | None = None


def signature(decisions: Decisions, group: Group) -> str:
    """What decides a group's cost, as text: equal groups of one graph, or of two, have the same."""
    network = decisions.network
    inputs, outputs = onnx_micro.edges(network, group)
    own = {name: f"in{i}" for i, name in enumerate(inputs)}
    for i, op in enumerate(group.ops):
        own.update({name: f"t{i}.{k}" for k, name in enumerate(op.outputs)})
    parts = [f"{group.kind}|{group.role}"]
    parts += [f"{own[name]}:{network.shapes[name]}" for name in (*inputs, *outputs)]
    for op in group.ops:
        read = " ".join(own[name] for name in op.inputs)
        parts.append(
            f"{op.type}({read}){network.shapes.get(op.name)}{op.weight}{op.groups}"
            f"{decisions.is_integer(op)}{op.detail}"
        )
    return "\n".join([*parts, *PLANNERS[network.runtime].layouts(decisions, group, own)])


def cache_key(decisions: Decisions, group: Group, threads: int) -> str:
    """A hash of the machine, the runtime's versions, the threads and the group's `signature`."""
    return key_of(decisions.network.runtime, threads, signature(decisions, group))


def key_of(runtime: Runtime, threads: int, what: str) -> str:
    """A hash of the machine, the runtime's versions, the threads and what is measured."""
    installed = versions()
    body: dict[str, Any] = {
        "machine": machine_fingerprint(),
        "versions": {name: installed.get(name, "") for name in FAMILIES[runtime].packages},
        "iast-export": __version__,
        "method": _METHOD,
        "runtime": runtime,
        "threads": threads,
        "signature": what,
    }
    return sha256_bytes(json_bytes(body))


def look_at(planned: Planned, group: Group, options: MeasureOptions) -> Found:
    """What INT8 makes of a group and, unless the mode is "no", its times, cached or new.

    Raises:
        InputError: the cache can't be written.
        ToolError: the runtime refuses the group in FP32.
    """
    planner = PLANNERS[planned.network.runtime]
    if options.mode == "no":
        return Found(planner.micro(planned, group, options.threads).facts)
    key = cache_key(planned.decisions, group, options.threads)
    found = cache.load(key, GroupMeasurement) if options.mode == "cached" else None
    if found is None:
        found = _measure(key, planner.micro(planned, group, options.threads), options)
        cache.save(found)
    quantized = None if found.int8_blocks_ms is None else Samples((), found.int8_blocks_ms)
    return Found(found.int8, Samples((), found.fp32_blocks_ms), quantized)


def _measure(key: str, micro: Micro, options: MeasureOptions) -> GroupMeasurement:
    runs = {"fp32": micro.fp32()}
    if micro.int8 is not None:
        runs["int8"] = micro.int8()
    samples = _timed(runs, options)
    return GroupMeasurement(
        key=key,
        int8=micro.facts,
        fp32_blocks_ms=samples["fp32"].blocks_ms,
        int8_blocks_ms=samples["int8"].blocks_ms if "int8" in samples else None,
    )


def measured_alone(run: Callable[[], object], options: MeasureOptions) -> Samples:
    """Times of one thing."""
    return _timed({"alone": run}, options)["alone"]


def _timed(runs: Mapping[str, Callable[[], object]], options: MeasureOptions) -> dict[str, Samples]:
    clock_ns = time.thread_time_ns if options.threads == 1 else time.perf_counter_ns
    counts = options.threads, options.warmup, options.blocks, options.budget_s
    return time_in_turn(runs, TimingOptions(*counts, clock_ns=clock_ns))
