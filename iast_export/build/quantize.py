"""`quantize`: INT8 in both runtimes, FP16 and dynamic INT8 in LiteRT, and a report on them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from iast_export.build.about import about_of, about_params
from iast_export.build.fallback import in_float, load_fallback
from iast_export.build.learn import load_learned
from iast_export.build.request import Build
from iast_export.build.shapes import prove_shapes
from iast_export.build.stage import Stage
from iast_export.build.statistics import prove_statistics
from iast_export.bundle.about import describe_onnx, describe_tflite
from iast_export.environment import versions
from iast_export.files.artifacts import sha256_file, write_atomic
from iast_export.formats.dispatch import merge_dispatch
from iast_export.formats.onnx_graph import load_model
from iast_export.forms import half_safe, noted, row_bands
from iast_export.quantize.calibrate import pictures_at
from iast_export.quantize.litert.delegation import delegation
from iast_export.quantize.litert.static import LiteRtQuantizeSummary, quantize_litert
from iast_export.quantize.onnx.qdq import quantize_onnx
from iast_export.reports.base import QUANTIZE_PATH, SetFacts
from iast_export.reports.quantize import CalibratedOn, QuantizeReport
from iast_export.shapes.lifted import write_lifted
from iast_export.shapes.table import write_table
from iast_export.specs import PRECISIONS, Precision, Runtime, Tier

_MADE = tuple(one for one in PRECISIONS if one != "fp32")


def _params(build: Build) -> dict[str, Any]:
    left = {f"{runtime}/{tier}": names for (runtime, tier), names in in_float(build).items()}
    chosen = build.recipe.quantize.model_dump(mode="json", exclude={"fallback"})
    return {"quantize": chosen, "in_float": left, "versions": versions(), **about_params(build)}


def _inputs(build: Build) -> list[Path]:
    layout, tiers = build.layout, build.tiers
    found = [*layout.all_prepared(tiers), *layout.all_ranges(tiers), layout.learned]
    return [*build.fp32_files, *found]


def _outputs(build: Build) -> list[Path]:
    layout = build.layout
    tiers = [layout.onnx(tier, "int8") for tier in build.tiers]
    made = [layout.tflite(precision) for precision in _MADE]
    return [*tiers, layout.dispatch("int8"), *made, *layout.tables(), build.root / QUANTIZE_PATH]


def _run(build: Build) -> None:
    rows, found = [*_quantize_onnx(build), *_quantize_litert(build)], build.calibration_set
    QuantizeReport.model_validate(
        {
            "method": build.recipe.calibration.method,
            "set": SetFacts(name=found.name, sha256=found.sha256, images=len(found)),
            "calibrated": _calibrated_on(build),
            "fallback": load_fallback(build),
            "rows": tuple(rows),
        }
    ).save(build.root / QUANTIZE_PATH)


def _quantize_onnx(build: Build) -> list[dict[str, Any]]:
    layout, learned, rows = build.layout, load_learned(build, "onnxruntime"), []
    dispatch, about = layout.dispatch("int8"), about_of(build)
    paths = [layout.onnx(tier, "int8") for tier in build.tiers]
    for i, (tier, path) in enumerate(zip(build.tiers, paths, strict=True)):
        build.progress("quantize ONNX", i, len(build.tiers))
        left = in_float(build).get(("onnxruntime", tier.id), ())
        made = quantize_onnx(layout.prepared("onnxruntime", tier), learned[tier], path, left)
        describe_onnx(path, about, "transfer", "int8")
        row = _row(build, path, "onnxruntime", "int8", tier, made.quantized_ops, made.islands)
        rows.append({**row, "rewrites": noted(load_model(layout.onnx(tier, "fp32")))})
    build.progress("quantize ONNX", len(build.tiers), len(build.tiers))
    merge_dispatch(list(zip(build.tiers, paths, strict=True)), dispatch)
    describe_onnx(dispatch, about, "dispatch", "int8")
    return rows


def _quantize_litert(build: Build) -> list[dict[str, Any]]:
    layout, edges, rows = build.layout, build.recipe.quantize.edges, []
    learned = {tier.signature: one for tier, one in load_learned(build, "litert").items()}
    for i, precision in enumerate(_MADE):
        build.progress("quantize LiteRT", i, len(_MADE))
        path = layout.tflite(precision)
        if precision == "int8":
            prepared = layout.prepared("litert", build.tiers[0])
            left = {
                name
                for (runtime, _), names in in_float(build).items()
                for name in (names if runtime == "litert" else ())
            }
            made = quantize_litert(prepared, precision, learned, path, edges, left)
        else:
            given = learned if precision == "fp16" else None
            made = quantize_litert(layout.tflite("fp32"), precision, given, path)
        describe_tflite(path, about_of(build), "transfer", precision)
        counts = sum((Counter(ops) for ops in made.quantized_ops.values()), Counter[str]())
        islands = [f"{name}: {reason}" for name, reason in sorted(made.islands.items())]
        taken = delegation(path)
        rows.append(
            {
                **_row(build, path, "litert", precision, None, counts, islands),
                "delegated": {k: one.operators - len(one.not_taken) for k, one in taken.items()},
                "not_delegated": {k: tuple(one.not_taken) for k, one in taken.items()},
                "rewrites": _rewrites(made),
            }
        )
    build.progress("quantize LiteRT", len(_MADE), len(_MADE))
    _write_shapes(build)
    return rows


def _rewrites(made: LiteRtQuantizeSummary) -> dict[str, int]:
    places = {half_safe.NAME: made.half_safe, row_bands.NAME: made.row_bands}
    return {name: count for name, count in places.items() if count}


def _write_shapes(build: Build) -> None:
    models = [build.layout.tflite(precision) for precision in PRECISIONS]
    tables = prove_shapes(build.network, build.tiers, models, build.progress, build.once)
    lifted = prove_statistics(
        build.network,
        build.tiers,
        {tier: build.layout.onnx(tier, "fp32") for tier in build.tiers},
        list(zip(models, tables, strict=True)),
        build.progress,
        build.once,
    )
    for model, table, statistics in zip(models, tables, lifted, strict=True):
        write_atomic(build.layout.shapes(model), write_table(table))
        write_atomic(build.layout.statistics(model), write_lifted(statistics))


def _row(
    build: Build,
    path: Path,
    runtime: Runtime,
    precision: Precision,
    tier: Tier | None,
    ops: Any,
    islands: Any,
) -> dict[str, Any]:
    return {
        "path": build.layout.relative(path),
        "sha256": sha256_file(path),
        "runtime": runtime,
        "precision": precision,
        "tier": tier.id if tier else None,
        "quantized_ops": dict(sorted(ops.items())),
        "islands": tuple(islands),
    }


def _calibrated_on(build: Build) -> CalibratedOn:
    found, most = build.calibration_set, build.recipe.calibration.max_pairs
    used = {tier.id: pictures_at(tier, most, len(found)) for tier in build.tiers}
    return CalibratedOn(found=found.found or len(found), used=used, skipped=dict(found.skipped))


STAGE = Stage("quantize", _params, _inputs, _outputs, _run)
