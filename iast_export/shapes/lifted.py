"""The table of statistics beside a TFLite file: what tiles of large pictures need.

A file of its own, JSON:

    {"schema_version": 1, "model_sha256": "...", "before": "00...", "behind": "",
     "tiers": [{"signature": "d1_1024px", "multiple_px": 4, "halo_px": 24,
       "moments": {"moment_0": [1, 1, 80]},
       "render": {"key": "d1_1024px_render", "inputs": ["content", "style_code", "moment_0"]},
       "measure": [{"key": "d1_1024px_measure_0", "inputs": ["content", "pixel_weight"],
         "outputs": ["moment_0"]}]}],
     "left_out": {"d4_256px": "..."}, "shapes": {...}}

With the bytes of `before` and `behind` put before and behind the file, given in hexadecimal, it has
the signatures that `render` and `measure` name, over the weights that it holds: `measure` gives a
tile's share of the means of one level, and `render` draws a tile that is told them all. `shapes` is
the table of shapes (see `table`) of that longer file, since tiles have shapes of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iast_export.errors import InputError
from iast_export.files.json_text import parse_json
from iast_export.shapes.table import ShapeTable, read_listed, refuse_twice, write_table

SCHEMA_VERSION = 1
_REBUILD = "build the bundle again"
_BROKEN = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True)
class LiftedProgram:
    """A signature that the table adds: its key, and what goes in and comes out."""

    key: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class LiftedSignature:
    """What a tier's signature becomes.

    Attributes:
        signature: of the file.
        multiple_px: of sides and offsets of tiles.
        halo_px: how far from a pixel of the result the network looks.
        moments: shapes by name.
        measure: by level.
    """

    signature: str
    multiple_px: int
    halo_px: int
    moments: Mapping[str, tuple[int, ...]]
    render: LiftedProgram
    measure: tuple[LiftedProgram, ...]


@dataclass(frozen=True)
class LiftedTable:
    """See above; `left_out` says why other signatures are not in it."""

    model_sha256: str
    before: bytes
    behind: bytes
    tiers: tuple[LiftedSignature, ...]
    left_out: Mapping[str, str]
    shapes: ShapeTable | None

    def reshape(self, data: bytes, key: str, height_px: int, width_px: int) -> bytes:
        """The file with one of the added signatures, for tiles of a shape.

        Args:
            data: the file that the table belongs to, as its owner has verified it.

        Raises:
            InputError: see `ShapeTable.reshape`.
        """
        if self.shapes is None:
            raise InputError(f"{key} is in no table of statistics", _REBUILD)
        longer = self.before + data + self.behind
        return self.shapes.reshape(longer, key, height_px, width_px)


def write_lifted(table: LiftedTable) -> bytes:
    """The table's file, equal bytes for equal tables."""
    shapes = None if table.shapes is None else json.loads(write_table(table.shapes))
    content = {
        "schema_version": SCHEMA_VERSION,
        "model_sha256": table.model_sha256,
        "before": table.before.hex(),
        "behind": table.behind.hex(),
        "tiers": [_written(one) for one in table.tiers],
        "left_out": dict(sorted(table.left_out.items())),
        "shapes": shapes,
    }
    return (json.dumps(content, separators=(",", ":")) + "\n").encode()


def _written(one: LiftedSignature) -> dict[str, Any]:
    return {
        "signature": one.signature,
        "multiple_px": one.multiple_px,
        "halo_px": one.halo_px,
        "moments": {name: list(shape) for name, shape in one.moments.items()},
        "render": _program(one.render),
        "measure": [_program(level) for level in one.measure],
    }


def _program(one: LiftedProgram) -> dict[str, Any]:
    return {"key": one.key, "inputs": list(one.inputs), "outputs": list(one.outputs)}


def read_lifted(data: bytes, model_sha256: str, model_bytes: int, where: object) -> LiftedTable:
    """The table in a file's bytes, which must belong to a model.

    Raises:
        InputError: it is no such table, is of another version or model, names what it has not or
            says one thing twice.
    """
    try:
        content = parse_json(data, str(where), InputError, _REBUILD)
        table = _read(content, model_bytes, where)
    except _BROKEN as error:
        raise InputError(f"{where} is no table of statistics: {error}", _REBUILD) from error
    if table.model_sha256 != model_sha256:
        raise InputError(f"{where} belongs to another model", _REBUILD)
    return table


def _read(content: Any, model_bytes: int, where: object) -> LiftedTable:
    if content["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"version {content['schema_version']}, {SCHEMA_VERSION} is known")
    before, behind = (bytes.fromhex(content[name]) for name in ("before", "behind"))
    shapes = None
    if content["shapes"] is not None:
        size, own = len(before) + model_bytes + len(behind), content["shapes"]["model_sha256"]
        shapes = read_listed(json.dumps(content["shapes"]).encode(), own, size, where)
    tiers = tuple(_read_tier(one) for one in content["tiers"])
    known = {one.key for one in shapes.signatures} if shapes else set()
    for key in (one.key for tier in tiers for one in (tier.render, *tier.measure)):
        if key not in known:
            raise ValueError(f"{key} has no shapes")
    left = {str(key): str(why) for key, why in content["left_out"].items()}
    refuse_twice("the signature", [*(one.signature for one in tiers), *left])
    return LiftedTable(str(content["model_sha256"]), before, behind, tiers, left, shapes)


def _read_tier(content: Any) -> LiftedSignature:
    multiple, halo = content["multiple_px"], content["halo_px"]
    if not all(type(n) is int for n in (multiple, halo)) or multiple < 1 or halo % multiple:
        raise ValueError(f"a halo of {halo!r} px and a multiple of {multiple!r} px")
    moments = {str(name): _shape(shape) for name, shape in content["moments"].items()}
    made = LiftedSignature(
        str(content["signature"]),
        multiple,
        halo,
        moments,
        _read_program(content["render"]),
        tuple(_read_program(one) for one in content["measure"]),
    )
    if sorted(name for one in made.measure for name in one.outputs) != sorted(moments):
        raise ValueError(f"moments of {made.signature} are not measured once each")
    return made


def _shape(values: Sequence[Any]) -> tuple[int, ...]:
    if not all(type(n) is int and n > 0 for n in values):
        raise ValueError("a side of moments is no number above 0")
    return tuple(values)


def _read_program(content: Any) -> LiftedProgram:
    inputs, outputs = (tuple(map(str, content[name])) for name in ("inputs", "outputs"))
    for names in (inputs, outputs):
        refuse_twice("the tensor", names)
    return LiftedProgram(str(content["key"]), inputs, outputs)
