"""A forged table of shapes is found, whatever its hashes say; a sound one passes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from iast_export.files.artifacts import json_bytes, read_json, sha256_bytes
from iast_export.gate import shapes
from iast_export.gate.shapes import check_shapes
from iast_export.reports.manifest import load_manifest
from iast_export.reports.verdict import Check
from iast_export.shapes.dims import Dim
from iast_export.shapes.table import read_table

Change = Callable[[dict[str, Any]], object]


def forged(bundle: Path, change: Change, kind: str = "shapes") -> Check:
    """What is said of a bundle's first table once it was changed and every hash put right."""
    manifest = read_json(bundle / "manifest.json")
    entry = next(one for one in manifest["files"] if one[kind])
    path = bundle / entry[kind]
    table = json.loads(path.read_bytes())
    change(table)
    path.write_bytes(json_bytes(table))
    entry[f"{kind}_sha256"] = sha256_bytes(path.read_bytes())
    (bundle / "manifest.json").write_bytes(json_bytes(manifest))
    found = check_shapes(bundle, load_manifest(bundle))
    return next(one for one in found if one.name == f"table: {entry[kind]}")


def numbers(table: dict[str, Any]) -> list[dict[str, Any]]:
    """What hangs on the picture's shape."""
    found = table.get("shapes", table)["signatures"][0]["numbers"]
    return [one for one in found if any(one["is"][1:]) and "over" not in one]


def turned(table: dict[str, Any]) -> None:
    """Height for width and back, which a square does not tell apart."""
    for one in numbers(table):
        constant, rows, columns, area = one["is"]
        one["is"] = [constant, columns, rows, area]


def longer(table: dict[str, Any]) -> None:
    numbers(table)[0]["is"][0] += 1000


def turned_once(table: dict[str, Any]) -> None:
    """As `turned`, of the first number alone, which joins its counterpart where there is one."""
    found, listed = numbers(table), table.get("shapes", table)["signatures"][0]["numbers"]
    first = next(one for one in found if one["is"][1] != one["is"][2])
    constant, rows, columns, area = first["is"]
    turned_is = [constant, columns, rows, area]
    counterpart = next((one for one in found if one["is"] == turned_is), None)
    if counterpart is None:
        first["is"] = turned_is
    else:
        listed.remove(first)
        counterpart["at"] += first["at"]


def twice(table: dict[str, Any]) -> None:
    """A number again, for another place: a reader that keeps the last drops the first."""
    found = numbers(table)[0]
    table["signatures"][0]["numbers"].append({**found, "at": found["at"][-1:]})


def endless(table: dict[str, Any]) -> None:
    numbers(table)[0]["is"] = [-(2**40), 1, 0, 0]


def test_a_built_bundles_tables_follow_from_its_models(small_bundle: Path) -> None:
    manifest = load_manifest(small_bundle)
    checks = check_shapes(small_bundle, manifest)
    tables = [one for entry in manifest.files for one in (entry.shapes, entry.statistics) if one]
    assert len(checks) == len(tables) > len(manifest.depth_plan)
    assert [one.outcome for one in checks] == ["pass"] * len(checks)
    assert {one.rule for one in checks if one.name.endswith(".shapes.json")} == {
        "as derived from the model"
    }


def test_without_a_runtime_a_built_bundles_tables_pass_too(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapes, "find_spec", lambda _: None)
    checks = check_shapes(small_bundle, load_manifest(small_bundle))
    assert {one.outcome for one in checks} == {"pass"}


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


@pytest.mark.parametrize("change", [turned, turned_once])
def test_without_a_runtime_height_taken_for_width_is_found_at_another_shape(
    bundle_copy: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    monkeypatch.setattr(shapes, "find_spec", lambda _: None)
    check = forged(bundle_copy, change)
    assert check.outcome == "fail" and "re-shaped" in check.measured


def test_without_a_runtime_height_taken_for_width_in_one_place_is_found(
    small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A place after the other, in a table read from the bundle: nothing is written."""
    manifest = load_manifest(small_bundle)
    entry = next(one for one in manifest.files if one.shapes and one.precision == "int8")
    data = (small_bundle / entry.path).read_bytes()
    table = read_table((small_bundle / str(entry.shapes)).read_bytes(), data, "a table")
    tier = manifest.depth_plan[0]
    found = table.find(tier.signature)
    assert found is not None
    moved = [n for n in found.numbers if isinstance(n, Dim) and n.rows != n.columns]
    for number in moved:
        turned_number = replace(number, rows=number.columns, columns=number.rows)
        for place in found.numbers[number]:
            left = {n: tuple(p for p in at if p != place) for n, at in found.numbers.items()}
            left[turned_number] = (*left.get(turned_number, ()), place)
            forged_table = replace(table, signatures=(replace(found, numbers=left),))
            reshape = partial(forged_table.reshape, data, tier.signature)
            assert list(shapes._misfits(reshape, tier.id, tier.shape_px, 4)), (number, place)
    assert len(moved) > 4


@pytest.mark.parametrize("change", [turned, turned_once])
def test_a_table_of_statistics_that_takes_height_for_width_is_found(
    bundle_copy: Path, change: Change
) -> None:
    check = forged(bundle_copy, change, "statistics")
    assert check.outcome == "fail" and "re-shaped" in check.measured


def test_a_number_told_twice_is_refused(bundle_copy: Path) -> None:
    check = forged(bundle_copy, twice)
    assert check.outcome == "fail" and "comes twice" in check.measured


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
