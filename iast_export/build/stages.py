"""The stages of a build: what decides each one's outputs, and how they are made."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iast_export.build.request import Build
from iast_export.bundle import writing as bundle
from iast_export.bundle.sealed import Seals
from iast_export.bundle.styles import feeds_of, pack
from iast_export.environment import machine_fingerprint, usable_cores, versions
from iast_export.files.artifacts import sha256_bytes, sha256_file
from iast_export.formats.onnx_graph import load_model
from iast_export.forms import noted
from iast_export.lanes.lane import Lane, find_lanes
from iast_export.pictures.images import center_square, to_tensor
from iast_export.pictures.imagesets import ImageSet
from iast_export.quantize.calibrate import (
    calibrate_tier,
    load_ranges,
    pairs_at,
    pictures_at,
    save_ranges,
    tier_feeds,
)
from iast_export.quantize.equalize.factors import (
    Equalization,
    learn_equalization,
    write_equalized_onnx,
)
from iast_export.quantize.litert.weights import write_equalized_litert
from iast_export.quantize.observers import Feeds, Observe, observe_litert, observe_onnx
from iast_export.quantize.onnx.qdq import tensors_to_calibrate
from iast_export.quantize.ranges import method_of
from iast_export.reports.base import (
    BENCHMARK_PATH,
    CONVERT_PATH,
    QUANTIZE_PATH,
    VERIFY_PATH,
    SetFacts,
)
from iast_export.reports.convert import ConvertReport
from iast_export.reports.quantize import CalibratedOn, QuantizeReport
from iast_export.specs import (
    RUNTIMES,
    Precision,
    Runtime,
    Tier,
    dispatch_name,
    onnx_name,
    tflite_name,
)

if TYPE_CHECKING:
    from iast_export.lanes.verify import EvaluationPair, Scorers
    from iast_export.quantize.rounding import Adjustment


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


_CHANNEL_PAIRS = 8  # of content and style, that the largest value of each channel is taken from
_REPORTS = (VERIFY_PATH, BENCHMARK_PATH, QUANTIZE_PATH, CONVERT_PATH)


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
    from iast_export.build.export import export_style_encoder, export_tier
    from iast_export.formats.dispatch import merge_dispatch

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
        probes.append(
            to_tensor(np.ascontiguousarray(square[:, :side] if part > 0.5 else square[:side]))
        )
    return probes


def _convert(build: Build) -> list[Path]:
    from iast_export.build.convert import convert_fp32, convert_style_encoder
    from iast_export.quantize.litert.delegation import delegation

    path = _tflite(build, "fp32")
    encoder = build.models / f"{build.recipe.name}-style-encoder-fp32.tflite"
    summaries = [
        convert_fp32(build.network, build.tiers, path, build.progress),
        convert_style_encoder(build.network, encoder, build.progress),
    ]
    rows = []
    for made, role, summary in zip(
        (path, encoder), ("transfer", "style_encoder"), summaries, strict=True
    ):
        taken = delegation(made)
        rows.append(
            {
                "path": made.relative_to(build.root).as_posix(),
                "sha256": sha256_file(made),
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
                "rewrites": dict(summary.rewrites),
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
        "styles": styles_sha256(build),
        "equalize": build.recipe.quantize.equalize,
    }


def styles_sha256(build: Build) -> str:
    """Hash of the names, roles and codes of a build's styles."""
    packed = [pack(style.codes, build.network.code_shapes) for style in build.styles]
    names = "".join(f"{style.id} {style.held_out}\n" for style in build.styles)
    return sha256_bytes(names.encode() + b"".join(packed))


def ranges_path(build: Build, runtime: Runtime, tier: Tier) -> Path:
    """The ranges of a tier in a runtime, written by the stage `calibrate`."""
    return build.root / "calibration" / f"ranges-{runtime}-{tier.id}.json"


def _ranges_paths(build: Build) -> list[Path]:
    return [ranges_path(build, runtime, tier) for tier in build.tiers for runtime in RUNTIMES]


def factors_path(build: Build) -> Path:
    """The factors of cross-layer equalization that the ranges hold for, written by the stage
    `calibrate`."""
    return build.root / "calibration" / "equalization.json"


def _learn_factors(build: Build) -> Equalization:
    """Factors of cross-layer equalization, from a few pictures of every tier; empty where switched
    off."""
    if not build.recipe.quantize.equalize:
        return Equalization()
    codes = [feeds_of(s, build.network.code_shapes) for s in build.styles if not s.held_out]
    pairs = min(_CHANNEL_PAIRS, build.recipe.calibration.max_pairs)

    def files() -> Iterator[tuple[Path, Iterable[Feeds]]]:
        for i, (tier, fp32) in enumerate(zip(build.tiers, _onnx_fp32(build), strict=True)):
            build.progress("compare channels", i, len(build.tiers))
            multiple_px = build.network.size_multiple_px
            yield fp32, tier_feeds(tier, build.calibration_set, codes, pairs, multiple_px)
        build.progress("compare channels", len(build.tiers), len(build.tiers))

    return learn_equalization(files(), usable_cores())


@contextmanager
def equalized_fp32(build: Build, factors: Equalization) -> Iterator[tuple[list[Path], Path]]:
    """The FP32 files that INT8 is made from, one per tier for ONNX and one for LiteRT.

    They are the bundle's own where there is nothing to equalize, else temporary ones.
    """
    own, tflite = _onnx_fp32(build), _tflite(build, "fp32")
    if not factors:
        yield own, tflite
        return
    with tempfile.TemporaryDirectory() as folder:
        made = [Path(folder) / path.name for path in own]
        for source, target in zip(own, made, strict=True):
            write_equalized_onnx(source, target, factors)
        write_equalized_litert(tflite, Path(folder) / tflite.name, factors)
        yield made, Path(folder) / tflite.name


def _calibrate(build: Build) -> list[Path]:
    chosen = build.recipe.calibration
    codes = [feeds_of(s, build.network.code_shapes) for s in build.styles if not s.held_out]
    method = method_of(chosen.method, chosen.percentile)
    threads = usable_cores()
    factors = _learn_factors(build)
    factors.save(factors_path(build))
    with equalized_fp32(build, factors) as (files, tflite):
        for tier, fp32 in zip(build.tiers, files, strict=True):
            pairs = pairs_at(tier, chosen.max_pairs)
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
                facts = {
                    "method": chosen.method,
                    "pairs": pairs,
                    "pictures": pictures_at(tier, chosen.max_pairs, len(build.calibration_set)),
                    "set_sha256": build.calibration_set.sha256,
                }
                save_ranges(ranges_path(build, runtime, tier), ranges, facts)
    return [*_ranges_paths(build), factors_path(build)]


def _quantize_params(build: Build) -> dict[str, Any]:
    chosen = build.recipe.quantize
    learning = chosen.rounding == "learned" or chosen.bias_correction
    pictures = _calibrate_params(build) if learning else {}
    return {
        "quantize": chosen.model_dump(mode="json"),
        "learned_on": pictures,
        "versions": versions(),
    }


def learn_adjustments(build: Build) -> tuple[list[Adjustment], Mapping[str, NDArray[Any]]]:
    """What the calibration pictures teach each ONNX tier, and the filters for LiteRT, as the recipe
    asks.

    LiteRT's biases are not corrected, so its weights are learned without counting on that.
    """
    from iast_export.quantize.patches import integer_layers, observe_patches
    from iast_export.quantize.rounding import Adjustment, bias_shifts, learn_filters

    chosen, tiers = build.recipe.quantize, []
    factors = Equalization.load(factors_path(build))
    learned, corrected = chosen.rounding == "learned", chosen.bias_correction
    if not (learned or corrected):
        return [Adjustment() for _ in build.tiers], {}
    codes = [feeds_of(s, build.network.code_shapes) for s in build.styles if not s.held_out]
    with equalized_fp32(build, factors) as (files, _):
        for i, (tier, fp32) in enumerate(zip(build.tiers, files, strict=True)):
            build.progress("learn weights and biases", i, len(build.tiers))
            pairs = pairs_at(tier, build.recipe.calibration.max_pairs)
            feeds = tier_feeds(
                tier, build.calibration_set, codes, pairs, build.network.size_multiple_px
            )
            ranges = load_ranges(ranges_path(build, "onnxruntime", tier))
            layers = integer_layers(fp32, ranges, chosen.trim_sums)
            tiers.append(
                (layers, observe_patches(fp32, layers, feeds, usable_cores()) if layers else {})
            )
    filters = learn_filters(tiers, corrected) if learned else {}
    alone = learn_filters(tiers, False) if learned and corrected else filters
    build.progress("learn weights and biases", len(build.tiers), len(build.tiers))
    shifts = [bias_shifts(*one, filters) if corrected else {} for one in tiers]
    return [Adjustment(filters, one) for one in shifts], alone


def _quantize(build: Build) -> list[Path]:
    from iast_export.formats.dispatch import merge_dispatch
    from iast_export.quantize.litert.delegation import delegation
    from iast_export.quantize.litert.static import quantize_litert
    from iast_export.quantize.onnx.qdq import quantize_onnx
    from iast_export.quantize.rounding import adjust_onnx

    rows: list[dict[str, Any]] = []
    paths = []
    adjustments, litert_filters = learn_adjustments(build)
    factors = Equalization.load(factors_path(build))
    trim_sums = build.recipe.quantize.trim_sums
    for i, (tier, fp32) in enumerate(zip(build.tiers, _onnx_fp32(build), strict=True)):
        build.progress("quantize ONNX", i, len(build.tiers))
        path = build.models / onnx_name(build.recipe.name, tier, "int8")
        found = load_ranges(ranges_path(build, "onnxruntime", tier))
        adjust = partial(adjust_onnx, adjustment=adjustments[i])
        made = quantize_onnx(fp32, found, path, adjust, trim_sums, factors=factors)
        row = _quantize_row(
            build, path, "onnxruntime", "int8", tier.id, made.quantized_ops, made.islands
        )
        rows.append({**row, "rewrites": noted(load_model(fp32))})
        paths.append(path)
    build.progress("quantize ONNX", len(build.tiers), len(build.tiers))
    dispatch = build.models / dispatch_name(build.recipe.name, "int8")
    merge_dispatch(list(zip(build.tiers, paths, strict=True)), dispatch)
    paths.append(dispatch)
    ranges = {
        tier.signature: load_ranges(ranges_path(build, "litert", tier)) for tier in build.tiers
    }
    lanes: tuple[Precision, ...] = ("fp16", "dynamic_int8", "int8")
    for i, precision in enumerate(lanes):
        build.progress("quantize LiteRT", i, len(lanes))
        path = _tflite(build, precision)
        edges = build.recipe.quantize.edges if precision == "int8" else "float32"
        summary = quantize_litert(
            _tflite(build, "fp32"),
            precision,
            ranges if precision == "int8" else None,
            path,
            edges,
            trim_sums=trim_sums,
            filters=litert_filters,
            factors=factors,
        )
        counts: dict[str, int] = {}
        for signature in summary.quantized_ops.values():
            for name, count in signature.items():
                counts[name] = counts.get(name, 0) + count
        islands = [f"{name}: {reason}" for name, reason in sorted(summary.islands.items())]
        row = _quantize_row(build, path, "litert", precision, None, counts, islands)
        taken = delegation(path)
        row["delegated"] = {
            key: found.operators - len(found.not_taken) for key, found in taken.items()
        }
        row["not_delegated"] = {key: tuple(found.not_taken) for key, found in taken.items()}
        rows.append(row)
        paths.append(path)
    build.progress("quantize LiteRT", len(lanes), len(lanes))
    report = build.root / QUANTIZE_PATH
    facts = {
        "method": build.recipe.calibration.method,
        "set": _set_facts(build.calibration_set),
        "calibrated": _calibrated_on(build),
    }
    QuantizeReport.model_validate({**facts, "rows": tuple(rows)}).save(report)
    return [*paths, report]


def _quantize_row(
    build: Build,
    path: Path,
    runtime: Runtime,
    precision: Precision,
    tier: str | None,
    ops: Any,
    islands: Any,
) -> dict[str, Any]:
    return {
        "path": path.relative_to(build.root).as_posix(),
        "sha256": sha256_file(path),
        "runtime": runtime,
        "precision": precision,
        "tier": tier,
        "quantized_ops": dict(sorted(ops.items())),
        "islands": tuple(islands),
    }


def _set_facts(found: ImageSet) -> SetFacts:
    return SetFacts(name=found.name, sha256=found.sha256, images=len(found))


def _calibrated_on(build: Build) -> CalibratedOn:
    found, most = build.calibration_set, build.recipe.calibration.max_pairs
    used = {tier.id: pictures_at(tier, most, len(found)) for tier in build.tiers}
    return CalibratedOn(found=found.found or len(found), used=used, skipped=dict(found.skipped))


def _transfer_models(build: Build) -> list[Path]:
    return [lane.path for lane in _lanes(build)]


def _lanes(build: Build) -> list[Lane]:
    return find_lanes(build.models, build.recipe.name, build.tiers, Seals.of_build(build.root))


def _verify_inputs(build: Build) -> list[Path]:
    weights = build.recipe.verify.perceptual_weights
    return [*_transfer_models(build), *([Path(weights)] if weights else [])]


def _verify_params(build: Build) -> dict[str, Any]:
    return {
        "verify": build.recipe.verify.model_dump(mode="json"),
        "set_sha256": build.evaluation_set.sha256,
        "styles": styles_sha256(build),
        "versions": versions(),
        "machine": machine_fingerprint(),
    }


def evaluation_pairs(build: Build) -> list[EvaluationPair]:
    """The pictures that fidelity is judged on, each with a style that calibrated nothing."""
    from iast_export.lanes.verify import EvaluationPair

    held_out = [style for style in build.styles if style.held_out]
    return [
        EvaluationPair(
            content=name,
            style=held_out[i % len(held_out)].id,
            rgb=rgb,
            feeds=feeds_of(held_out[i % len(held_out)], build.network.code_shapes),
            statistics=held_out[i % len(held_out)].statistics,
        )
        for i, (name, rgb) in enumerate(build.evaluation_pictures())
    ]


def build_scorers(build: Build) -> Scorers:
    """The judges with weights that the recipe names."""
    from iast_export.lanes.verify import Scorers
    from iast_export.metrics.perceptual import open_perceptual

    weights = build.recipe.verify.perceptual_weights
    return Scorers(perceptual=open_perceptual(Path(weights)) if weights else None)


def _verify(build: Build) -> list[Path]:
    from iast_export.lanes.verify import verify

    pairs = evaluation_pairs(build)
    lanes = _lanes(build)
    facts = SetFacts(
        name=build.evaluation_set.name, sha256=build.evaluation_set.sha256, images=len(pairs)
    )
    path = build.root / VERIFY_PATH
    scorers = build_scorers(build)
    verify(
        lanes,
        pairs,
        facts,
        multiple_px=build.network.size_multiple_px,
        scorers=scorers,
        threads=usable_cores(),
        progress=build.progress,
    ).save(path)
    return [path]


def _bench_params(build: Build) -> dict[str, Any]:
    return {
        "benchmark": build.recipe.benchmark.model_dump(mode="json"),
        "machine": machine_fingerprint(),
        "versions": versions(),
    }


def _bench(build: Build) -> list[Path]:
    from iast_export.lanes.benchmark import BenchmarkOptions, benchmark

    lanes = _lanes(build)
    _, picture = build.evaluation_pictures()[0]
    chosen = build.recipe.benchmark
    options = BenchmarkOptions(threads=chosen.threads, warmup=chosen.warmup, blocks=chosen.blocks)
    feeds = feeds_of(build.styles[0], build.network.code_shapes)
    path = build.root / BENCHMARK_PATH
    benchmark(lanes, picture, feeds, options, build.progress).save(path)
    return [path]


def _bundle_inputs(build: Build) -> list[Path]:
    names = [row[0] for row in bundle.model_paths(build.recipe.name, build.tiers)]
    own = build.facts.landmarks
    models = [*(build.models / name for name in names), *([own] if own else [])]
    return [*models, *(build.root / name for name in _REPORTS)]


def _bundle(build: Build) -> list[Path]:
    from iast_export.pages import write_html

    facts = build.facts
    styles = bundle.write_styles(build.root, build.styles, facts.network.code_shapes)
    _, picture = build.evaluation_pictures()[0]
    styles += bundle.write_thumbnails(build.root, facts, picture, build.progress)
    styles += bundle.write_landmarks(build.root, facts)
    golden, pictures = bundle.write_goldens(build.root, facts, picture, build.progress)
    manifest = bundle.write_manifest(build.root, facts, golden)
    return [*styles, *pictures, manifest, write_html(build.root)]


STAGES: tuple[Stage, ...] = (
    Stage("export", _export_params, _checkpoint_inputs, _export),
    Stage("convert", _export_params, _checkpoint_inputs, _convert),
    Stage(
        "calibrate", _calibrate_params, lambda b: [*_onnx_fp32(b), _tflite(b, "fp32")], _calibrate
    ),
    Stage(
        "quantize",
        _quantize_params,
        lambda b: [*_onnx_fp32(b), _tflite(b, "fp32"), *_ranges_paths(b), factors_path(b)],
        _quantize,
    ),
    Stage("verify", _verify_params, _verify_inputs, _verify),
    Stage("bench", _bench_params, _transfer_models, _bench),
    Stage("bundle", _verify_params, _bundle_inputs, _bundle),
)
STAGE_NAMES: tuple[str, ...] = tuple(stage.name for stage in STAGES)
