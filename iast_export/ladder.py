"""The parity ladder: the same pictures through every form of a tier, each step's error attributed.

    PyTorch ─ ONNX FP32 ─ ONNX INT8, optimizations off ─ ONNX INT8, optimizations on
                  └────── LiteRT FP32 ─ LiteRT INT8, reference kernels ─ LiteRT INT8, XNNPACK

The step from FP32 to INT8 is the loss that quantization costs. The step after it runs the same file on
other kernels and should change next to nothing: where it does, a kernel or an optimization is at fault,
not the quantization. Products of 8-bit integers are kept from saturating in every ONNX Runtime step.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iast_export.artifacts import Progress, no_progress, sha256_file
from iast_export.environment import machine_fingerprint, usable_cores
from iast_export.errors import CannotJudgeError, IastExportError, InputError, ToolError
from iast_export.images import Rgb, center_square
from iast_export.imagesets import ImageSet, load_set
from iast_export.ladder_reports import (
    LADDER_PATH,
    STEP_NAMES,
    LadderReport,
    LadderRow,
    Processor,
    Step,
    StepError,
)
from iast_export.lanes import Feeds
from iast_export.metrics import psnr_db
from iast_export.reports import Manifest, SetFacts, load_manifest
from iast_export.runtimes import (
    LiteRtSession,
    OnnxSession,
    Session,
    TorchSession,
    onnx_session_options,
    open_litert,
    stylize_rgb,
)
from iast_export.specs import STRENGTH, Tier, onnx_name, tflite_name
from iast_export.styles import unpack

if TYPE_CHECKING:
    from iast_export.adapters import StyleNetwork

# What each step follows; LiteRT starts from FP32 again, so that its error isn't mixed with ONNX INT8's.
BEFORE: Mapping[Step, Step] = {
    "onnx_fp32": "pytorch",
    "onnx_int8_plain": "onnx_fp32",
    "onnx_int8": "onnx_int8_plain",
    "litert_fp32": "onnx_fp32",
    "litert_int8_reference": "litert_fp32",
    "litert_int8": "litert_int8_reference",
}
# Steps that should not change the picture, with the largest difference in 8-bit levels and the least PSNR
# that they may show. Two INT8 kernels round differently now and then, and what follows carries it on.
LIMIT_LEVELS: Mapping[Step, int] = {"onnx_fp32": 1, "onnx_int8": 24, "litert_fp32": 1, "litert_int8": 24}
LIMIT_DB = 40.0
_SUSPECTS: Mapping[Step, str] = {
    "onnx_fp32": "the export is not the network",
    "onnx_int8": "an optimization or kernel of ONNX Runtime computes something else than the file says",
    "litert_fp32": "the conversion is not the network",
    "litert_int8": "XNNPACK computes something else than LiteRT's reference kernels",
}
_INT8_FLAGS = {
    "x86_64": ("avx2", "avx512_vnni", "avx_vnni", "amx_int8"),
    "aarch64": ("asimddp", "i8mm", "sme"),
}
_VNNI = frozenset({"avx512_vnni", "avx_vnni"})

Open = Callable[[], Session]


@dataclass(frozen=True)
class LadderInput:
    """A photograph and a style that all steps see.

    Attributes:
        content: uint8 [H, W, 3], cut to each tier's square.
        style: its id.
        feeds: every style input of the cut network, by name.
    """

    content: Rgb
    style: str
    feeds: Feeds


@dataclass(frozen=True)
class Source:
    """The PyTorch network of a bundle, or why it can't be had."""

    network: StyleNetwork | None
    reason: str = ""


def ladder(
    folder: Path,
    manifest: Manifest,
    source: Source,
    inputs: Sequence[LadderInput],
    set_facts: SetFacts,
    *,
    tiers: Sequence[str] = (),
    threads: int = 1,
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
        progress: told after every step.

    Raises:
        CannotJudgeError: no picture to judge on.
        InputError: a tier that the bundle doesn't have.
    """
    if not inputs:
        raise CannotJudgeError("there is no picture to judge the ladder on", "give at least one")
    chosen = _chosen(manifest, tiers)
    rows: list[LadderRow] = []
    for tier in chosen:
        steps = openers(folder, manifest, source, tier, threads)
        pictures: dict[Step, list[Rgb]] = {}
        reasons: dict[Step, str] = {}
        for step, opener in steps.items():
            try:
                pictures[step] = _pictures(opener(), tier, inputs)
            except IastExportError as error:
                reasons[step] = " ".join(error.message.split())
            rows.append(_row(tier.id, step, pictures, reasons))
            progress("ladder", len(rows), len(chosen) * len(steps))
    return LadderReport(
        set=set_facts,
        pictures=len(inputs),
        styles=tuple(dict.fromkeys(one.style for one in inputs)),
        processor=processor(),
        limit_levels=dict(LIMIT_LEVELS),
        limit_db=LIMIT_DB,
        rows=tuple(rows),
    )


def _chosen(manifest: Manifest, tiers: Sequence[str]) -> list[Tier]:
    known = {entry.id: Tier(entry.depth, entry.max_side_px) for entry in manifest.tiers}
    unknown = [name for name in tiers if name not in known]
    if unknown:
        raise InputError(f"the bundle has no tier {', '.join(unknown)}", f"choose of {', '.join(known)}")
    return [tier for name, tier in known.items() if not tiers or name in tiers]


def openers(
    folder: Path, manifest: Manifest, source: Source, tier: Tier, threads: int = 1
) -> dict[Step, Open]:
    """How each step of a tier is opened, in the ladder's order."""
    name, models = manifest.name, folder / "models"
    onnx32, onnx8 = (models / onnx_name(name, tier, p) for p in ("fp32", "int8"))
    lite32, lite8 = (models / tflite_name(name, p) for p in ("fp32", "int8"))
    return {
        "pytorch": lambda: _open_torch(source, tier),
        "onnx_fp32": lambda: _open_onnx(onnx32, threads, optimize=True),
        "onnx_int8_plain": lambda: _open_onnx(onnx8, threads, optimize=False),
        "onnx_int8": lambda: _open_onnx(onnx8, threads, optimize=True),
        "litert_fp32": lambda: open_litert(lite32, tier.signature, threads),
        "litert_int8_reference": lambda: open_reference(lite8, tier.signature),
        "litert_int8": lambda: open_litert(lite8, tier.signature, threads),
    }


def _open_torch(source: Source, tier: Tier) -> Session:
    if source.network is None:
        raise InputError(source.reason, "give the network and the checkpoint that the bundle was made from")
    return TorchSession(source.network.cut(tier.depth), tuple(source.network.code_shapes))


def _open_onnx(path: Path, threads: int, *, optimize: bool) -> Session:
    import onnxruntime as ort

    if not path.is_file():
        raise InputError(f"{path} is missing", "run `iast-export build`, which makes what is missing")
    options = onnx_session_options(threads)
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        raw = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own, without a common base
        raise ToolError(f"ONNX Runtime can't load {path}: {error}", "build the file again") from error
    return OnnxSession(raw, [item.name for item in raw.get_outputs()])


def open_reference(path: Path, signature: str) -> LiteRtSession:
    """A LiteRT session on the plain reference kernels: no delegate, no SIMD; slow.

    Raises:
        InputError: no such file or signature.
        ToolError: LiteRT refuses the model.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    if not path.is_file():
        raise InputError(f"{path} is missing", "run `iast-export build`, which makes what is missing")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            interpreter = Interpreter(
                model_path=str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
            )
        return LiteRtSession(interpreter, signature)
    except (RuntimeError, ValueError) as error:
        raise ToolError(
            f"LiteRT's reference kernels can't load {path}: {error}", "convert the file again"
        ) from error


def _pictures(session: Session, tier: Tier, inputs: Sequence[LadderInput]) -> list[Rgb]:
    return [
        stylize_rgb(
            session, center_square(one.content, tier.max_side_px), one.feeds, fixed_shape_px=tier.shape_px
        )
        for one in inputs
    ]


def _row(
    tier: str, step: Step, pictures: Mapping[Step, Sequence[Rgb]], reasons: Mapping[Step, str]
) -> LadderRow:
    if step in reasons:
        return LadderRow(tier=tier, step=step, not_run=f"did not run: {reasons[step]}")
    if step == "pytorch":
        return LadderRow(tier=tier, step=step)
    before = (
        compare(BEFORE[step], pictures[BEFORE[step]], pictures[step]) if BEFORE[step] in pictures else None
    )
    total = compare("pytorch", pictures["pytorch"], pictures[step]) if "pytorch" in pictures else None
    missing = [STEP_NAMES[one] for one in dict.fromkeys((BEFORE[step], "pytorch")) if one in reasons]
    gap = f"ran, but can't be compared with {' and '.join(missing)}, which did not run" if missing else None
    return LadderRow(
        tier=tier, step=step, before=before, total=total, not_run=gap, anomaly=anomaly(step, before)
    )


def compare(against: Step, reference: Sequence[Rgb], pictures: Sequence[Rgb]) -> StepError:
    """The error of `pictures` to those of another step, pair by pair."""
    psnrs = [psnr_db(one, other) for one, other in zip(pictures, reference, strict=True)]
    levels = [
        np.abs(one.astype(np.int16) - other.astype(np.int16)).max(axis=2)
        for one, other in zip(pictures, reference, strict=True)
    ]
    return StepError(
        against=against,
        psnr_db=float(np.mean(psnrs)),
        worst_psnr_db=min(psnrs),
        max_levels=max(int(one.max()) for one in levels),
        differing_share=float(np.mean([np.mean(one > 0) for one in levels])),
    )


def anomaly(step: Step, before: StepError | None) -> str | None:
    """What is wrong with a step that should not change the picture and does, in words."""
    limit = LIMIT_LEVELS.get(step)
    if limit is None or before is None:
        return None
    if before.max_levels <= limit and before.worst_psnr_db >= LIMIT_DB:
        return None
    return (
        f"{STEP_NAMES[step]} differs from {STEP_NAMES[before.against]} by up to {before.max_levels} levels, "
        f"{before.worst_psnr_db:.1f} dB at worst; at most {limit} levels and at least {LIMIT_DB:.0f} dB are "
        f"expected: {_SUSPECTS[step]}"
    )


def processor() -> Processor:
    """This machine's processor: what it has for 8-bit products, what it lacks and what follows."""
    found = machine_fingerprint()
    flags, kind = found["flags"], str(found["architecture"])
    known = _INT8_FLAGS.get(kind, ())
    has = tuple(flag for flag in known if isinstance(flags, list) and flag in flags)
    remark = "8-bit products are summed exactly by the processor itself"
    if kind == "x86_64" and not _VNNI & set(has):
        remark = (
            "no VNNI: 8-bit products would saturate; session.x64quantprecision keeps them exact, "
            "so accuracy is judged rightly here, but INT8 speed is not that of a processor with VNNI"
        )
    elif kind != "x86_64" and not has:
        remark = "no 8-bit dot product: results hold, INT8 speed is that of the oldest phones"
    return Processor(
        cpu=str(found["cpu"]), has=has, lacks=tuple(f for f in known if f not in has), remark=remark
    )


def climb(
    folder: Path,
    set_name: str,
    pictures: int,
    *,
    network: str | None = None,
    checkpoint: Path | None = None,
    tiers: Sequence[str] = (),
    progress: Progress = no_progress,
) -> LadderReport:
    """The ladder of a bundle, written to DIR/reports/ladder.json.

    Args:
        folder: the bundle.
        set_name: the image set to judge on.
        pictures: how many of it.
        network: `module:factory`; None: the one that the bundle was made from.
        checkpoint: of that network; None: the factory's own default.
        tiers: ids; empty: all.
        progress: told after every step.

    Raises:
        InputError: no bundle, no such tier or set, too few pictures.
    """
    manifest, found = load_manifest(folder), load_set(set_name)
    report = ladder(
        folder,
        manifest,
        load_source(manifest, network, checkpoint),
        bundle_inputs(folder, manifest, found, pictures),
        SetFacts(name=found.name, sha256=found.sha256, images=pictures),
        tiers=tiers,
        threads=usable_cores(),
        progress=progress,
    )
    report.save(folder / LADDER_PATH)
    return report


def load_source(manifest: Manifest, network: str | None = None, checkpoint: Path | None = None) -> Source:
    """The PyTorch network that a bundle was made from, if it is the same one.

    Args:
        manifest: of the bundle.
        network: `module:factory`; None: the one that the manifest names.
        checkpoint: None: the factory's own default.

    Returns:
        The network, or the reason why there is none: another checkpoint, a factory that can't be
        imported, no torch.
    """
    from iast_export.adapters import PACKAGED, load_network

    target = network or manifest.source.network
    if checkpoint is None and target == PACKAGED:
        from iast_export.checkpoint import PACKAGED_CHECKPOINT

        checkpoint = PACKAGED_CHECKPOINT
    wanted = manifest.source.checkpoint_sha256
    try:
        found = sha256_file(checkpoint) if checkpoint is not None else None
        if found != wanted:
            return Source(
                None, f"the bundle was made from checkpoint {_short(wanted)}, here is {_short(found)}"
            )
        return Source(load_network(target, checkpoint))
    except IastExportError as error:
        return Source(None, " ".join(error.message.split()))
    except ImportError as error:
        return Source(None, f"{error}")


def _short(digest: str | None) -> str:
    return "none" if digest is None else digest[:16]


def bundle_inputs(folder: Path, manifest: Manifest, pictures: ImageSet, count: int) -> list[LadderInput]:
    """The first `count` pictures of a set, each with another of the bundle's styles.

    Raises:
        InputError: a style or picture can't be read, or the set holds fewer pictures.
    """
    if count > len(pictures):
        raise InputError(
            f"the set {pictures.name} holds {len(pictures)} pictures, {count} were asked for",
            "lower --pictures, or name a larger set in the recipe",
        )
    shapes = manifest.network.code_shapes
    inputs = []
    for i in range(count):
        style = manifest.styles[i * len(manifest.styles) // count]
        feeds: dict[str, NDArray[np.float32]] = dict(unpack(folder / style.path, shapes))
        if STRENGTH in shapes:
            feeds[STRENGTH] = np.ones(shapes[STRENGTH], np.float32)
        inputs.append(LadderInput(pictures[i], style.id, feeds))
    return inputs
