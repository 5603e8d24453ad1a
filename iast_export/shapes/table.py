"""The table that re-shapes a TFLite file: which number stands where, and what it is for a picture.

A file of its own beside the model, JSON:

    {"schema_version": 1, "model_sha256": "...", "size_multiple_px": 4, "signatures": [
      {"key": "d4_256px", "before": "", "behind": "00000000", "numbers": [
        {"is": [0, 4, 0, 0], "at": [1024, 2048]}]}],
     "fixed": {"d1_1024px": "operator 28, GATHER_ND: ..."}}

`is` is a function of a picture's height and width in steps of `size_multiple_px`, as `dims.Dim`:
constant, rows, columns, area; with `over` it is a factor, that function over this one. First the
bytes that `before` and `behind` hold in hexadecimal are put before and behind the file; `at` are
the places in the result at which the function's value is written in 32 bits, little-endian, a
factor in single precision. `fixed` says why the other signatures can't be re-shaped.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_bytes
from iast_export.files.json_text import parse_json
from iast_export.shapes.dims import Dim, Number, Ratio, Steps

SCHEMA_VERSION = 1
NUMBER_BYTES = 4
_REBUILD = "build the bundle again"


@dataclass(frozen=True)
class SignatureShapes:
    """How one signature is re-shaped; places in bytes."""

    key: str
    before: bytes
    behind: bytes
    numbers: Mapping[Number, tuple[int, ...]]


@dataclass(frozen=True)
class ShapeTable:
    """How each signature of one file is re-shaped, in steps of `size_multiple_px`.

    Attributes:
        fixed: why the others can't be, by key; they take their own shape only.
    """

    model_sha256: str
    size_multiple_px: int
    signatures: tuple[SignatureShapes, ...]
    fixed: Mapping[str, str]

    def find(self, key: str) -> SignatureShapes | None:
        """The signature of that key; None where it can't be re-shaped."""
        return next((one for one in self.signatures if one.key == key), None)

    def reshape(self, data: bytes, key: str, height_px: int, width_px: int) -> bytes:
        """The file with one signature, for a picture of another shape.

        Args:
            data: the file that the table belongs to, as its owner has verified it.
            key: of a signature that `find` knows.
            height_px, width_px: multiples of `size_multiple_px`.

        Raises:
            InputError: another size, or so large that a number leaves 32 bits.
        """
        found, multiple = self.find(key), self.size_multiple_px
        sides = height_px, width_px
        if found is None or min(sides) < 1 or any(side % multiple for side in sides):
            raise InputError(
                f"{key} can't be re-shaped to {width_px}x{height_px} px",
                f"give sides that are multiples of {multiple} px",
            )
        steps = Steps(height_px // multiple, width_px // multiple)
        made = bytearray(found.before + data + found.behind)
        for number, places in found.numbers.items():
            try:
                packed = number.packed(steps)
            except ValueError as error:
                raise InputError(
                    f"{key} has no form for {width_px}x{height_px} px: {error}",
                    "take a picture of another size",
                ) from error
            for place in places:
                made[place : place + NUMBER_BYTES] = packed
        return bytes(made)


def write_table(table: ShapeTable) -> bytes:
    """The table's file, equal bytes for equal tables."""
    signatures = [
        {
            "key": one.key,
            "before": one.before.hex(),
            "behind": one.behind.hex(),
            "numbers": [
                _written(number, places)
                for number, places in sorted(one.numbers.items(), key=lambda found: min(found[1]))
            ],
        }
        for one in table.signatures
    ]
    content = {
        "schema_version": SCHEMA_VERSION,
        "model_sha256": table.model_sha256,
        "size_multiple_px": table.size_multiple_px,
        "signatures": signatures,
        "fixed": dict(sorted(table.fixed.items())),
    }
    return (json.dumps(content, separators=(",", ":")) + "\n").encode()


def _written(number: Number, places: Sequence[int]) -> dict[str, list[int]]:
    if isinstance(number, Dim):
        return {"is": list(number.factors), "at": sorted(places)}
    ratio = {"is": list(number.of.factors), "over": list(number.over.factors)}
    return {**ratio, "at": sorted(places)}


def read_table(data: bytes, model: bytes, where: object) -> ShapeTable:
    """The table in a file's bytes, which must belong to a model's.

    Raises:
        InputError: see `read_listed`.
    """
    return read_listed(data, sha256_bytes(model), len(model), where)


def read_listed(data: bytes, model_sha256: str, model_bytes: int, where: object) -> ShapeTable:
    """As `read_table`, of a model of which hash and size alone are known.

    Raises:
        InputError: it is no such table, is of another version or model, says one thing twice, or
            writes beyond the file.
    """
    try:
        found = _read(parse_json(data, str(where), InputError, _REBUILD))
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise InputError(f"{where} is no table of shapes: {error}", _REBUILD) from error
    if found.model_sha256 != model_sha256:
        raise InputError(f"{where} belongs to another model", _REBUILD)
    for one in found.signatures:
        if not _stays_within(one, model_bytes):
            raise InputError(f"{where} writes beyond its model", _REBUILD)
    return found


def _read(content: Any) -> ShapeTable:
    if content["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"version {content['schema_version']}, {SCHEMA_VERSION} is known")
    multiple = content["size_multiple_px"]
    if type(multiple) is not int or multiple < 1:
        raise ValueError(f"size_multiple_px is {multiple!r}")
    signatures = tuple(_read_signature(one) for one in content["signatures"])
    fixed = {str(key): str(why) for key, why in content["fixed"].items()}
    refuse_twice("the signature", [*(one.key for one in signatures), *fixed])
    return ShapeTable(str(content["model_sha256"]), multiple, signatures, fixed)


def refuse_twice(what: str, listed: Sequence[Hashable]) -> None:
    """Holds a list to naming nothing twice: readers could take either.

    Raises:
        ValueError: it does.
    """
    twice = [one for one, count in Counter(listed).items() if count > 1]
    if twice:
        raise ValueError(f"{what} {twice[0]} comes twice")


def _read_signature(content: Any) -> SignatureShapes:
    listed = [(_read_number(one), tuple(_whole(one["at"]))) for one in content["numbers"]]
    refuse_twice("the number", [number for number, _ in listed])
    places = sorted(at for _, found in listed for at in found)
    if any(after - at < NUMBER_BYTES for at, after in pairwise(places)):
        raise ValueError("two numbers are written in one place")
    before, behind = (bytes.fromhex(content[name]) for name in ("before", "behind"))
    return SignatureShapes(str(content["key"]), before, behind, dict(listed))


def _read_number(content: Any) -> Number:
    dim = Dim(*_whole(content["is"]))
    return Ratio(dim, Dim(*_whole(content["over"]))) if "over" in content else dim


def _whole(values: Sequence[Any]) -> list[int]:
    if not all(type(value) is int for value in values):
        raise ValueError("a number is not whole")
    return list(values)


def _stays_within(one: SignatureShapes, size_bytes: int) -> bool:
    end = len(one.before) + size_bytes + len(one.behind)
    return all(0 <= at <= end - NUMBER_BYTES for found in one.numbers.values() for at in found)
