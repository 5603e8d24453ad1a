"""Tables of statistics in the gate: they belong to their models and hold the same tiers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iast_export.gate.contract import check_contract
from iast_export.reports.manifest import Manifest, load_manifest

Change = Callable[[dict[str, Any]], object]


def faults(bundle: Path, change: Change) -> str:
    """What is said of a bundle whose INT8 file has another table."""
    manifest = load_manifest(bundle)
    data = {name: (bundle / name).read_bytes() for name in manifest.hashes()}
    entry = next(e for e in manifest.files if e.statistics and e.precision == "int8")
    table = json.loads(data[str(entry.statistics)])
    change(table)
    data[str(entry.statistics)] = json.dumps(table).encode()
    checks = check_contract(bundle, Manifest.model_validate_json(manifest.to_json()), data)
    return " ".join(check.measured for check in checks if check.outcome != "pass")


def test_tables_as_they_were_built_pass(small_bundle: Path) -> None:
    assert faults(small_bundle, lambda table: None) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.update(model_sha256="0" * 64), "belongs to another model"),
        (lambda table: table["tiers"].pop(), "are of other tiers each"),
        (lambda table: table["tiers"][0].update(signature="d9_8px"), "has d9_8px, which"),
        (lambda table: table.update(before="zz"), "is no table of statistics"),
    ],
)
def test_a_table_that_lies_is_named(small_bundle: Path, change: Change, words: str) -> None:
    assert words in faults(small_bundle, change)


def test_a_manifest_without_them_is_one_of_before(small_bundle: Path) -> None:
    raw = json.loads((small_bundle / "manifest.json").read_text())
    for entry in raw["files"]:
        del entry["statistics"], entry["statistics_sha256"]
    assert Manifest.model_validate(raw).files[0].statistics is None
    raw["files"][0]["statistics"] = "models/a.statistics.json"
    with pytest.raises(ValueError, match="come together"):
        Manifest.model_validate(raw)
