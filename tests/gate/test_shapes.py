"""A forged table of shapes is found, whatever its hashes say; a sound one passes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iast_export.files.artifacts import json_bytes, read_json, sha256_bytes
from iast_export.gate import shapes
from iast_export.gate.shapes import check_shapes
from iast_export.reports.manifest import load_manifest
from iast_export.reports.verdict import Check

Change = Callable[[dict[str, Any]], object]


def forged(bundle: Path, change: Change) -> Check:
    """What is said of a bundle's first table once it was changed and every hash put right."""
    manifest = read_json(bundle / "manifest.json")
    entry = next(one for one in manifest["files"] if one["shapes"])
    path = bundle / entry["shapes"]
    table = json.loads(path.read_bytes())
    change(table)
    path.write_bytes(json_bytes(table))
    entry["shapes_sha256"] = sha256_bytes(path.read_bytes())
    (bundle / "manifest.json").write_bytes(json_bytes(manifest))
    found = check_shapes(bundle, load_manifest(bundle))
    return next(one for one in found if one.name == f"table: {entry['shapes']}")


def numbers(table: dict[str, Any]) -> list[dict[str, Any]]:
    """What hangs on the picture's shape."""
    found = table["signatures"][0]["numbers"]
    return [one for one in found if any(one["is"][1:]) and "over" not in one]


def turned(table: dict[str, Any]) -> None:
    """Height for width and back, which a square does not tell apart."""
    for one in numbers(table):
        constant, rows, columns, area = one["is"]
        one["is"] = [constant, columns, rows, area]


def longer(table: dict[str, Any]) -> None:
    numbers(table)[0]["is"][0] += 1000


def endless(table: dict[str, Any]) -> None:
    numbers(table)[0]["is"] = [-(2**40), 1, 0, 0]


def test_a_built_bundles_tables_follow_from_its_models(small_bundle: Path) -> None:
    manifest = load_manifest(small_bundle)
    checks = check_shapes(small_bundle, manifest)
    assert len(checks) == sum(entry.shapes is not None for entry in manifest.files) > 0
    assert [one.outcome for one in checks] == ["pass"] * len(checks)
    assert {one.rule for one in checks} == {"as derived from the model"}


def test_a_table_that_takes_height_for_width_is_not_the_models(bundle_copy: Path) -> None:
    check = forged(bundle_copy, turned)
    assert check.outcome == "fail" and "not those that follow from the model" in check.measured


@pytest.mark.parametrize("change", [longer, endless])
def test_without_a_runtime_what_differs_at_the_tiers_own_shape_is_found(
    bundle_copy: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    monkeypatch.setattr(shapes, "find_spec", lambda _: None)
    check = forged(bundle_copy, change)
    assert check.outcome == "fail" and "not the model's at its own shape" in check.measured
    assert "iast-export[run] derives all of it anew" in check.rule


def test_a_table_of_another_model_is_none(bundle_copy: Path) -> None:
    check = forged(bundle_copy, lambda table: table.update(model_sha256="0" * 64))
    assert check.outcome == "fail" and "belongs to another model" in check.measured


def test_what_its_hash_betrays_is_not_judged_twice(bundle_copy: Path) -> None:
    manifest = load_manifest(bundle_copy)
    path = next(bundle_copy / one.shapes for one in manifest.files if one.shapes)
    path.write_bytes(path.read_bytes() + b" ")
    assert f"table: {path.relative_to(bundle_copy)}" not in {
        one.name for one in check_shapes(bundle_copy, manifest)
    }
