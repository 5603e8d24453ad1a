"""`bench`: what every lane costs, timed in turn with FP32 of the same runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iast_export.build.request import Build
from iast_export.build.stage import Stage
from iast_export.bundle.styles import feeds_of
from iast_export.environment import machine_fingerprint, versions
from iast_export.lanes.benchmark import BenchmarkOptions, benchmark
from iast_export.lanes.timing import clock_of
from iast_export.reports.base import BENCHMARK_PATH


def _params(build: Build) -> dict[str, Any]:
    return {
        "benchmark": build.recipe.benchmark.model_dump(mode="json"),
        "machine": machine_fingerprint(),
        "versions": versions(),
    }


def _outputs(build: Build) -> list[Path]:
    return [build.root / BENCHMARK_PATH]


def _run(build: Build) -> None:
    _, picture = build.evaluation_pictures()[0]
    chosen = build.recipe.benchmark
    clock, clock_ns = clock_of(chosen.threads)
    options = BenchmarkOptions(
        chosen.threads,
        chosen.warmup,
        chosen.blocks,
        clock=clock,
        clock_ns=clock_ns,
        multiple_px=build.network.size_multiple_px,
    )
    feeds = feeds_of(build.styles[0], build.network.code_shapes)
    benchmark(build.lanes, picture, feeds, options, build.progress).save(
        build.root / BENCHMARK_PATH
    )


STAGE = Stage(
    "bench",
    _params,
    lambda build: [*(lane.path for lane in build.lanes), *build.layout.tables()],
    _outputs,
    _run,
)
