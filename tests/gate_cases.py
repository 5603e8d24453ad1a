"""A small, consistent bundle with reports made up by hand, for the gate and the report pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from iast_export.artifacts import read_json, sha256_bytes, sha256_file, write_json
from iast_export.environment import machine_fingerprint
from iast_export.images import save_png
from iast_export.reports import BenchmarkReport, Manifest, VerifyReport

TIERS = {"d2-256px": (2, 256), "d1-512px": (1, 512)}
LANES = [("onnxruntime", "fp32"), ("onnxruntime", "int8"), ("litert", "fp32"), ("litert", "int8")]
RATIO = {"value": 3.0, "low": 2.9, "high": 3.1}
SAMPLES = [9.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 11.0]
Row = dict[str, Any]


def make_bundle(folder: Path) -> Path:
    """A bundle that passes the packaged rules against its own baseline."""
    files = []
    for runtime, precision in LANES:
        for tier in TIERS if runtime == "onnxruntime" else [None]:
            name = f"models/{runtime}-{precision}{f'-{tier}' if tier else ''}.bin"
            files.append(_file(folder, name, runtime, precision, tier))
    style = b"\0" * 16
    (folder / "styles").mkdir()
    (folder / "styles" / "ink.f32").write_bytes(style)
    for name in ("content", "int8"):
        save_png(folder / "golden" / f"{name}.png", np.full((24, 600, 3), 90, np.uint8))
    golden = {
        f"golden/{name}.png": sha256_file(folder / "golden" / f"{name}.png") for name in ("content", "int8")
    }
    manifest = _manifest(files, sha256_bytes(style), golden)
    Manifest.model_validate(manifest).save(folder / "manifest.json")
    sizes = {(entry["runtime"], entry["precision"], entry["tier"]): entry["bytes"] for entry in files}
    VerifyReport.model_validate(_verify()).save(folder / "reports" / "verify.json")
    BenchmarkReport.model_validate(_benchmark(sizes)).save(folder / "reports" / "benchmark.json")
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


def _file(folder: Path, name: str, runtime: str, precision: str, tier: str | None) -> Row:
    data = f"{name} ".encode() * (40 if precision == "fp32" else 10)
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {
        "path": name,
        "bytes": len(data),
        "sha256": sha256_bytes(data),
        "runtime": runtime,
        "precision": precision,
        "role": "transfer",
        "signatures": [tier_id.replace("-", "_") for tier_id in TIERS] if tier is None else [],
        "tier": tier,
    }


def _manifest(files: list[Row], style_sha256: str, golden_sha256: dict[str, str]) -> Row:
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
        "io": [],
        "preprocess": {"size_multiple_px": 4, "style_side_px": 256},
        "postprocess": {},
        "styles": [{"id": "ink", "category": "ink wash", "path": "styles/ink.f32", "sha256": style_sha256}],
        "golden": [
            {
                "tier": "d1-512px",
                "content": "golden/content.png",
                "style": "ink",
                "strength": 1.0,
                "outputs": {"litert-int8": "golden/int8.png"},
                "tolerance_levels": {"litert": 1},
                "sha256": golden_sha256,
            }
        ],
        "source": {
            "network": "small:factory",
            "checkpoint_sha256": None,
            "recipe_sha256": "1" * 64,
            "calibration_set": "default",
            "calibration_set_sha256": "2" * 64,
            "tool": {"versions": {}},
        },
        "reports": {"verify": "reports/verify.json", "benchmark": "reports/benchmark.json"},
    }


def _verify() -> Row:
    rows = []
    for tier in TIERS:
        for runtime, precision in LANES[1:]:
            psnr, ssim = (70.0, 0.9999) if precision == "fp32" else (40.0, 0.98)
            row = {"runtime": runtime, "precision": precision, "tier": tier}
            own_shape = _figures(psnr - 3.0, ssim, (256, 171))
            rows.append(row | _figures(psnr, ssim, (256, 256)) | {"own_shape": own_shape})
    return {"set": {"name": "evaluation", "sha256": "3" * 64, "images": 3}, "rows": rows}


def _figures(psnr: float, ssim: float, size: tuple[int, int]) -> Row:
    shown = {"style": "ink", "width_px": size[0], "height_px": size[1], "ssim": ssim}
    return {
        "images": 3,
        "psnr_db": {"mean": psnr, "p5": psnr - 2.0},
        "ssim": {"mean": ssim, "p5": ssim},
        "drop": {"ssim_content": 0.001, "style_distance": -0.002},
        "not_judged": {"lpips_content": "no weights", "identity": "no model"},
        "pairs": [
            {"content": f"photo{i}", "psnr_db": psnr + step} | shown
            for i, step in enumerate((-2.0, 0.0, 2.0))
        ],
    }


def _benchmark(sizes: dict[tuple[str, str, str | None], int]) -> Row:
    rows = []
    for tier in TIERS:
        for runtime, precision in LANES:
            scale = 3.0 if precision == "fp32" else 1.0
            rows.append(
                {
                    "runtime": runtime,
                    "precision": precision,
                    "tier": tier,
                    "threads": 1,
                    "median_ms": 10.0 * scale,
                    "samples_ms": [sample * scale for sample in SAMPLES],
                    "ratio_to_fp32": None if precision == "fp32" else RATIO,
                    "peak_rss_bytes": 100_000_000,
                    "file_bytes": sizes[runtime, precision, tier if runtime == "onnxruntime" else None],
                }
            )
    return {"machine": machine_fingerprint(), "versions": {"onnxruntime": "1.0"}, "rows": rows}
