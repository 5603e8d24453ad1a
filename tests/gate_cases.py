"""A small, consistent bundle with reports made up by hand, for the gate and the report pages."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from iast_export.environment import machine_fingerprint
from iast_export.files.artifacts import read_json, sha256_bytes, sha256_file, write_json
from iast_export.lanes.four_thirds import four_thirds, four_thirds_of
from iast_export.lanes.timing import Samples, ratio_interval
from iast_export.pictures.images import save_png
from iast_export.reports.base import REPORT_PATHS
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.convert import ConvertReport
from iast_export.reports.manifest import Manifest
from iast_export.reports.quantize import QuantizeReport
from iast_export.reports.verify import VerifyReport
from iast_export.specs import GOLDEN_LANES, Tier
from tests.gate_models import onnx_encoder, onnx_file, tflite_encoder, tflite_file

TIERS = {"d2-256px": (2, 256), "d1-512px": (1, 512)}
LANES = [
    ("onnxruntime", "fp32"),
    ("onnxruntime", "int8"),
    ("litert", "fp32"),
    ("litert", "fp16"),
    ("litert", "dynamic_int8"),
    ("litert", "int8"),
]
BLOCKS = 5
SPEED = {"fp32": 1.0, "fp16": 1.1, "dynamic_int8": 1.6, "int8": 3.0}
FIDELITY = {
    "fp32": (70.0, 0.9999),
    "fp16": (60.0, 0.999),
    "dynamic_int8": (43.0, 0.985),
    "int8": (40.0, 0.98),
}
REFERENCE = {"ssim_content": 0.5, "style_distance": 1.0, "lpips_content": None, "identity": None}
DROPS = (0.001, -0.002)
Row = dict[str, Any]


def make_bundle(folder: Path) -> Path:
    """A bundle that passes the packaged rules against its own baseline."""
    files = [_file(folder, *one) for one in _models()]
    sides = {tier: side for tier, (_, side) in TIERS.items()}
    style = np.linspace(0.0, 1.0, 4, dtype="<f4").tobytes()
    (folder / "styles").mkdir()
    (folder / "styles" / "ink.f32").write_bytes(style)
    golden = [_golden(folder, tier, side) for tier, side in sides.items()]
    manifest = _manifest(files, _io(files), sha256_bytes(style), golden)
    Manifest.model_validate(manifest).save(folder / "manifest.json")
    lanes = {
        (entry["runtime"], entry["precision"], entry["tier"]): entry
        for entry in files
        if _is_lane(entry)
    }
    VerifyReport.model_validate(_verify(lanes, sha256_bytes(style))).save(
        folder / REPORT_PATHS["verify"]
    )
    BenchmarkReport.model_validate(_benchmark(lanes)).save(folder / REPORT_PATHS["benchmark"])
    QuantizeReport.model_validate(_quantize(files)).save(folder / REPORT_PATHS["quantize"])
    ConvertReport.model_validate(_convert(files)).save(folder / REPORT_PATHS["convert"])
    (folder / REPORT_PATHS["html"]).write_text("<!doctype html>")
    return folder


def alter(folder: Path, report: str, row: int, **values: Any) -> None:
    """Changes fields of one row of a report; `a__b` means field b of a."""
    path = folder / "reports" / f"{report}.json"
    raw = read_json(path)
    for place, value in values.items():
        *parents, last = place.split("__")
        entry = raw["rows"][row]
        for part in parents:
            entry = entry[part]
        entry[last] = value
    write_json(path, raw)


def row_of(folder: Path, report: str, runtime: str, precision: str, tier: str = "d2-256px") -> int:
    """Place of a row in a report."""
    rows = read_json(folder / "reports" / f"{report}.json")["rows"]
    keys = [(row["runtime"], row["precision"], row["tier"]) for row in rows]
    return keys.index((runtime, precision, tier))


def retime(folder: Path, ratios: Sequence[float], precision: str = "int8", **values: Any) -> None:
    """Gives a LiteRT lane the samples that make it so many times as fast as FP32, block by
    block."""
    path = folder / REPORT_PATHS["benchmark"]
    raw = read_json(path)
    rows = {(row["runtime"], row["precision"], row["tier"]): row for row in raw["rows"]}
    row, base = rows["litert", precision, "d2-256px"], rows["litert", "fp32", "d2-256px"]
    row |= times(base["samples_ms"], ratios) | values
    row["four_thirds"] = shaped(row["samples_ms"], "d2-256px") if precision == "int8" else None
    write_json(path, raw)


def times(base_ms: Sequence[float], ratios: Sequence[float]) -> Row:
    """Figures of a lane whose blocks are so many times as fast as FP32's."""
    base = _blocks(base_ms)
    own = [
        (a / r * 1.01, (a + b) / r - a / r * 1.01) for (a, b), r in zip(base, ratios, strict=False)
    ]
    samples = [sample for block in own for sample in block]
    return {"samples_ms": samples, "median_ms": statistics.median(samples), "p90_ms": None} | {
        "ratio_to_fp32": _ratio(base[: len(own)], own) if len(own) == len(base) else None
    }


def shaped(samples_ms: Sequence[float], tier: str, share: float = 1.02) -> Row:
    """Figures of a 4:3 picture, a pixel of which takes about so many times as long."""
    side_px = int(tier.rpartition("-")[2].removesuffix("px"))
    size = four_thirds_of(Tier(1, side_px), 4)
    assert size is not None
    pixels = size[0] * size[1] / side_px**2
    own = [ms * share * pixels * (1 + 0.001 * i) for i, ms in enumerate(samples_ms[:4])]
    square, wide = (Samples((), tuple(_blocks(one))) for one in (samples_ms, own))
    return four_thirds(square, wide, Tier(1, side_px), size).model_dump(mode="json")


def fidelity(
    psnrs: Sequence[float],
    ssim: float,
    drops: tuple[float, float] = DROPS,
    size: tuple[int, int] = (256, 256),
) -> Row:
    """Figures of a lane with these PSNRs and relative drops of SSIM to the photograph and style
    distance."""
    scores = {
        **REFERENCE,
        "ssim_content": REFERENCE["ssim_content"] * (1.0 - drops[0]),
        "style_distance": REFERENCE["style_distance"] * (1.0 + drops[1]),
    }
    pairs = [
        {
            "content": f"photo{i}",
            "style": "ink",
            "width_px": size[0],
            "height_px": size[1],
            "psnr_db": psnr,
        }
        | {"ssim": ssim, "scores": scores, "reference": REFERENCE}
        for i, psnr in enumerate(psnrs)
    ]
    return {
        "images": len(psnrs),
        "psnr_db": {"mean": statistics.fmean(psnrs), "p5": min(psnrs)},
        "ssim": {"mean": ssim, "p5": ssim},
        "drop": {"ssim_content": drops[0], "style_distance": drops[1]},
        "pairs": pairs,
    }


def _models() -> list[tuple[str, bytes, str, str, str, str | None]]:
    """Path, bytes, runtime, precision, role and tier of every model."""
    sides = {tier: side for tier, (_, side) in TIERS.items()}
    found: list[tuple[str, bytes, str, str, str, str | None]] = []
    for runtime, precision in LANES:
        for tier in TIERS if runtime == "onnxruntime" else [None]:
            name = f"models/{runtime}-{precision}{f'-{tier}' if tier else ''}.bin"
            data = (
                onnx_file(integers=precision == "int8") if tier else tflite_file(precision, sides)
            )
            # Bytes behind a TFLite file's end and unknown ONNX fields are the runtimes' own to
            # ignore.
            found.append(
                (
                    name,
                    data + (_unlike(tier) if tier else b""),
                    runtime,
                    precision,
                    "transfer",
                    tier,
                )
            )
    found.append(
        ("models/encoder.onnx", onnx_encoder(), "onnxruntime", "fp32", "style_encoder", None)
    )
    found.append(
        ("models/encoder.tflite", tflite_encoder(), "litert", "fp32", "style_encoder", None)
    )
    return found


def _unlike(tier: str) -> bytes:
    """A protobuf field that makes the files of two tiers differ."""
    return b"\xa2\x1f" + bytes([len(tier)]) + tier.encode()


def _is_lane(entry: Row) -> bool:
    return bool(entry["role"] == "transfer")


def _file(
    folder: Path, name: str, data: bytes, runtime: str, precision: str, role: str, tier: str | None
) -> Row:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    keys = (
        [tier_id.replace("-", "_") for tier_id in TIERS]
        if role == "transfer"
        else ["style_encoder"]
    )
    return {
        "path": name,
        "bytes": len(data),
        "sha256": sha256_bytes(data),
        "runtime": runtime,
        "precision": precision,
        "role": role,
        "signatures": keys if runtime == "litert" else [],
        "tier": tier,
    }


def _io(files: list[Row]) -> list[Row]:
    rows = []
    for entry in files:
        for signature in entry["signatures"] or [None]:
            lite = signature is not None
            side: int | str = (
                int(signature.partition("_")[2][:-2]) if lite and _is_lane(entry) else 256
            )
            height, width = ("height", "width") if not lite and _is_lane(entry) else (side, side)
            picture = [1, height, width, 3] if lite else [1, 3, height, width]
            code = ("style_code", [1, 4], "NC", None)
            image, layout = [0.0, 1.0], "NHWC" if lite else "NCHW"
            if _is_lane(entry):
                inputs = [("input", "content", picture, layout, image), ("input", *code)]
                edges = [*inputs, ("output", "stylized", picture, layout, image)]
            else:
                edges = [("input", "style", picture, layout, image), ("output", *code)]
            rows += [
                {
                    "path": entry["path"],
                    "signature": signature,
                    "direction": direction,
                    "name": name,
                }
                | {"dtype": "float32", "layout": kind, "shape": shape, "value_range": between}
                for direction, name, shape, kind, between in edges
            ]
    return rows


def _golden(folder: Path, tier: str, side: int) -> Row:
    lanes = [f"{runtime}-{precision}" for runtime, precision in GOLDEN_LANES]
    names = {lane: f"golden/{tier}-{lane}.png" for lane in lanes}
    content = f"golden/{tier}-content.png"
    for i, name in enumerate((content, *names.values())):
        save_png(folder / name, np.full((24, side, 3), 90 + i, np.uint8))
    return {
        "tier": tier,
        "content": content,
        "style": "ink",
        "strength": 1.0,
        "outputs": names,
        "tolerance_levels": {"litert": 8, "onnxruntime": 4},
        "sha256": {name: sha256_file(folder / name) for name in (content, *names.values())},
    }


def _manifest(files: list[Row], io: list[Row], style_sha256: str, golden: list[Row]) -> Row:
    return {
        "schema_version": 1,
        "name": "small",
        "created_by": "iast-export test",
        "network": {"name": "Small", "code_shapes": {"style_code": [1, 4]}, "size_multiple_px": 4},
        "tiers": [
            {"id": name, "depth": depth, "max_side_px": side, "shape_px": [side, side]}
            for name, (depth, side) in TIERS.items()
        ],
        "files": files,
        "io": io,
        "preprocess": {"size_multiple_px": 4, "style_side_px": 256},
        "postprocess": {},
        "styles": [
            {"id": "ink", "category": "ink wash", "path": "styles/ink.f32", "sha256": style_sha256}
        ],
        "golden": golden,
        "source": {
            "network": "small:factory",
            "checkpoint_sha256": None,
            "recipe_sha256": "1" * 64,
            "calibration_set": "default",
            "calibration_set_sha256": "2" * 64,
            "tool": {"versions": {}},
        },
        "reports": REPORT_PATHS,
    }


def _verify(lanes: dict[tuple[str, str, str | None], Row], style_sha256: str) -> Row:
    rows = []
    for tier in TIERS:
        for runtime, precision in LANES[1:]:
            psnr, ssim = FIDELITY[precision]
            psnr += 0.1 if runtime == "litert" else 0.0
            not_judged = {"lpips_content": "no weights", "identity": "no model"}
            shaped = fidelity([psnr - 5.0, psnr - 3.0, psnr - 1.0], ssim, size=(256, 171))
            rows.append(
                {
                    "runtime": runtime,
                    "precision": precision,
                    "tier": tier,
                    "sha256": lanes[runtime, precision, _of(runtime, tier)]["sha256"],
                    "reference_sha256": lanes["onnxruntime", "fp32", tier]["sha256"],
                    "not_judged": not_judged,
                    "own_shape": {**shaped, "not_judged": not_judged},
                    **fidelity([psnr - 2.0, psnr, psnr + 2.0], ssim),
                }
            )
    facts = {"name": "evaluation", "sha256": "3" * 64, "images": 3}
    return {"set": facts, "styles": {"ink": style_sha256}, "rows": rows}


def _benchmark(lanes: dict[tuple[str, str, str | None], Row]) -> Row:
    rows = []
    for i, tier in enumerate(TIERS):
        for j, (runtime, precision) in enumerate(LANES):
            base = _jitter(
                30.0 + 3.0 * i + (1.0 if runtime == "litert" else 0.0), seed=7 * i + (j > 1)
            )
            ratios = [SPEED[precision] * (1.0 + 0.01 * k) for k in (-2, -1, 0, 1, 2)]
            found = times(base, ratios)
            if precision == "fp32":
                found = {
                    "samples_ms": base,
                    "median_ms": statistics.median(base),
                    "ratio_to_fp32": None,
                }
            entry = lanes[runtime, precision, _of(runtime, tier)]
            if precision in ("fp32", "int8"):
                found["four_thirds"] = shaped(found["samples_ms"], tier)
            rows.append(
                {
                    "runtime": runtime,
                    "precision": precision,
                    "tier": tier,
                    "sha256": entry["sha256"],
                    "threads": 1,
                    "peak_rss_bytes": 100_000_000,
                    "file_bytes": entry["bytes"],
                    **found,
                }
            )
    return {"machine": machine_fingerprint(), "versions": {"onnxruntime": "1.0"}, "rows": rows}


def _of(runtime: str, tier: str) -> str | None:
    return tier if runtime == "onnxruntime" else None


def _jitter(around_ms: float, seed: int) -> list[float]:
    return [around_ms * (1.0 + 0.001 * ((37 * (k + seed)) % 11)) for k in range(2 * BLOCKS)]


def _blocks(samples: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(samples[::2], samples[1::2], strict=True))


def _ratio(base: Sequence[tuple[float, float]], own: Sequence[tuple[float, float]]) -> Row:
    found = ratio_interval(Samples((), tuple(base)), Samples((), tuple(own)))
    return {"value": found.value, "low": found.low, "high": found.high}


def _quantize(files: list[Row]) -> Row:
    rows = [
        {"path": entry["path"], "sha256": entry["sha256"], "runtime": entry["runtime"]}
        | {"precision": entry["precision"], "tier": entry["tier"]}
        | {"quantized_ops": {"CONV_2D": 12} if entry["precision"] == "int8" else {}}
        for entry in files
        if entry["precision"] != "fp32"
    ]
    return {
        "method": "minmax",
        "set": {"name": "default", "sha256": "2" * 64, "images": 8},
        "rows": rows,
    }


def _convert(files: list[Row]) -> Row:
    rows = [
        {
            "path": entry["path"],
            "sha256": entry["sha256"],
            "precision": "fp32",
            "role": entry["role"],
        }
        | {"signatures": entry["signatures"], "file_bytes": entry["bytes"]}
        | {"unique_bytes": 1500, "shared_bytes": 500, "parity": {entry["signatures"][0]: 2e-6}}
        for entry in files
        if (entry["runtime"], entry["precision"]) == ("litert", "fp32")
    ]
    return {"rows": rows}
