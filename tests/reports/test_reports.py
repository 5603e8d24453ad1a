"""Reports and manifest: they survive the way to disk and back, and damaged ones are refused."""

from __future__ import annotations

import copy
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from iast_export.errors import InputError
from iast_export.files.artifacts import write_json
from iast_export.files.paths import inside
from iast_export.reports import base
from iast_export.reports.base import Report
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.manifest import Manifest, load_manifest, manifest_schema
from iast_export.reports.verify import VerifyReport

SHA = "0" * 64
SCORES = {"ssim_content": 0.5, "style_distance": 1.0, "lpips_content": None, "identity": None}
VERIFY: dict[str, Any] = {
    "schema_version": 2,
    "styles": {"b": SHA},
    "set": {"name": "evaluation", "sha256": SHA, "images": 8},
    "rows": [
        {
            "runtime": "litert",
            "precision": "int8",
            "tier": "d4-256px",
            "sha256": SHA,
            "reference_sha256": SHA,
            "images": 8,
            "psnr_db": {"mean": 41.0, "p5": 36.5},
            "ssim": {"mean": 0.99, "p5": 0.97},
            "drop": {
                "ssim_content": 0.01,
                "style_distance": -0.002,
                "lpips_content": None,
                "identity": None,
            },
            "not_judged": {"lpips_content": "no weights", "identity": "no faces in the set"},
            "pairs": [
                {"content": "a", "style": "b", "width_px": 256, "height_px": 171, "psnr_db": 41.0}
                | {"ssim": 0.99, "scores": SCORES, "reference": SCORES}
            ],
        }
    ],
}
BENCHMARK: dict[str, Any] = {
    "schema_version": 2,
    "machine": {"cpu": "x", "cores": 2, "flags": ["avx2"]},
    "versions": {"onnxruntime": "1.0"},
    "rows": [
        {
            "runtime": "onnxruntime",
            "precision": "int8",
            "tier": "d4-256px",
            "sha256": SHA,
            "threads": 1,
            "median_ms": 5.5,
            "p90_ms": None,
            "samples_ms": [5.4, 5.5, 5.6],
            "warmup_ms": [9.0],
            "ratio_to_fp32": {"value": 3.0, "low": 2.9, "high": 3.1},
            "peak_rss_bytes": 1000,
            "file_bytes": 2000,
        }
    ],
}
MANIFEST: dict[str, Any] = {
    "schema_version": 1,
    "name": "iast",
    "created_by": "iast-export 0.1.0",
    "network": {
        "name": "iast",
        "code_shapes": {"style_code": [1, 960], "strength": [1, 1]},
        "size_multiple_px": 4,
    },
    "tiers": [
        {"id": "d4-256px", "depth": 4, "max_side_px": 256, "shape_px": [256, 256]},
        {"id": "d1-1024px", "depth": 1, "max_side_px": 1024, "shape_px": [1024, 1024]},
    ],
    "files": [
        {
            "path": "models/iast-int8.tflite",
            "bytes": 10,
            "sha256": SHA,
            "runtime": "litert",
            "precision": "int8",
            "role": "transfer",
            "signatures": ["d4_256px", "d1_1024px"],
            "tier": None,
        }
    ],
    "io": [
        {
            "path": "models/iast-int8.tflite",
            "signature": "d4_256px",
            "direction": "input",
            "name": "content",
            "dtype": "int8",
            "layout": "NHWC",
            "shape": [1, 256, "W", 3],
            "scale": 0.00392,
            "zero_point": -128,
            "value_range": [0.0, 1.0],
        }
    ],
    "preprocess": {"size_multiple_px": 4, "style_side_px": 256},
    "postprocess": {},
    "styles": [{"id": "ink", "category": "ink wash", "path": "styles/ink.f32", "sha256": SHA}],
    "golden": [
        {
            "tier": "d4-256px",
            "content": "golden/a.png",
            "style": "ink",
            "strength": 1.0,
            "outputs": {"litert-int8": "golden/a-litert-int8.png"},
            "tolerance_levels": {"litert": 1},
            "sha256": {"golden/a.png": SHA, "golden/a-litert-int8.png": SHA},
        }
    ],
    "source": {
        "network": "iast_export.checkpoint:packaged_network",
        "checkpoint_sha256": SHA,
        "recipe_sha256": SHA,
        "calibration_set": "default",
        "calibration_set_sha256": SHA,
        "tool": {"versions": {"onnx": "1"}},
    },
    "reports": {"verify": "reports/verify.json"},
}
SAMPLES: dict[type[Report], dict[str, Any]] = {
    VerifyReport: VERIFY,
    BenchmarkReport: BENCHMARK,
    Manifest: MANIFEST,
}


def _set(obj: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """A copy of `obj` with the entry at `place` ("rows.0.images") replaced."""
    changed: Any = copy.deepcopy(obj)
    *parents, last = [int(part) if part.isdigit() else part for part in place.split(".")]
    entry = changed
    for part in parents:
        entry = entry[part]
    entry[last] = value
    result: dict[str, Any] = changed
    return result


@pytest.mark.parametrize("model", SAMPLES)
def test_a_report_survives_the_way_to_disk_and_back_byte_for_byte(
    model: type[Report], tmp_path: Path
) -> None:
    report = model.model_validate(SAMPLES[model])
    report.save(tmp_path / "r.json")
    loaded = model.load(tmp_path / "r.json")
    assert loaded == report
    assert loaded.to_json() == (tmp_path / "r.json").read_bytes()


POSITIVE = st.floats(min_value=1e-300, max_value=1e300)
RATIOS = st.lists(POSITIVE, min_size=3, max_size=3).map(sorted)


@given(st.lists(POSITIVE, min_size=1, max_size=5), RATIOS, st.text(max_size=8))
def test_no_measured_value_is_rounded_on_its_way(
    samples: list[float], ratio: list[float], cpu: str
) -> None:
    changed = _set(BENCHMARK, "rows.0.samples_ms", samples)
    changed = _set(
        changed, "rows.0.ratio_to_fp32", dict(zip(("low", "value", "high"), ratio, strict=True))
    )
    report = BenchmarkReport.model_validate(_set(changed, "machine.cpu", cpu))
    assert BenchmarkReport.model_validate_json(report.to_json(), strict=True) == report


@pytest.mark.parametrize("model", SAMPLES)
def test_a_report_cut_anywhere_is_refused_with_what_to_do(
    model: type[Report], tmp_path: Path
) -> None:
    data = model.model_validate(SAMPLES[model]).to_json()
    for length in (0, 1, len(data) // 2, len(data) - 3):
        (tmp_path / "r.json").write_bytes(data[:length])
        with pytest.raises(InputError, match="make it again"):
            model.load(tmp_path / "r.json")


@pytest.mark.parametrize(
    ("model", "place", "value", "match"),
    [
        (VerifyReport, "rows", [], "rows: "),
        (VerifyReport, "rows.0.images", 0, r"rows\.0\.images: "),
        (VerifyReport, "rows.0.images", "8", r"rows\.0\.images: "),
        (VerifyReport, "rows.0.runtime", "tensorrt", r"rows\.0\.runtime: "),
        (VerifyReport, "rows.0.psnr", 1.0, r"rows\.0\.psnr: Extra"),
        (VerifyReport, "rows.0.pairs", [], r"rows\.0\.pairs: "),
        (VerifyReport, "rows.0.pairs.0.ssim", 1.5, r"pairs\.0\.ssim: "),
        (VerifyReport, "rows.0.pairs.0.psnr_db", 101.0, r"pairs\.0\.psnr_db: "),
        (VerifyReport, "rows.0.not_judged", {"identity": "x"}, "not_judged must explain"),
        (VerifyReport, "set.sha256", "abc", r"set\.sha256: "),
        (BenchmarkReport, "rows.0.samples_ms", [], r"rows\.0\.samples_ms: "),
        (BenchmarkReport, "rows.0.median_ms", 0.0, r"rows\.0\.median_ms: "),
        (BenchmarkReport, "rows.0.ratio_to_fp32.low", 3.5, "outside its interval"),
        (Manifest, "tiers", [], "tiers: "),
        (Manifest, "tiers.1.max_side_px", 256, "rising max_side_px"),
        (Manifest, "tiers.1.id", "d4-256px", "more than once"),
        (Manifest, "golden.0.tier", "d9-9px", "golden tier d9-9px is not in the manifest"),
        (Manifest, "golden.0.style", "oil", "golden style oil is not"),
        (Manifest, "golden.0.strength", 1.5, r"golden\.0\.strength: "),
        (Manifest, "io.0.path", "models/other.tflite", "io path"),
        (Manifest, "files.0.sha256", "A" * 64, r"files\.0\.sha256: "),
        (Manifest, "preprocess.pad_mode", "zero", r"preprocess\.pad_mode: "),
        (Manifest, "extra", 1, "extra: Extra"),
    ],
)
def test_an_altered_report_is_refused_by_the_field(
    model: type[Report], place: str, value: Any, match: str, tmp_path: Path
) -> None:
    write_json(tmp_path / "r.json", _set(SAMPLES[model], place, value))
    with pytest.raises(InputError, match=match) as caught:
        model.load(tmp_path / "r.json")
    assert "make it again with `iast-export" in caught.value.remedy


@pytest.mark.parametrize("version", [0, 3, "1", "2", None, True, 1.0, 2.0])
@pytest.mark.parametrize("model", SAMPLES)
def test_another_schema_version_is_refused(
    model: type[Report], version: Any, tmp_path: Path
) -> None:
    write_json(tmp_path / "r.json", _set(SAMPLES[model], "schema_version", version))
    with pytest.raises(InputError, match=r"schema_version.*this iast-export reads [12]"):
        model.load(tmp_path / "r.json")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_never_enters_a_report(bad: float, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="finite"):
        VerifyReport.model_validate(_set(VERIFY, "rows.0.psnr_db.mean", bad))
    text = json.dumps(_set(VERIFY, "rows.0.psnr_db.mean", bad))
    (tmp_path / "r.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="not a finite number"):
        VerifyReport.load(tmp_path / "r.json")


def test_a_lone_surrogate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(json.dumps(_set(VERIFY, "rows.0.pairs.0.style", "\ud800")))
    with pytest.raises(InputError, match="surrogate"):
        VerifyReport.load(tmp_path / "r.json")


BAD_PATHS = [
    "../x",
    "a/../b",
    "/etc/passwd",
    "a//b",
    "",
    ".",
    "..",
    "a/.",
    "a\\b",
    "C:x",
    "a/",
    "a\nb",
    "./a",
]


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.parametrize(
    "place",
    ["files.0.path", "styles.0.path", "golden.0.content", "golden.0.outputs.x", "reports.x"],
)
def test_a_path_that_leaves_the_bundle_is_refused(place: str, path: str, tmp_path: Path) -> None:
    write_json(tmp_path / "manifest.json", _set(MANIFEST, place, path))
    with pytest.raises(InputError, match="relative path inside the bundle"):
        load_manifest(tmp_path)


@given(st.text(alphabet="ab./\\:\n", max_size=6))
def test_the_published_pattern_refuses_the_same_paths_as_the_code(path: str) -> None:
    try:
        accepted = inside(path) == path
    except ValueError:
        accepted = False
    assert accepted == bool(re.search(base._PATH_PATTERN.replace("$", r"\Z"), path))


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a bundle.*\n.*iast-export build --out"):
        load_manifest(tmp_path)


def test_the_published_schema_is_the_models() -> None:
    published = resources.files("iast_export") / "data" / "manifest.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == json.loads(
        json.dumps(manifest_schema())
    )


def test_the_schema_requires_every_field_that_a_manifest_writes() -> None:
    schema = manifest_schema()
    written = json.loads(Manifest.model_validate(MANIFEST).to_json())
    assert set(schema["required"]) == set(written) == set(schema["properties"])
    assert set(schema["$defs"]["FileEntry"]["required"]) == set(written["files"][0])
    assert schema["additionalProperties"] is False


def test_a_report_cannot_be_changed() -> None:
    report = VerifyReport.model_validate(VERIFY)
    with pytest.raises(ValidationError, match="frozen"):
        report.rows = ()  # type: ignore[misc]
