"""The ordered stages of a build: skip what is fresh, make the rest, resume after any interruption.

A stage is fresh when the hash of everything that decides its outputs equals the one on record and
every output is still there, byte for byte. Outputs are written aside and renamed, and the record
last of all, so a build killed at any point resumes and ends with the same bytes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iast_export import bundle
from iast_export.adapters import PACKAGED, load_network
from iast_export.artifacts import (
    STAGES_DIR,
    Progress,
    StageRecord,
    is_fresh,
    no_progress,
    record,
    sha256_bytes,
    sha256_file,
    stage_key,
)
from iast_export.calibrate import (
    Observe,
    calibrate_tier,
    check_enough,
    load_ranges,
    observe_litert,
    observe_onnx,
    pairs_at,
    save_ranges,
    tier_feeds,
)
from iast_export.environment import machine_fingerprint, usable_cores, versions
from iast_export.errors import InputError
from iast_export.images import Rgb, center_square, to_tensor
from iast_export.imagesets import ImageSet, check_disjoint, load_set
from iast_export.lanes import find_lanes
from iast_export.quantize.onnx_qdq import tensors_to_calibrate
from iast_export.ranges import method_of
from iast_export.recipe import Recipe
from iast_export.reports import (
    BENCHMARK_PATH,
    CONVERT_PATH,
    QUANTIZE_PATH,
    VERIFY_PATH,
    ConvertReport,
    NetworkFacts,
    QuantizeReport,
    SetFacts,
    SourceFacts,
    ToolFacts,
)
from iast_export.specs import (
    RUNTIMES,
    Precision,
    Runtime,
    Tier,
    check_plan,
    dispatch_name,
    onnx_name,
    tflite_name,
)
from iast_export.styles import Style, encoded_styles, feeds_of, pack, packaged_styles

if TYPE_CHECKING:
    from iast_export.adapters import StyleNetwork


@dataclass(frozen=True)
class Request:
    """What a build is asked for.

    Attributes:
        out: the bundle's folder.
        recipe: every choice; its calibration set is overridden by `calibration`.
        network: `module:factory`.
        checkpoint: None: the factory's own default.
        calibration: a set's name, a set file or a folder; None: the recipe's.
        styles: a folder of style pictures; None: the packaged codes, or drawn pictures.
    """

    out: Path
    recipe: Recipe
    network: str = PACKAGED
    checkpoint: Path | None = None
    calibration: str | None = None
    styles: Path | None = None


@dataclass
class Build:
    """A request and what is loaded for it, each thing once and only when a stage needs it."""

    request: Request
    progress: Progress = field(default=no_progress)

    @property
    def root(self) -> Path:
        return self.request.out

    @property
    def recipe(self) -> Recipe:
        return self.request.recipe

    @property
    def models(self) -> Path:
        return self.root / "models"

    @cached_property
    def network(self) -> StyleNetwork:
        return load_network(self.request.network, self.request.checkpoint)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        return self.recipe.plan

    @cached_property
    def checkpoint_file(self) -> Path | None:
        """The file that the weights come from; None for a network that has none."""
        if self.request.checkpoint is not None:
            return self.request.checkpoint
        if self.request.network == PACKAGED:
            from iast_export.checkpoint import PACKAGED_CHECKPOINT

            return PACKAGED_CHECKPOINT
        return None

    @cached_property
    def network_sha256(self) -> str:
        """Hash of the checkpoint and of the source that defines the network."""
        source = inspect.getsourcefile(type(self.network))
        parts = [p for p in (self.checkpoint_file, Path(source) if source else None) if p is not None]
        return sha256_bytes("".join(sha256_file(p) for p in parts).encode())

    @cached_property
    def styles(self) -> list[Style]:
        """All styles of the bundle: packaged, or encoded from pictures."""
        packaged = self.request.network == PACKAGED and self.request.checkpoint is None
        if packaged and self.request.styles is None and self.checkpoint_file is not None:
            return packaged_styles(sha256_file(self.checkpoint_file))
        return encoded_styles(self.network, self.request.styles)

    @cached_property
    def calibration_set(self) -> ImageSet:
        return load_set(self.request.calibration or self.recipe.calibration.set)

    @cached_property
    def evaluation_set(self) -> ImageSet:
        """The evaluation pictures, none of which calibrates.

        Raises:
            InputError: a picture is in both sets.
        """
        found = load_set(self.recipe.verify.set)
        check_disjoint(self.calibration_set, found)
        return found

    def check(self) -> None:
        """Refuses what can't become a bundle before anything is made.

        Raises:
            RecipeError: a depth plan that the network can't serve.
            InputError: a network, checkpoint, picture set or style that can't be used.
        """
        check_plan(self.recipe.plan, self.network.depths, self.network.size_multiple_px)
        check_enough(self.calibration_set.name, len(self.calibration_set))
        self.evaluation_pictures()
        if not any(s.held_out for s in self.styles) or all(s.held_out for s in self.styles):
            raise InputError(
                "styles are needed both for calibration and for evaluation", "give at least three styles"
            )

    def evaluation_pictures(self) -> list[tuple[str, Rgb]]:
        """Id and RGB of the pictures that fidelity is judged on."""
        pictures = []
        for identity, rgb in self.evaluation_set.images():
            pictures.append((identity, rgb))
            if len(pictures) == self.recipe.verify.images:
                return pictures
        raise InputError(
            f"the set {self.evaluation_set.name} holds {len(pictures)} pictures, "
            f"the recipe asks for {self.recipe.verify.images}",
            "add pictures, or lower [verify] images",
        )

    @property
    def facts(self) -> bundle.BundleFacts:
        shapes = {name: tuple(shape) for name, shape in self.network.code_shapes.items()}
        network = NetworkFacts(
            name=type(self.network).__name__,
            code_shapes=shapes,
            size_multiple_px=self.network.size_multiple_px,
        )
        source = SourceFacts(
            network=self.request.network,
            checkpoint_sha256=sha256_file(self.checkpoint_file) if self.checkpoint_file else None,
            recipe_sha256=self.recipe.sha256,
            calibration_set=self.calibration_set.name,
            calibration_set_sha256=self.calibration_set.sha256,
            tool=ToolFacts(versions=versions()),
        )
        return bundle.BundleFacts(self.recipe.name, network, self.tiers, self.styles, source)


@dataclass(frozen=True)
class Stage:
    """One step: what decides its outputs, and how they are made.

    Attributes:
        name: the verb.
        params: plain values that decide the outputs, beside the files.
        inputs: files of earlier stages that it reads.
        run: makes the outputs and returns their paths.
    """

    name: str
    params: Callable[[Build], dict[str, Any]]
    inputs: Callable[[Build], Sequence[Path]]
    run: Callable[[Build], list[Path]]


@dataclass(frozen=True)
class StageResult:
    """Whether a stage ran, and what stands after it."""

    stage: str
    ran: bool
    outputs: tuple[Path, ...]


def run_stages(build: Build, only: str | None = None) -> list[StageResult]:
    """Runs every stage in order, or the one named `only`, skipping what is fresh.

    Raises:
        InputError: `only` needs a stage whose outputs are missing, stale or altered.
        IastExportError: whatever a stage raises; what earlier stages made stays.
    """
    build.check()
    _remove_leftovers(build.root)
    results = []
    for stage in STAGES:
        if only is not None and stage.name != only:
            if STAGE_NAMES.index(stage.name) < STAGE_NAMES.index(only):
                _require_fresh(build, stage, only)
            continue
        results.append(_run(build, stage))
    return results


def _run(build: Build, stage: Stage) -> StageResult:
    key = stage_key(stage.name, stage.params(build), stage.inputs(build))
    if not is_fresh(build.root, stage.name, key):
        before = StageRecord.load(build.root, stage.name)
        outputs = stage.run(build)
        _remove_superseded(build.root, before, outputs)
        record(build.root, stage.name, key, outputs)
        return StageResult(stage.name, True, tuple(outputs))
    found = StageRecord.load(build.root, stage.name)
    names = sorted(found.outputs) if found else []
    return StageResult(stage.name, False, tuple(build.root / name for name in names))


def _require_fresh(build: Build, stage: Stage, wanted: str) -> None:
    try:
        fresh = is_fresh(
            build.root, stage.name, stage_key(stage.name, stage.params(build), stage.inputs(build))
        )
    except InputError:
        fresh = False
    if not fresh:
        raise InputError(
            f"`{wanted}` needs the outputs of `{stage.name}`, missing, stale or altered in {build.root}",
            f"run `iast-export {stage.name}` with the same options first, or `iast-export build`",
        )


def _remove_superseded(root: Path, before: StageRecord | None, outputs: Sequence[Path]) -> None:
    kept = {path.relative_to(root).as_posix() for path in outputs}
    for name in before.outputs if before else ():
        if name not in kept:
            (root / name).unlink(missing_ok=True)


def _remove_leftovers(root: Path) -> None:
    """Deletes temporary files that a killed run left beside its targets."""
    for folder in ("models", "styles", "calibration", "golden", "reports", STAGES_DIR, "."):
        if (root / folder).is_dir():
            for path in (root / folder).glob(".*-*"):
                if path.is_file():
                    path.unlink()


_REPORTS = (VERIFY_PATH, BENCHMARK_PATH, QUANTIZE_PATH, CONVERT_PATH)


# --- the stages ------------------------------------------------------------------------------------


def _export_params(build: Build) -> dict[str, Any]:
    return {
        "network": build.request.network,
        "network_sha256": build.network_sha256,
        "name": build.recipe.name,
        "tiers": [tier.id for tier in build.tiers],
        "versions": versions(),
    }


def _checkpoint_inputs(build: Build) -> list[Path]:
    return [build.checkpoint_file] if build.checkpoint_file else []


def _onnx_fp32(build: Build) -> list[Path]:
    return [build.models / onnx_name(build.recipe.name, tier, "fp32") for tier in build.tiers]


def _tflite(build: Build, precision: Precision) -> Path:
    return build.models / tflite_name(build.recipe.name, precision)


def _export(build: Build) -> list[Path]:
    from iast_export.dispatch import merge_dispatch
    from iast_export.export import export_style_encoder, export_tier

    probes = _probes(build)
    paths = _onnx_fp32(build)
    for i, (tier, path) in enumerate(zip(build.tiers, paths, strict=True)):
        build.progress("export ONNX", i, len(paths))
        export_tier(build.network, tier, path, probes)
    build.progress("export ONNX", len(paths), len(paths))
    dispatch = build.models / dispatch_name(build.recipe.name, "fp32")
    merge_dispatch(list(zip(build.tiers, paths, strict=True)), dispatch)
    encoder = build.models / f"{build.recipe.name}-style-encoder-fp32.onnx"
    export_style_encoder(build.network, encoder)
    return [*paths, dispatch, encoder]


def _probes(build: Build) -> list[NDArray[np.float32]]:
    """Two photographs, one upright and one wide, in sizes that every tier takes."""
    smallest, multiple = build.tiers[0].max_side_px, build.network.size_multiple_px
    probes = []
    for (_, rgb), part in zip(build.evaluation_pictures()[:2], (0.75, 0.5), strict=True):
        square = center_square(rgb, smallest)
        side = max(multiple, int(smallest * part) // multiple * multiple)
        probes.append(to_tensor(np.ascontiguousarray(square[:, :side] if part > 0.5 else square[:side])))
    return probes


def _convert(build: Build) -> list[Path]:
    from iast_export.convert import convert_fp32, convert_style_encoder
    from iast_export.quantize.delegation import delegation

    path = _tflite(build, "fp32")
    encoder = build.models / f"{build.recipe.name}-style-encoder-fp32.tflite"
    summaries = [
        convert_fp32(build.network, build.tiers, path, build.progress),
        convert_style_encoder(build.network, encoder, build.progress),
    ]
    rows = []
    for made, role, summary in zip((path, encoder), ("transfer", "style_encoder"), summaries, strict=True):
        taken = delegation(made)
        rows.append(
            {
                "path": made.relative_to(build.root).as_posix(),
                "precision": "fp32",
                "role": role,
                "signatures": tuple(summary.max_difference),
                "file_bytes": summary.file_bytes,
                "unique_bytes": summary.unique_weight_bytes,
                "shared_bytes": summary.shared_weight_bytes,
                "largest_alone_bytes": summary.largest_alone_bytes,
                "parity": dict(summary.max_difference),
                "delegated": {k: v.operators - len(v.not_taken) for k, v in taken.items()},
                "not_delegated": {k: len(v.not_taken) for k, v in taken.items()},
            }
        )
    report = build.root / CONVERT_PATH
    ConvertReport.model_validate({"rows": tuple(rows)}).save(report)
    return [path, encoder, report]


def _calibrate_params(build: Build) -> dict[str, Any]:
    return {
        "calibration": build.recipe.calibration.model_dump(mode="json"),
        "set_sha256": build.calibration_set.sha256,
        "evaluation_sha256": build.evaluation_set.sha256,
        "styles": _styles_sha256(build),
    }


def _styles_sha256(build: Build) -> str:
    packed = [pack(style.codes, build.network.code_shapes) for style in build.styles]
    names = "".join(f"{style.id} {style.held_out}\n" for style in build.styles)
    return sha256_bytes(names.encode() + b"".join(packed))


def _ranges_path(build: Build, runtime: Runtime, tier: Tier) -> Path:
    return build.root / "calibration" / f"ranges-{runtime}-{tier.id}.json"


def _ranges_paths(build: Build) -> list[Path]:
    return [_ranges_path(build, runtime, tier) for tier in build.tiers for runtime in RUNTIMES]


def _calibrate(build: Build) -> list[Path]:
    chosen = build.recipe.calibration
    codes = [feeds_of(s, build.network.code_shapes) for s in build.styles if not s.held_out]
    method = method_of(chosen.method, chosen.percentile)
    threads = usable_cores()
    for tier in build.tiers:
        pairs = pairs_at(tier, chosen.max_pairs)
        fp32 = build.models / onnx_name(build.recipe.name, tier, "fp32")
        tflite = _tflite(build, "fp32")
        observers: dict[Runtime, tuple[Observe, int | None]] = {
            "onnxruntime": (
                observe_onnx(fp32, tensors_to_calibrate(fp32), threads),
                build.network.size_multiple_px,
            ),
            "litert": (observe_litert(tflite, tier.signature, threads), None),
        }
        for runtime, (observe, multiple_px) in observers.items():
            feeds = tier_feeds(tier, build.calibration_set, codes, pairs, multiple_px)
            what = f"calibrate {tier.id} {runtime}"
            ranges = calibrate_tier(observe, feeds, method, pairs, what, build.progress)
            facts = {"method": chosen.method, "pairs": pairs, "set_sha256": build.calibration_set.sha256}
            save_ranges(_ranges_path(build, runtime, tier), ranges, facts)
    return _ranges_paths(build)


def _quantize_params(build: Build) -> dict[str, Any]:
    return {"edges": build.recipe.quantize.edges, "versions": versions()}


def _quantize(build: Build) -> list[Path]:
    from iast_export.dispatch import merge_dispatch
    from iast_export.quantize.litert import quantize_litert
    from iast_export.quantize.onnx_qdq import quantize_onnx

    rows: list[dict[str, Any]] = []
    paths = []
    for i, (tier, fp32) in enumerate(zip(build.tiers, _onnx_fp32(build), strict=True)):
        build.progress("quantize ONNX", i, len(build.tiers))
        path = build.models / onnx_name(build.recipe.name, tier, "int8")
        made = quantize_onnx(fp32, load_ranges(_ranges_path(build, "onnxruntime", tier)), path)
        rows.append(
            _quantize_row(build, path, "onnxruntime", "int8", tier.id, made.quantized_ops, made.islands)
        )
        paths.append(path)
    build.progress("quantize ONNX", len(build.tiers), len(build.tiers))
    dispatch = build.models / dispatch_name(build.recipe.name, "int8")
    merge_dispatch(list(zip(build.tiers, paths, strict=True)), dispatch)
    paths.append(dispatch)
    ranges = {tier.signature: load_ranges(_ranges_path(build, "litert", tier)) for tier in build.tiers}
    lanes: tuple[Precision, ...] = ("fp16", "dynamic_int8", "int8")
    for i, precision in enumerate(lanes):
        build.progress("quantize LiteRT", i, len(lanes))
        path = _tflite(build, precision)
        edges = build.recipe.quantize.edges if precision == "int8" else "float32"
        summary = quantize_litert(
            _tflite(build, "fp32"), precision, ranges if precision == "int8" else None, path, edges
        )
        counts: dict[str, int] = {}
        for signature in summary.quantized_ops.values():
            for name, count in signature.items():
                counts[name] = counts.get(name, 0) + count
        islands = [f"{name}: {reason}" for name, reason in sorted(summary.islands.items())]
        rows.append(_quantize_row(build, path, "litert", precision, None, counts, islands))
        paths.append(path)
    build.progress("quantize LiteRT", len(lanes), len(lanes))
    report = build.root / QUANTIZE_PATH
    facts = {"method": build.recipe.calibration.method, "set": _set_facts(build.calibration_set)}
    QuantizeReport.model_validate({**facts, "rows": tuple(rows)}).save(report)
    return [*paths, report]


def _quantize_row(
    build: Build, path: Path, runtime: Runtime, precision: Precision, tier: str | None, ops: Any, islands: Any
) -> dict[str, Any]:
    return {
        "path": path.relative_to(build.root).as_posix(),
        "runtime": runtime,
        "precision": precision,
        "tier": tier,
        "quantized_ops": dict(sorted(ops.items())),
        "islands": tuple(islands),
    }


def _set_facts(found: ImageSet) -> SetFacts:
    return SetFacts(name=found.name, sha256=found.sha256, images=len(found))


def _transfer_models(build: Build) -> list[Path]:
    return [lane.path for lane in find_lanes(build.models, build.recipe.name, build.tiers)]


def _verify_params(build: Build) -> dict[str, Any]:
    return {
        "verify": build.recipe.verify.model_dump(mode="json"),
        "set_sha256": build.evaluation_set.sha256,
        "styles": _styles_sha256(build),
        "versions": versions(),
        "machine": machine_fingerprint(),
    }


def _verify(build: Build) -> list[Path]:
    from iast_export.verify import EvaluationPair, verify

    held_out = [style for style in build.styles if style.held_out]
    pairs = [
        EvaluationPair(
            content=name,
            style=held_out[i % len(held_out)].id,
            rgb=rgb,
            feeds=feeds_of(held_out[i % len(held_out)], build.network.code_shapes),
            statistics=held_out[i % len(held_out)].statistics,
        )
        for i, (name, rgb) in enumerate(build.evaluation_pictures())
    ]
    lanes = find_lanes(build.models, build.recipe.name, build.tiers)
    facts = SetFacts(name=build.evaluation_set.name, sha256=build.evaluation_set.sha256, images=len(pairs))
    path = build.root / VERIFY_PATH
    verify(lanes, pairs, facts, threads=usable_cores(), progress=build.progress).save(path)
    return [path]


def _bench_params(build: Build) -> dict[str, Any]:
    return {
        "benchmark": build.recipe.benchmark.model_dump(mode="json"),
        "machine": machine_fingerprint(),
        "versions": versions(),
    }


def _bench(build: Build) -> list[Path]:
    from iast_export.benchmark import BenchmarkOptions, benchmark

    lanes = find_lanes(build.models, build.recipe.name, build.tiers)
    _, picture = build.evaluation_pictures()[0]
    chosen = build.recipe.benchmark
    options = BenchmarkOptions(threads=chosen.threads, warmup=chosen.warmup, blocks=chosen.blocks)
    feeds = feeds_of(build.styles[0], build.network.code_shapes)
    path = build.root / BENCHMARK_PATH
    benchmark(lanes, picture, feeds, options, build.progress).save(path)
    return [path]


def _bundle_inputs(build: Build) -> list[Path]:
    names = [row[0] for row in bundle.model_paths(build.recipe.name, build.tiers)]
    return [*(build.models / name for name in names), *(build.root / name for name in _REPORTS)]


def _bundle(build: Build) -> list[Path]:
    from iast_export.report import write_html

    facts = build.facts
    styles = bundle.write_styles(build.root, build.styles, facts.network.code_shapes)
    _, picture = build.evaluation_pictures()[0]
    golden, pictures = bundle.write_goldens(build.root, facts, picture, build.progress)
    manifest = bundle.write_manifest(build.root, facts, golden)
    return [*styles, *pictures, manifest, write_html(build.root)]


STAGES: tuple[Stage, ...] = (
    Stage("export", _export_params, _checkpoint_inputs, _export),
    Stage("convert", _export_params, _checkpoint_inputs, _convert),
    Stage("calibrate", _calibrate_params, lambda b: [*_onnx_fp32(b), _tflite(b, "fp32")], _calibrate),
    Stage(
        "quantize",
        _quantize_params,
        lambda b: [*_onnx_fp32(b), _tflite(b, "fp32"), *_ranges_paths(b)],
        _quantize,
    ),
    Stage("verify", _verify_params, _transfer_models, _verify),
    Stage("bench", _bench_params, _transfer_models, _bench),
    Stage("bundle", _verify_params, _bundle_inputs, _bundle),
)
STAGE_NAMES: tuple[str, ...] = tuple(stage.name for stage in STAGES)
