"""The table of statistics of a TFLite file, from its bytes: every tier's lift beside the file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from iast_export.files.artifacts import sha256_bytes
from iast_export.formats import tflite_file as tf
from iast_export.formats.tflite_front import Program, in_front
from iast_export.forms.lift import levels
from iast_export.forms.lift_litert import LiteRtLift
from iast_export.shapes.derive import derive
from iast_export.shapes.dims import Dim, product, scaled
from iast_export.shapes.lifted import LiftedProgram, LiftedSignature, LiftedTable
from iast_export.shapes.trace import StoppedError, trace


@dataclass(frozen=True)
class TileFacts:
    """What tiles of a tier must be: see `lifted.LiftedSignature`; `multiple_px` of the network."""

    multiple_px: int
    halo_px: int


def derive_lifted(data: bytes, multiple_px: int, tiles: Mapping[str, TileFacts]) -> LiftedTable:
    """The table of a file; proof is the caller's.

    Args:
        data: the file.
        multiple_px: the network's size multiple.
        tiles: by signature, of those that tiles can draw; the others are left out.

    Raises:
        InputError: it is no TFLite file.
    """
    model, left = tf.parse_to_read(data), dict[str, str]()
    made: dict[str, LiftedSignature] = {}
    programs: list[Program] = []
    summed: dict[str, Mapping[str, Dim]] = {}
    for signature in tf.signatures(model):
        if signature.key not in tiles:
            continue
        lift = LiteRtLift(data, signature.key)
        try:
            counts = _counts(model, lift, signature, multiple_px)
        except StoppedError as error:
            left[signature.key] = str(error)
            continue
        if lift.kept:
            left[signature.key] = f"it keeps {', '.join(map(str, lift.kept))}"
            continue
        own = _programs(lift, signature)
        programs += own
        summed |= {one.key: counts for one in own}
        made[signature.key] = _described(signature.key, tiles[signature.key], lift, own)
    if not programs:
        return LiftedTable(sha256_bytes(data), b"", b"", (), left, None)
    before, behind = in_front(data, programs)
    # Each program is a subgraph of its own that shares the tensors of the file's.
    shapes = derive(before + data + behind, multiple_px, summed, times=1 + len(programs))
    for key, one in list(made.items()):
        why = [shapes.fixed[p.key] for p in (one.render, *one.measure) if p.key in shapes.fixed]
        if why:
            left[key] = why[0]
            del made[key]
    return LiftedTable(sha256_bytes(data), before, behind, tuple(made.values()), left, shapes)


def _programs(lift: LiteRtLift, signature: tf.Signature) -> list[Program]:
    """To render, and to measure each level."""
    key, base = signature.key, signature.subgraph
    passes = range(levels(lift.sites))
    measure = [lift.program(level, f"{key}_measure_{level}", base) for level in passes]
    return [lift.program(None, f"{key}_render", base), *measure]


def _described(key: str, facts: TileFacts, lift: LiteRtLift, own: list[Program]) -> LiftedSignature:
    render, *measure = (LiftedProgram(p.key, tuple(p.inputs), tuple(p.outputs)) for p in own)
    moments = {site.name: site.shape for site in lift.sites}
    return LiftedSignature(key, facts.multiple_px, facts.halo_px, moments, render, tuple(measure))


def _counts(
    model: tf.Model, lift: LiteRtLift, signature: tf.Signature, multiple_px: int
) -> dict[str, Dim]:
    """How many numbers each site adds up that is a sum, as a function of the picture's sides."""
    summed = lift.counts()
    if not summed:
        return {}
    sides = trace(model, signature.key, multiple_px).sides
    shapes = {site.name: site.shape for site in lift.sites}
    found = {}
    for name, tensor in summed.items():
        count = product(sides[tensor])
        parts = math.prod(shapes[name])
        shared = None if count is None else scaled(count, Fraction(1, parts))
        if shared is None:
            raise StoppedError(f"{name} adds up no plain product of height and width")
        found[name] = shared
    return found
