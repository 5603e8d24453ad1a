"""A manifest holds together: what it names is in it, once, with one hash."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from iast_export.reports.manifest import Manifest
from tests.shared_cases import good_manifest

Raw = dict[str, Any]


@pytest.fixture
def raw() -> Raw:
    return copy.deepcopy(good_manifest())


def _refused(raw: Raw) -> str:
    with pytest.raises(ValidationError) as caught:
        Manifest.model_validate(raw)
    return str(caught.value)


def _twice(name: str) -> Callable[[Raw], object]:
    return lambda raw: raw[name].append(copy.deepcopy(raw[name][0]))


FAULTS: dict[str, tuple[Callable[[Raw], object], str]] = {
    "two tiers of one name": (_twice("tiers"), "more than once"),
    "two files of one path": (_twice("files"), "files lists .* more than once"),
    "two styles of one name": (_twice("styles"), "styles lists .* more than once"),
    "tiers that fall": (lambda raw: raw["tiers"].reverse(), "by rising max_side_px"),
    "a golden picture of no tier": (
        lambda raw: raw["golden"][0].update(tier="d9-9px"),
        "no model for the golden|golden tier d9-9px is not in the manifest",
    ),
    "a golden picture in no style": (
        lambda raw: raw["golden"][0].update(style="nobody"),
        "golden style nobody is not in the manifest",
    ),
    "an edge of no file": (
        lambda raw: raw["io"][0].update(path="models/none.onnx"),
        "io path models/none.onnx is not in the manifest",
    ),
    "two hashes for one file": (
        lambda raw: raw["styles"][0].update(path=raw["files"][0]["path"], sha256="f" * 64),
        "has two hashes",
    ),
    "itself among the files": (
        lambda raw: raw["styles"][0].update(path="manifest.json"),
        "the manifest lists itself",
    ),
    "a shape that does not hold its side": (
        lambda raw: raw["tiers"][0].update(shape_px=[1, 1]),
        "does not hold max_side_px",
    ),
    "an accelerator of no signature": (
        lambda raw: raw["files"][0].update(accelerators={"nobody": ["cpu"]}),
        "which is no signature of it",
    ),
    "a thumbnail without its hash": (
        lambda raw: raw["styles"][0].update(thumbnail="styles/t.png", thumbnail_sha256=None),
        "come together",
    ),
    "a golden output of no lane": (
        lambda raw: raw["golden"][0]["outputs"].update(nobody=raw["golden"][0]["content"]),
        "nobody is no RUNTIME-PRECISION",
    ),
    "a golden picture without a hash": (
        lambda raw: raw["golden"][0]["sha256"].popitem(),
        "and their sha256 differ in",
    ),
    "a runtime without a tolerance": (
        lambda raw: raw["golden"][0].update(tolerance_levels={}),
        "no tolerance_levels for",
    ),
    "an integer edge without a scale": (
        lambda raw: raw["io"][0].update(dtype="int8", scale=None, zero_point=0),
        "is int8 with scale None",
    ),
    "an integer edge beyond its type": (
        lambda raw: raw["io"][0].update(dtype="int8", scale=0.1, zero_point=200),
        "zero_point 200",
    ),
}


def test_the_whole_manifest_is_taken(raw: Raw) -> None:
    assert Manifest.model_validate(raw).name == raw["name"]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_hold_together_is_refused(raw: Raw, fault: str) -> None:
    change, message = FAULTS[fault]
    change(raw)
    with pytest.raises(ValidationError, match=message):
        Manifest.model_validate(raw)


def test_hashes_cover_every_file_that_an_app_loads(raw: Raw) -> None:
    manifest = Manifest.model_validate(raw)
    found = manifest.hashes()
    assert {entry.path for entry in manifest.files} <= set(found)
    assert {style.path for style in manifest.styles} <= set(found)
    assert {path for golden in manifest.golden for path in golden.sha256} <= set(found)


def test_a_file_of_all_tiers_serves_each_of_them(raw: Raw) -> None:
    manifest = Manifest.model_validate(raw)
    lanes = manifest.lanes()
    for entry in manifest.files:
        served = [key for key, file in lanes.items() if file == entry]
        if entry.role != "transfer":
            assert served == []
        else:
            tiers = [entry.tier] if entry.tier else [tier.id for tier in manifest.tiers]
            assert served == [(entry.runtime, entry.precision, tier) for tier in tiers]
