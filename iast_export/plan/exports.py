"""What the plan reads of a build: FP32 files if fresh, else made and kept; ranges if there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from iast_export.build import calibrate, convert, prepare, verify
from iast_export.build.request import Build
from iast_export.build.stage import Stage
from iast_export.build.tracing import hold_to_contract
from iast_export.environment import versions
from iast_export.families import FAMILIES
from iast_export.files.artifacts import is_fresh, stage_key
from iast_export.plan.cache import cache_dir
from iast_export.plan.planner import PLANNERS
from iast_export.plan.rewrites import LISTS
from iast_export.reports.half import HalfRow
from iast_export.specs import Runtime, Tier

# Exports in the cache; chosen: two networks of four tiers.
_KEPT = 8
_KEY = re.compile("[0-9a-f]{64}")  # no other name is one of ours


def fp32_files(build: Build, tier: Tier) -> dict[Runtime, Path]:
    """The exported and the converted FP32 file of a tier, as `export` and `convert` write them.

    Raises:
        InputError: a checkpoint or the cache can't be read or written.
        ToolError: the network can't be exported or converted.
    """
    made = {
        runtime: build.layout.transfer(runtime, "fp32", tier)
        for runtime, planner in PLANNERS.items()
        if _is_fresh(build, planner.stage)
    }
    return made if len(made) == len(PLANNERS) else {**_cached(build, tier, made), **made}


def foretold_half(build: Build, tier: Tier) -> HalfRow | None:
    """What a GPU's FP16 would not hold of a tier; None: its folder has no fresh ranges.

    Raises:
        InputError: a range can't be read.
    """
    stages = (convert.STAGE, prepare.STAGE, calibrate.STAGE)
    if not all(_is_fresh(build, stage) for stage in stages):
        return None
    return next(row for row in verify.foretold(build) if row.tier == tier.id)


def _is_fresh(build: Build, stage: Stage) -> bool:
    if not all(path.is_file() for path in stage.inputs(build)):
        return False
    return build.root.is_dir() and is_fresh(build.root, stage.name, stage.key(build))


def _cached(build: Build, tier: Tier, made: dict[Runtime, Path]) -> dict[Runtime, Path]:
    params = {
        "network": build.request.network,
        "network_sha256": build.network_sha256,
        "tier": tier.id,
        "versions": versions(),
        "rewrites": [one.name for names in LISTS.values() for one in names],
    }
    inputs = [build.checkpoint_file] if build.checkpoint_file else []
    folder = cache_dir() / "exports" / stage_key("plan", params, inputs)
    found = {runtime: folder / f"fp32{FAMILIES[runtime].suffix}" for runtime in PLANNERS}
    if not all(runtime in made or path.is_file() for runtime, path in found.items()):
        hold_to_contract(build)
    for i, (runtime, path) in enumerate(found.items()):
        if runtime not in made and not path.is_file():
            build.progress("export FP32", i, len(found))
            PLANNERS[runtime].export(build.network, tier, path)
    build.progress("export FP32", len(found), len(found))
    _forget_oldest(folder)
    return found


def _forget_oldest(newest: Path) -> None:
    """Keeps a handful of exports: each is some megabytes, and made again in seconds."""
    others = [
        path for path in newest.parent.iterdir() if _KEY.fullmatch(path.name) and path != newest
    ]
    others = [path for path in others if path.is_dir() and not path.is_symlink()]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[_KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)
