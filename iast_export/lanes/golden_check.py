"""A finished bundle's golden pictures, drawn again by a runtime on the CPU or on a GPU, strict.

No times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iast_export.bundle.sealed import Seals, read_sealed
from iast_export.bundle.shaped import load_shapes
from iast_export.bundle.styles import unpack
from iast_export.errors import CannotJudgeError, InputError
from iast_export.files.artifacts import Progress, no_progress
from iast_export.metrics.fidelity import psnr_db
from iast_export.pictures.images import Rgb, pad_to, to_tensor
from iast_export.pictures.picture_reader import read_picture
from iast_export.reports.manifest import GoldenEntry, Manifest, load_manifest
from iast_export.runtimes.half_floats import find_overflows
from iast_export.runtimes.half_ranges import Overflow
from iast_export.runtimes.session import Array
from iast_export.runtimes.target import Target, find_target, stylize_tier
from iast_export.specs import (
    CONTENT,
    STRENGTH,
    USUAL,
    Accelerator,
    Precision,
    Role,
    Runtime,
    Tier,
    find_tiers,
)


@dataclass(frozen=True)
class GoldenOutcome:
    """One golden picture against what was drawn: largest difference in 8-bit levels, PSNR.

    `role`: of the file that drew it, the tier's own ("transfer") or the dispatching one.
    """

    tier: str
    role: Role
    precision: Precision
    accelerator: Accelerator
    worst_levels: int
    tolerance_levels: int
    psnr_db: float

    @property
    def passed(self) -> bool:
        """Whether the difference is one that another machine may show."""
        return self.worst_levels <= self.tolerance_levels


def check_goldens(
    folder: Path,
    accelerator: Accelerator,
    tiers: Sequence[str] = (),
    progress: Progress = no_progress,
    runtime: str = USUAL,
) -> list[GoldenOutcome]:
    """Every picture of a runtime's files drawn again, tier by tier; all tiers where none is named.

    By the dispatching file too, where the runtime has one. On a GPU the `fp16` file too, which is
    made for it.

    Raises:
        UsageError: no such tier or runtime, or it does not compute there.
        CannotJudgeError: the bundle promises no picture there.
        InputError: a file is missing or altered, or the result holds NaN.
        ToolError: there is no GPU, a file does not run whole on it, or it fails.
    """
    manifest, target = load_manifest(folder), find_target(runtime, accelerator)
    chosen = {one.id for one in find_tiers(manifest.depth_plan, tiers, "the bundle")}
    own_runtime = target.family.runtime
    jobs = [
        _Job(folder, manifest, golden, target, precision, role)
        for golden in manifest.golden
        if golden.tier in chosen
        for precision in _precisions(manifest, golden, own_runtime, accelerator)
        for role in _roles(manifest, own_runtime, precision)
    ]
    if not jobs:
        raise CannotJudgeError(
            f"{folder} holds no golden picture of {target.label}", "build the bundle again"
        )
    outcomes = []
    for n, job in enumerate(jobs):
        progress(f"golden {job.golden.tier} {job.precision} on the {accelerator}", n, len(jobs))
        outcomes.append(_outcome(job, accelerator))
    progress("goldens", len(jobs), len(jobs))
    return outcomes


def _precisions(
    manifest: Manifest, golden: GoldenEntry, runtime: Runtime, accelerator: Accelerator
) -> list[Precision]:
    """Those with a picture of their own, and FP16 on a GPU where the bundle has that file."""
    own = [precision for drawn_by, precision in golden.lanes() if drawn_by == runtime]
    halves = any((f.runtime, f.precision) == (runtime, "fp16") for f in manifest.files)
    return [*own, "fp16"] if own and halves and accelerator == "gpu" else own


def _roles(manifest: Manifest, runtime: Runtime, precision: Precision) -> list[Role]:
    """The tiers' own files, and the one that dispatches where there is one."""
    held = {f.role for f in manifest.files if (f.runtime, f.precision) == (runtime, precision)}
    return ["transfer", "dispatch"] if "dispatch" in held else ["transfer"]


def fp16_overflows(folder: Path, tiers: Sequence[str] = ()) -> dict[str, tuple[Overflow, ...]]:
    """Tier -> what would overflow in a GPU's FP16 on its golden photograph, found on the CPU.

    Raises:
        UsageError: no such tier.
        InputError: a file is missing or altered.
        ToolError: LiteRT fails.
    """
    manifest = load_manifest(folder)
    chosen = {one.id for one in find_tiers(manifest.depth_plan, tiers, "the bundle")}
    found = {}
    for golden in manifest.golden:
        if golden.tier in chosen:
            target = find_target(USUAL, "gpu")
            job = _Job(folder, manifest, golden, target, "fp32", "transfer")
            _, data, tier, feeds = _lane(job)
            content = pad_to(_picture(folder, golden, golden.content), *tier.shape_px)
            fed = {CONTENT: to_tensor(content), **feeds}
            found[tier.id] = find_overflows(data, tier.signature, [fed])
    return found


@dataclass(frozen=True)
class _Job:
    """A golden picture and the file that is to draw it."""

    folder: Path
    manifest: Manifest
    golden: GoldenEntry
    target: Target
    precision: Precision
    role: Role


def _outcome(job: _Job, accelerator: Accelerator) -> GoldenOutcome:
    golden, runtime, precision = job.golden, job.target.family.runtime, job.precision
    path = golden.wanted(runtime, precision)
    if path is None:
        raise CannotJudgeError(
            f"{job.folder} holds no golden picture for {runtime} {precision}",
            "build the bundle again",
        )
    wanted, drawn = _picture(job.folder, golden, path), _draw(job, accelerator)
    return GoldenOutcome(
        golden.tier,
        job.role,
        precision,
        accelerator,
        int(np.abs(drawn.astype(np.int16) - wanted).max()),
        golden.tolerance(runtime, precision, accelerator),
        psnr_db(drawn, wanted),
    )


def _draw(job: _Job, accelerator: Accelerator) -> Rgb:
    path, data, tier, feeds = _lane(job)
    content = _picture(job.folder, job.golden, job.golden.content)
    where = f"{job.folder} in {job.precision}"
    shapes = load_shapes(Seals.of_bundle(job.folder, job.manifest), path, data)
    session = job.target.open(data, tier, accelerator=accelerator, where=where, shapes=shapes)
    multiple_px = job.manifest.network.size_multiple_px
    return stylize_tier(job.target.family, session, content, feeds, tier, multiple_px)


def _lane(job: _Job) -> tuple[Path, bytes, Tier, dict[str, Array]]:
    """File, its bytes, tier and style inputs of a golden picture."""
    folder, manifest, golden = job.folder, job.manifest, job.golden
    target, precision = job.target, job.precision
    entry = next(
        (
            f
            for f in manifest.files
            if (f.role, f.runtime, f.precision) == (job.role, target.family.runtime, precision)
            and f.tier in (None, golden.tier)
        ),
        None,
    )
    if entry is None:
        raise InputError(
            f"{folder} has no {target.label} model in {precision}", "build the bundle again"
        )
    seals = Seals.of_bundle(folder, manifest)
    data = seals.read(folder / entry.path)
    tier = next(one for one in manifest.depth_plan if one.id == golden.tier)
    style = next(s for s in manifest.styles if s.id == golden.style)
    code = seals.read(folder / style.path)
    codes = unpack(code, manifest.network.code_shapes, folder / style.path)
    given = {STRENGTH: np.full((1, 1), golden.strength, np.float32)}
    given = given if STRENGTH in manifest.network.code_shapes else {}
    return folder / entry.path, data, tier, {**codes, **given}


def _picture(folder: Path, golden: GoldenEntry, path: str) -> Rgb:
    return read_picture(read_sealed(folder / path, golden.sha256[path]), str(folder / path))
