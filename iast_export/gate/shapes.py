"""Checks of tables of shapes: that they are their models', derived anew where that can be.

A forged table re-shapes a sound model into one that draws another picture, and every hash holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from iast_export.errors import InputError
from iast_export.files.artifacts import read_bytes, sha256_bytes
from iast_export.gate.common import check_of
from iast_export.reports.manifest import FileEntry, Manifest
from iast_export.reports.verdict import Check, Outcome
from iast_export.shapes.dims import Number, Steps
from iast_export.shapes.table import NUMBER_BYTES, ShapeTable, read_table, write_table
from iast_export.specs import Tier

_REBUILD = "build the bundle again, and don't edit it afterwards"
_ANEW = "as derived from the model"
_OWN = "the model's own numbers at its own shape; iast-export[run] derives all of it anew"
Derive = Callable[[bytes, int], ShapeTable]


def check_shapes(folder: Path, manifest: Manifest) -> list[Check]:
    """Every table of shapes of an unaltered model, against that model's bytes."""
    derive = find_derive()
    return [
        _check(folder, manifest, entry, derive)
        for entry in manifest.files
        if entry.shapes is not None and _is_unaltered(folder, entry)
    ]


def find_derive() -> Derive | None:
    """What makes a table of a model; None without LiteRT, whose schema reads the model.

    By name, since the gate is installed without a runtime and must load none.
    """
    if find_spec("ai_edge_litert") is None:
        return None
    made: Derive = import_module("iast_export.shapes.derive").derive
    return made


def _is_unaltered(folder: Path, entry: FileEntry) -> bool:
    """What is altered fails by its hash, and is not judged twice."""
    hashes = {entry.path: entry.sha256, str(entry.shapes): str(entry.shapes_sha256)}
    try:
        return all(sha256_bytes(read_bytes(folder / p)) == one for p, one in hashes.items())
    except InputError:
        return False


def _check(folder: Path, manifest: Manifest, entry: FileEntry, derive: Derive | None) -> Check:
    path = folder / str(entry.shapes)
    faults = list(_faults(read_bytes(folder / entry.path), path, manifest, derive))
    outcome: Outcome = "fail" if faults else "pass"
    rule = _OWN if derive is None else _ANEW
    found = "; ".join(faults[:4]) or "the model's"
    return check_of(f"table: {entry.shapes}", "integrity", outcome, found, rule, _REBUILD)


def _faults(data: bytes, path: Path, manifest: Manifest, derive: Derive | None) -> Iterator[str]:
    try:
        table = read_table(read_bytes(path), data, path)
        derived = None if derive is None else derive(data, table.size_multiple_px)
    except InputError as error:
        yield error.message
        return
    for tier in manifest.depth_plan:
        count = sum(1 for _ in _odd_places(table, data, tier))
        if count:
            yield f"{count} numbers of {tier.id} are not the model's at its own shape"
    if derived is not None and not _agrees(table, derived):
        yield "its numbers are not those that follow from the model"


def _odd_places(table: ShapeTable, data: bytes, tier: Tier) -> Iterator[int]:
    """Places whose number hangs on the shape and is not what the model holds at the tier's own."""
    found = table.find(tier.signature)
    if found is None:
        return
    whole, (height, width) = found.before + data + found.behind, tier.shape_px
    steps = Steps(height // table.size_multiple_px, width // table.size_multiple_px)
    for number, places in found.numbers.items():
        if not number.is_constant:
            packed = _packed(number, steps)
            yield from (at for at in places if whole[at : at + NUMBER_BYTES] != packed)


def _packed(number: Number, steps: Steps) -> bytes | None:
    try:
        return number.packed(steps)
    except (ValueError, ZeroDivisionError):
        return None


def _agrees(table: ShapeTable, derived: ShapeTable) -> bool:
    """Whether every signature of a table is the derived one; fewer may be, where proof failed."""
    kept = {one.key for one in table.signatures}
    signatures = tuple(one for one in derived.signatures if one.key in kept)
    wanted = replace(derived, signatures=signatures, fixed=table.fixed)
    return write_table(wanted) == write_table(table)
