"""What a manifest promises an app: tiers, lanes, fixed facts, golden pictures, codes, reports."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iast_export.files.artifacts import read_json
from iast_export.gate.contract import check_contract
from iast_export.pictures.images import encode_png
from iast_export.reports.manifest import Manifest, load_manifest
from iast_export.reports.verdict import Check
from tests.gate_cases import make_bundle

Change = Callable[[dict[str, Any]], object]
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def data(bundle: Path) -> Files:
    """Styles and golden pictures by path."""
    paths = [*(bundle / "styles").iterdir(), *(bundle / "golden").iterdir()]
    return {path.relative_to(bundle).as_posix(): path.read_bytes() for path in paths}


def failed(bundle: Path, data: Files, change: Change = lambda raw: None) -> list[Check]:
    """The checks that a manifest fails after a change to it."""
    raw = read_json(bundle / "manifest.json")
    change(raw)
    manifest = Manifest.model_validate(raw)
    return [check for check in check_contract(bundle, manifest, data) if check.outcome != "pass"]


def test_a_manifest_as_it_was_built_keeps_its_promises(bundle: Path, data: Files) -> None:
    checks = check_contract(bundle, load_manifest(bundle), data)
    assert [check.outcome for check in checks] == ["pass"] * 5
    assert len({check.name for check in checks}) == 5


def _drop(raw: dict[str, Any], path: str) -> None:
    """Takes a model out, and the golden pictures that would miss it."""
    raw.update(golden=[], files=[entry for entry in raw["files"] if entry["path"] != path])
    raw["io"] = [row for row in raw["io"] if row["path"] != path]


CHANGES: dict[str, tuple[Change, str, str]] = {
    "a tier of another name": (
        lambda raw: raw["tiers"][0].update(depth=1),
        "tiers and lanes",
        "tier d2-256px has depth 1",
    ),
    "a lane that every bundle has is gone": (
        lambda raw: _drop(raw, "models/onnxruntime-int8-d2-256px.bin"),
        "tiers and lanes",
        "no file for onnxruntime int8 d2-256px",
    ),
    "a picture scaled otherwise": (
        lambda raw: raw["preprocess"].update(style_side_px=128),
        "fixed facts",
        "preprocess.style_side_px is 128, 256 is right",
    ),
    "a tier without a golden picture": (
        lambda raw: raw["golden"].pop(),
        "golden pictures",
        "0 golden pictures for d1-512px",
    ),
    "a wide tolerance": (
        lambda raw: raw["golden"][0]["tolerance_levels"].update(litert=9),
        "golden pictures",
        "d2-256px allows litert 9 levels, at most 8 are found",
    ),
    "a golden picture without style": (
        lambda raw: raw["golden"][0].update(strength=0.0),
        "golden pictures",
        "has strength 0, which shows no style",
    ),
    "no style": (
        lambda raw: raw.update(styles=[], golden=[]),
        "style codes",
        "there is no style",
    ),
    "a code of other length": (
        lambda raw: raw["network"].update(code_shapes={"style_code": [1, 5]}),
        "style codes",
        "styles/ink.f32 holds 16 bytes, 20 are needed",
    ),
    "a report that is not listed": (
        lambda raw: raw["reports"].pop("quantize"),
        "listed reports",
        "reports/quantize.json is not listed as quantize",
    ),
    "a report that is not there": (
        lambda raw: raw["reports"].update(extra="reports/extra.json"),
        "listed reports",
        "reports/extra.json is missing",
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_promise_that_is_not_kept_is_named(bundle: Path, data: Files, case: str) -> None:
    change, check, fault = CHANGES[case]
    found = failed(bundle, data, change)
    assert f"manifest: {check}" in [one.name for one in found]
    assert any(fault in one.measured for one in found)
    assert all(one.exit_code == 3 and one.remedy for one in found)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"no picture", "is no PNG of at most 256 px"),
        (encode_png(np.zeros((24, 300, 3), np.uint8)), "is no PNG of at most 256 px"),
        (encode_png(np.zeros((16, 256, 3), np.uint8)), "differ in size"),
    ],
)
def test_golden_pictures_are_pngs_of_one_size_within_their_tier(
    bundle: Path, data: Files, content: bytes, fault: str
) -> None:
    (check,) = failed(bundle, data | {"golden/d2-256px-content.png": content})
    assert check.name == "manifest: golden pictures" and fault in check.measured


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_code_that_is_not_finite_is_refused(bundle: Path, data: Files, number: float) -> None:
    code = np.array([0, 1, number, 3], "<f4").tobytes()
    (check,) = failed(bundle, data | {"styles/ink.f32": code})
    assert check.measured == "styles/ink.f32 holds a number that is not finite"


def test_a_file_that_was_altered_is_left_to_its_own_check(bundle: Path) -> None:
    assert failed(bundle, {}) == []
