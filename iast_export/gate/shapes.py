"""Checks of tables of shapes and of statistics: that they re-shape their models as these are.

A forged table re-shapes a sound model into one that draws another picture, and every hash holds. A
table of shapes is derived anew where LiteRT is installed; whatever is not is held to what can be
read of the model that it makes (`shape_sides`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from iast_export.errors import InputError
from iast_export.files.artifacts import read_bytes, sha256_bytes
from iast_export.gate.common import check_of
from iast_export.gate.shape_sides import Graph, side_faults
from iast_export.reports.manifest import FileEntry, Manifest
from iast_export.reports.verdict import Check, Outcome
from iast_export.shapes.dims import Number, Steps
from iast_export.shapes.lifted import read_lifted
from iast_export.shapes.table import NUMBER_BYTES, ShapeTable, read_table, write_table
from iast_export.specs import Tier

_REBUILD = "build the bundle again, and don't edit it afterwards"
_ANEW = "as derived from the model"
_SIDES = "sides that go together at a wide and a tall picture"
_OWN = (
    f"the model's own numbers at its own shape, and {_SIDES}; iast-export[run] derives all of it "
    "anew"
)
# Steps that a side is longer than the tier's at those shapes; odd, as pictures of odd steps are
# what a factor of two tells apart.
_LONGER_STEPS = 3
Derive = Callable[[bytes, int], ShapeTable]
Reshape = Callable[[int, int], bytes]


def check_shapes(folder: Path, manifest: Manifest) -> list[Check]:
    """Every table of an unaltered model, against that model's bytes."""
    derive = find_derive()
    checks = []
    for entry in manifest.files:
        if _is_unaltered(folder, entry, entry.shapes, entry.shapes_sha256):
            checks.append(_check(folder, manifest, entry, derive))
        if _is_unaltered(folder, entry, entry.statistics, entry.statistics_sha256):
            checks.append(_check_lifted(folder, manifest, entry))
    return checks


def find_derive() -> Derive | None:
    """What makes a table of a model; None without LiteRT, whose schema reads the model.

    By name, since the gate is installed without a runtime and must load none.
    """
    if find_spec("ai_edge_litert") is None:
        return None
    made: Derive = import_module("iast_export.shapes.derive").derive
    return made


def _is_unaltered(folder: Path, entry: FileEntry, table: str | None, sha256: str | None) -> bool:
    """What is altered fails by its hash, and is not judged twice; False where there is no table."""
    if table is None:
        return False
    hashes = {entry.path: entry.sha256, table: sha256}
    try:
        return all(sha256_bytes(read_bytes(folder / p)) == one for p, one in hashes.items())
    except InputError:
        return False


def _check(folder: Path, manifest: Manifest, entry: FileEntry, derive: Derive | None) -> Check:
    path = folder / str(entry.shapes)
    faults = _faults(read_bytes(folder / entry.path), path, manifest, derive)
    return _judged(entry.shapes, list(faults), _OWN if derive is None else _ANEW)


def _check_lifted(folder: Path, manifest: Manifest, entry: FileEntry) -> Check:
    return _judged(entry.statistics, list(_lifted_faults(folder, manifest, entry)), _SIDES)


def _judged(table: str | None, faults: Sequence[str], rule: str) -> Check:
    outcome: Outcome = "fail" if faults else "pass"
    found = "; ".join(faults[:4]) or "the model's"
    return check_of(f"table: {table}", "integrity", outcome, found, rule, _REBUILD)


def _lifted_faults(folder: Path, manifest: Manifest, entry: FileEntry) -> Iterator[str]:
    """What does not go together in the programs of a table of statistics."""
    path, data = folder / str(entry.statistics), read_bytes(folder / entry.path)
    try:
        table = read_lifted(read_bytes(path), entry.sha256, len(data), path)
    except InputError as error:
        yield error.message
        return
    shapes = {tier.signature: tier.shape_px for tier in manifest.depth_plan}
    for one in table.tiers:
        for program in (one.render, *one.measure):
            reshape = partial(table.reshape, data, program.key)
            shape_px = shapes.get(one.signature)
            if shape_px is not None:  # else told by another check
                yield from _misfits(reshape, program.key, shape_px, one.multiple_px)


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
        elif derived is None and table.find(tier.signature) is not None:
            reshape = partial(table.reshape, data, tier.signature)
            yield from _misfits(reshape, tier.id, tier.shape_px, table.size_multiple_px)
    if derived is not None and not _agrees(table, derived):
        yield "its numbers are not those that follow from the model"


def _misfits(reshape: Reshape, name: str, shape_px: tuple[int, int], step_px: int) -> Iterator[str]:
    """What does not go together in a model re-shaped to a wide and to a tall picture."""
    height, width = shape_px
    more = _LONGER_STEPS * step_px
    try:
        own = Graph(reshape(height, width))
        for sides in ((height, width + more), (height + more, width)):
            for fault in islice(side_faults(own, Graph(reshape(*sides)), *sides), 1):
                yield f"{name} re-shaped to {sides[1]}x{sides[0]} px: {fault}"
    except Exception as error:  # flatbuffers and numpy raise many classes, without a common base
        yield f"{name} re-shaped is no model: {type(error).__name__}: {error}"


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
