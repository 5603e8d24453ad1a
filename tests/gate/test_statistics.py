"""What a manifest says is lifted of a tier is what the tier's file has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iast_export.files.artifacts import read_json
from iast_export.gate.statistics import check_statistics
from iast_export.reports.manifest import Manifest, load_manifest
from iast_export.reports.verdict import Check

KEPT = {"runtime": "onnxruntime", "operator": "ReduceMax", "at": "x", "reason": "r"}


def checked(bundle: Path, **change: Any) -> Check:
    """The check after a change to what the first tier tells."""
    raw = read_json(bundle / "manifest.json")
    raw["tiers"][0]["statistics"].update(change)
    (found,) = check_statistics(bundle, Manifest.model_validate(raw))
    return found


def test_a_built_bundle_tells_what_its_files_have(small_bundle: Path) -> None:
    (found,) = check_statistics(small_bundle, load_manifest(small_bundle))
    assert (found.outcome, found.measured) == ("pass", "agree")


@pytest.mark.parametrize(
    "change, words",
    [
        ({"lifted": 0}, "lifts 0 means"),
        ({"passes": 9}, "in 9 passes"),
        ({"halo_px": 3}, "a halo of 3 px"),
        ({"halo_px": 0}, "a halo of 0 px"),
        ({"tile_multiple_px": 1}, "tiles of 1 px"),
        ({"halo_px": None, "tile_multiple_px": None}, "tells no halo"),
        ({"not_lifted": [KEPT], "limits": {"onnxruntime": "why"}}, "keeps other reductions"),
    ],
)
def test_what_differs_from_the_file_fails(
    small_bundle: Path, change: dict[str, Any], words: str
) -> None:
    found = checked(small_bundle, **change)
    assert found.outcome == "fail" and words in found.measured


def test_a_tier_of_one_shape_must_name_its_limit(small_bundle: Path) -> None:
    raw = read_json(small_bundle / "manifest.json")
    raw["tiers"][0].update(any_shape=False)
    raw["tiers"][0]["statistics"].update(limits={})
    (found,) = check_statistics(small_bundle, Manifest.model_validate(raw))
    assert "has one shape in LiteRT, and no limit says so" in found.measured


def test_a_bundle_that_tells_nothing_is_not_judged(small_bundle: Path) -> None:
    raw = read_json(small_bundle / "manifest.json")
    for tier in raw["tiers"]:
        tier["statistics"] = None
    assert check_statistics(small_bundle, Manifest.model_validate(raw)) == []
