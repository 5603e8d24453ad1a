"""The parity ladder: the same pictures through every form of a tier, each step's error attributed.

    PyTorch ─ ONNX FP32 ─ ONNX INT8, optimizations off ─ ONNX INT8, optimizations on
                  └────── LiteRT FP32 ─ LiteRT INT8, reference kernels ─ LiteRT INT8, XNNPACK
                                    └── LiteRT FP16, simulated ─ LiteRT FP16, GPU

The step from FP32 to INT8 is the loss that quantization costs. The step after it runs the same file
on other kernels and should change next to nothing: where it does, a kernel or an optimization is at
fault, not the quantization. Products of 8-bit integers are kept from saturating in every ONNX
Runtime step. A third of the pictures keep their own shape, where the tier takes any. The steps of a
GPU are climbed where it is asked for: FP16 arithmetic simulated on the processor, and the GPU
itself, whose error to the simulation says how well that foretells it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iast_export.bundle.sealed import Seals
from iast_export.environment import usable_cores
from iast_export.errors import CannotJudgeError, IastExportError
from iast_export.families import FAMILIES
from iast_export.files.artifacts import Progress, StageRecord, no_progress, sha256_file
from iast_export.files.paths import check_folders
from iast_export.ladder.cpu import processor
from iast_export.ladder.inputs import LadderInput, bundle_inputs
from iast_export.ladder.judge import LIMIT_DB, LIMIT_LEVELS, row
from iast_export.ladder.steps import Source, load_source, openers
from iast_export.lanes.views import seen_at
from iast_export.pictures.images import Rgb
from iast_export.pictures.imagesets import load_set
from iast_export.reports.base import SetFacts
from iast_export.reports.ladder import LADDER_PATH, LadderReport, LadderRow, Step
from iast_export.reports.manifest import Manifest, load_manifest
from iast_export.runtimes.any_shape import AnyShapeSession
from iast_export.runtimes.gpu import GpuSession
from iast_export.runtimes.session import Session
from iast_export.runtimes.target import stylize_tier
from iast_export.specs import Accelerator, Tier, find_tiers

__all__ = ["LadderInput", "Source", "climb", "ladder", "load_source"]


def climb(
    folder: Path,
    set_name: str,
    pictures: int,
    *,
    network: str | None = None,
    checkpoint: Path | None = None,
    tiers: Sequence[str] = (),
    accelerator: Accelerator = "cpu",
    progress: Progress = no_progress,
) -> LadderReport:
    """The ladder of a bundle, written to DIR/reports/ladder.json.

    Args:
        folder: the bundle.
        set_name: the image set to judge on.
        pictures: how many of it.
        network: `module:factory` that the bundle was made from, whose code is run; None: the
            packaged one.
        checkpoint: of that network; None: the factory's own default.
        tiers: ids; empty: all.
        accelerator: "gpu": FP16 on a GPU too, simulated and real.
        progress: told after every step.

    Raises:
        InputError: no bundle, an altered model, no such set, too few pictures.
        UsageError: no such tier.
    """
    manifest, found = load_manifest(folder), load_set(set_name)
    check_folders(folder)
    Seals.of_bundle(folder, manifest).check_present()
    exported = StageRecord.load(folder, "export")
    made_from = exported.network if exported is not None else ""
    report = ladder(
        folder,
        manifest,
        load_source(manifest, network, checkpoint, made_from),
        bundle_inputs(folder, manifest, found, pictures),
        SetFacts(name=found.name, sha256=found.sha256, images=pictures),
        tiers=tiers,
        threads=usable_cores(),
        accelerator=accelerator,
        progress=progress,
    )
    report.save(folder / LADDER_PATH)
    return report


def ladder(
    folder: Path,
    manifest: Manifest,
    source: Source,
    inputs: Sequence[LadderInput],
    set_facts: SetFacts,
    *,
    tiers: Sequence[str] = (),
    threads: int = 1,
    accelerator: Accelerator = "cpu",
    progress: Progress = no_progress,
) -> LadderReport:
    """Every step of every tier of a bundle, with its error to the step before and to PyTorch.

    Args:
        folder: the bundle.
        manifest: of the bundle.
        source: the network it was made from; see `load_source`.
        inputs: what all steps see.
        set_facts: the image set that `inputs` come from.
        tiers: ids of the tiers to judge; empty: all.
        threads: of each session.
        accelerator: "gpu": FP16 on a GPU too, simulated and real.
        progress: told after every step.

    Raises:
        CannotJudgeError: no picture to judge on.
        UsageError: a tier that the bundle doesn't have.
    """
    if not inputs:
        raise CannotJudgeError("there is no picture to judge the ladder on", "give at least one")
    chosen = find_tiers(manifest.depth_plan, tiers, "the bundle")
    rows: list[LadderRow] = []
    gpu: str | None = None
    for tier in chosen:
        steps = openers(folder, manifest, source, tier, threads, accelerator)
        pictures: dict[Step, list[Rgb]] = {}
        reasons: dict[Step, str] = {}
        for step, opener in steps.items():
            try:
                session = opener()
                gpu = _gpu_of(session) or gpu
                pictures[step] = _pictures(session, step, manifest, tier, inputs)
            except IastExportError as error:
                reasons[step] = " ".join(error.message.split())
            rows.append(row(tier.id, step, pictures, reasons))
            progress("ladder", len(rows), len(chosen) * len(steps))
    return LadderReport(
        set=set_facts,
        pictures=len(inputs),
        files=_files(folder, manifest, chosen, accelerator),
        styles={
            one.id: one.sha256 for one in manifest.styles if one.id in {i.style for i in inputs}
        },
        processor=processor(),
        gpu=gpu,
        limit_levels=dict(LIMIT_LEVELS),
        limit_db=LIMIT_DB,
        rows=tuple(rows),
    )


def _gpu_of(session: Session) -> str | None:
    """The GPU that a session computes on; None: the processor."""
    usual = session.usual if isinstance(session, AnyShapeSession) else session
    return str(usual.device) if isinstance(usual, GpuSession) else None


def _files(
    folder: Path, manifest: Manifest, tiers: Sequence[Tier], accelerator: Accelerator
) -> dict[str, str]:
    """SHA-256 by path of every file that the steps of these tiers run."""
    run = ("fp32", "int8", "fp16") if accelerator == "gpu" else ("fp32", "int8")
    used = {
        entry.path
        for (_, precision, tier), entry in manifest.lanes().items()
        if precision in run and tier in {one.id for one in tiers}
    }
    return {path: sha256_file(folder / path) for path in sorted(used) if (folder / path).is_file()}


def _pictures(
    session: Session, step: Step, manifest: Manifest, tier: Tier, inputs: Sequence[LadderInput]
) -> list[Rgb]:
    """What a step draws; a tier that LiteRT pads sees squares alone, in every step."""
    family = FAMILIES["litert" if step.startswith("litert") else "onnxruntime"]
    any_shape = next(one.any_shape for one in manifest.tiers if one.id == tier.id)
    multiple_px = manifest.network.size_multiple_px
    contents = [seen_at(one.content, tier, own_shape=one.own_shape and any_shape) for one in inputs]
    return [
        stylize_tier(family, session, content, one.feeds, tier, multiple_px)
        for content, one in zip(contents, inputs, strict=True)
    ]
