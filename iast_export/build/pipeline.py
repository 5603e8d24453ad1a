"""The ordered stages of a build: skip what is fresh, make the rest, resume after any interruption.

A stage is fresh when the hash of everything that decides its outputs equals the one on record and
every output is still there, byte for byte. Outputs are written aside and renamed, and the record
last of all, so a build killed at any point resumes and ends with the same bytes.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from iast_export.build import (
    bench,
    bundle,
    calibrate,
    convert,
    export,
    fallback,
    learn,
    prepare,
    quantize,
    verify,
)
from iast_export.build.ahead import Ahead
from iast_export.build.request import Build, Request
from iast_export.build.stage import Stage
from iast_export.build.tracing import hold_to_contract
from iast_export.bundle.claims import claim, working
from iast_export.environment import usable_cores
from iast_export.errors import InputError
from iast_export.files.artifacts import StageRecord, is_fresh, record, remove_made
from iast_export.files.paths import check_folders

STAGES: tuple[Stage, ...] = (
    export.STAGE,
    convert.STAGE,
    prepare.STAGE,
    calibrate.STAGE,
    learn.STAGE,
    quantize.STAGE,
    verify.STAGE,
    bench.STAGE,
    bundle.STAGE,
)
# Those that read the network itself; all others read what they wrote.
EXPORTING = (export.STAGE, convert.STAGE)
STAGE_NAMES: tuple[str, ...] = tuple(stage.name for stage in STAGES)
__all__ = [
    "STAGES",
    "STAGE_NAMES",
    "Build",
    "Request",
    "StageResult",
    "planned_outputs",
    "run_stages",
]


@dataclass(frozen=True)
class StageResult:
    """Whether a stage ran, what stands after it, and how long that took, checks included."""

    stage: str
    ran: bool
    outputs: tuple[Path, ...]
    seconds: float


def planned_outputs(build: Build) -> list[Path]:
    """The outputs of all stages of a build."""
    return [path for stage in STAGES for path in stage.outputs(build)]


def run_stages(build: Build, only: str | None = None) -> list[StageResult]:
    """Runs every stage in order, or the one named `only`, skipping what is fresh.

    Raises:
        InputError: `only` needs a stage whose outputs are missing, stale or altered, or a file that
            no build made is in the way.
        IastExportError: whatever a stage raises; what earlier stages made stays.
    """
    check_folders(build.root)
    if any(stage in EXPORTING and _is_stale(build, stage) for stage in _due(only)):
        hold_to_contract(build)
    build.check()
    if not build.root.is_dir():
        _require_earlier(build, only)
    with working(build.root, make=True):
        _require_earlier(build, only)
        claim(build.root, planned_outputs(build))
        if only is not None:
            return [_run(build, STAGES[STAGE_NAMES.index(only)])]
        with ExitStack() as stack:
            begun = {one.name: stack.enter_context(Ahead(build, one)) for one in _ahead(build)}
            results = []
            for stage in STAGES:
                results.append(_run(build, stage, begun.get(stage.name)))
                if stage is verify.STAGE:
                    _fall_back(build, results)
            return results


def _fall_back(build: Build, results: list[StageResult]) -> None:
    """Makes and verifies INT8 anew where a fallback was found; its time is that of the first."""
    start = time.perf_counter()
    if not fallback.fall_back(build):
        return
    begun = STAGES.index(quantize.STAGE)
    before = results[begun:]
    results[begun:] = [_run(build, stage) for stage in STAGES[begun : begun + len(before)]]
    again = sum(one.seconds for one in results[begun:])
    searched = before[0].seconds + time.perf_counter() - start - again
    for place, old in enumerate(before, start=begun):
        more = searched if place == begun else old.seconds
        results[place] = replace(results[place], seconds=results[place].seconds + more)


def _due(only: str | None) -> list[Stage]:
    return [stage for stage in STAGES if only in (None, stage.name)]


def make_apart(stage: str, told: Mapping[str, Any]) -> None:
    """Makes the outputs of a stage, in the process of an `Ahead`."""
    next(one for one in STAGES if one.name == stage).run(Build(Request.of_told(told)))


def _ahead(build: Build) -> list[Stage]:
    """The stages to begin before their turn: with another core and something to wait for.

    The converter takes seconds to load, and is loaded twice only where that gains time.
    """
    if usable_cores() < 2 or "litert_torch" in sys.modules or not _is_stale(build, STAGES[0]):
        return []
    return [stage for stage in STAGES[1:] if stage.is_apart and _is_stale(build, stage)]


def _is_stale(build: Build, stage: Stage) -> bool:
    return not is_fresh(build.root, stage.name, stage.key(build))


def _require_earlier(build: Build, only: str | None) -> None:
    if only is not None:
        for stage in STAGES[: STAGE_NAMES.index(only)]:
            _require_fresh(build, stage, only)


def _run(build: Build, stage: Stage, begun: Ahead | None = None) -> StageResult:
    start = time.perf_counter()
    key, outputs = stage.key(build), stage.outputs(build)
    stale = not is_fresh(build.root, stage.name, key)
    if stale:
        before = StageRecord.load(build.root, stage.name)
        if begun is not None:
            begun.take()
        else:
            stage.run(build)
        _remove_superseded(build.root, before, outputs)
        record(build.root, stage.name, key, outputs, build.network_sha256)
    return StageResult(stage.name, stale, tuple(outputs), time.perf_counter() - start)


def _require_fresh(build: Build, stage: Stage, wanted: str) -> None:
    try:
        fresh = is_fresh(build.root, stage.name, stage.key(build))
    except InputError:
        fresh = False
    if not fresh:
        raise InputError(
            f"`{wanted}` needs the outputs of `{stage.name}`, missing, stale or altered in "
            f"{build.root}",
            f"run `iast-export {stage.name}` with the same options first, or `iast-export build`",
        )


def _remove_superseded(root: Path, before: StageRecord | None, outputs: Sequence[Path]) -> None:
    kept = {path.relative_to(root).as_posix() for path in outputs}
    made = before.outputs if before else {}
    remove_made(root, {name: digest for name, digest in made.items() if name not in kept})
