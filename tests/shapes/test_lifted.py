"""The table of statistics as a file: read as written, refused where it lies about its model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iast_export.errors import InputError
from iast_export.shapes.dims import Dim
from iast_export.shapes.lifted import (
    LiftedProgram,
    LiftedSignature,
    LiftedTable,
    read_lifted,
    write_lifted,
)
from iast_export.shapes.table import ShapeTable, SignatureShapes

SHA = "ab" * 32
MODEL = bytes(range(16))
PROGRAMS = ("d1_32px_render", "d1_32px_measure_0")


def table() -> LiftedTable:
    shapes = tuple(SignatureShapes(key, b"", b"", {Dim(0, 4): (2,)}) for key in PROGRAMS)
    tier = LiftedSignature(
        "d1_32px",
        4,
        24,
        {"moment_0": (1, 1, 8)},
        LiftedProgram(PROGRAMS[0], ("content", "moment_0"), ("stylized",)),
        (LiftedProgram(PROGRAMS[1], ("content", "pixel_weight"), ("moment_0",)),),
    )
    left = {"d2_64px": "it keeps REDUCE_MAX (3)"}
    return LiftedTable(SHA, b"\x01\x02", b"", (tier,), left, ShapeTable(SHA, 4, shapes, {}))


def read(**changes: Any) -> LiftedTable:
    content = json.loads(write_lifted(table())) | changes
    return read_lifted(json.dumps(content).encode(), SHA, len(MODEL), "t.json")


def test_a_table_is_read_as_it_was_written_and_re_shapes_what_lies_between() -> None:
    assert read() == table()
    made = read().reshape(MODEL, PROGRAMS[0], 8, 4)
    assert made == b"\x01\x02" + (8).to_bytes(4, "little") + MODEL[4:]


def test_a_table_without_tiers_says_why_and_re_shapes_nothing() -> None:
    empty = LiftedTable(SHA, b"", b"", (), {"d1_32px": "no"}, None)
    found = read_lifted(write_lifted(empty), SHA, len(MODEL), "t.json")
    assert found == empty
    with pytest.raises(InputError, match="in no table of statistics"):
        found.reshape(MODEL, PROGRAMS[0], 8, 4)


def _tier(**changes: Any) -> list[dict[str, Any]]:
    return [json.loads(write_lifted(table()))["tiers"][0] | changes]


WRONG: dict[str, dict[str, Any]] = {
    "version": {"schema_version": 2},
    "another model": {"model_sha256": "cd" * 32},
    "non-hexadecimal": {"before": "0g"},
    "a halo of 10 px": {"tiers": _tier(halo_px=10)},
    "not measured once each": {"tiers": _tier(measure=[])},
    "no number above 0": {"tiers": _tier(moments={"moment_0": [0]})},
    "has no shapes": {"tiers": _tier(render={"key": "x", "inputs": [], "outputs": []})},
    "no table of statistics": {"tiers": 3},
    "signature d1_32px comes twice": {"tiers": [*_tier(), *_tier()]},
    "signature d2_64px comes twice": {"tiers": _tier(signature="d2_64px")},
    "tensor content comes twice": {
        "tiers": _tier(render={"key": PROGRAMS[0], "inputs": ["content"] * 2, "outputs": []})
    },
}


@pytest.mark.parametrize("words", WRONG)
def test_a_table_that_can_not_be_is_refused(words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(**WRONG[words])


def test_what_is_written_beyond_the_file_is_refused() -> None:
    shapes = json.loads(write_lifted(table()))["shapes"]
    shapes["signatures"][0]["numbers"][0]["at"] = [14]
    assert read(shapes=shapes)
    shapes["signatures"][0]["numbers"][0]["at"] = [15]
    with pytest.raises(InputError, match="writes beyond"):
        read(shapes=shapes)
