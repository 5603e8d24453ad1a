"""Tables of statistics, proved before they are written: bit for bit what an edit in memory does.

Python lifts statistics out of a file by editing it whenever one is opened; a phone can't. Its table
is held to that edit, in every tier and program, at a shape that no converter saw.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from iast_export.build.once import Once
from iast_export.build.tracing import example_codes, pseudo_photograph
from iast_export.errors import InputError, ToolError
from iast_export.files.artifacts import Progress, no_progress, read_bytes
from iast_export.formats.tflite_file import quiet_tools
from iast_export.forms.lift_beside import TileFacts, derive_lifted
from iast_export.forms.lift_litert import LiteRtLift
from iast_export.network.adapters import StyleNetwork
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.session import Array
from iast_export.shapes.lifted import LiftedSignature, LiftedTable
from iast_export.shapes.table import ShapeTable
from iast_export.specs import CONTENT, PIXEL_WEIGHT, Tier
from iast_export.stylize.lifted_tier import Reach
from iast_export.stylize.lifting import reach_of

# Of the proof's pictures, in steps of the size multiple; chosen: small, lying, of odd sides.
_PROOF_STEPS = (5, 9)
_SEED = 17


def prove_statistics(
    network: StyleNetwork,
    tiers: Sequence[Tier],
    references: Mapping[Tier, Path],
    models: Sequence[tuple[Path, ShapeTable]],
    progress: Progress = no_progress,
    once: Once | None = None,
) -> list[LiftedTable]:
    """The tables of a bundle's TFLite files; a tier is in all of them or in none.

    Args:
        network: that the files were made from.
        tiers: the files' signatures.
        references: each tier's ONNX model in FP32, that tells how far the network looks.
        models: the files with their tables of shapes.
        progress: told of every file.
        once: keeps what was proved of these files.
    """
    once, multiple = once or Once(), network.size_multiple_px
    codes = {name: value.numpy() for name, value in example_codes(network).items()}
    left: dict[str, str] = {}
    tiles: dict[str, TileFacts] = {}
    for tier in tiers:
        reach = _reach(network, tier, read_bytes(references[tier]), codes, models[0][1])
        if reach.fault:
            left[tier.signature] = reach.fault
        else:
            tiles[tier.signature] = TileFacts(reach.multiple_px, reach.halo_px)
    files = [(read_bytes(path), shapes) for path, shapes in models]
    tables = []
    for i, (data, shapes) in enumerate(files):
        progress("prove statistics", i, len(files))
        table = once(_key(shapes, tiles), partial(derive_lifted, data, multiple, tiles))
        tables.append(table)
        left |= table.left_out
        for one in (one for one in table.tiers if one.signature not in left):
            proof = partial(_fault, data, shapes, table, one, codes, multiple)
            fault = once((*_key(shapes, tiles), one.signature), proof)
            left |= {one.signature: f"{models[i][0].name}: {fault}"} if fault else {}
    progress("prove statistics", len(files), len(files))
    if not any(one.signature in left for table in tables for one in table.tiers):
        return [_with(table, left) for table in tables]
    kept = {key: facts for key, facts in tiles.items() if key not in left}
    return [
        _with(once(_key(shapes, kept), partial(derive_lifted, data, multiple, kept)), left)
        for data, shapes in files
    ]


def _key(shapes: ShapeTable, tiles: Mapping[str, TileFacts]) -> tuple[Hashable, ...]:
    """What decides the table of a file."""
    return "statistics", shapes.model_sha256, *shapes.fixed, *tiles.items()


def _with(table: LiftedTable, left: Mapping[str, str]) -> LiftedTable:
    return LiftedTable(
        table.model_sha256, table.before, table.behind, table.tiers, left, table.shapes
    )


def _reach(
    network: StyleNetwork, tier: Tier, full: bytes, codes: Mapping[str, Array], shapes: ShapeTable
) -> Reach:
    """What tiles of a tier must be, or why LiteRT can draw none."""
    if shapes.find(tier.signature) is None:
        return Reach(0, 0, f"it takes pictures of {tier.max_side_px} px alone")
    try:
        return reach_of(full, tier, codes, network.size_multiple_px)
    except (InputError, ToolError) as error:
        return Reach(0, 0, error.message)


def _fault(
    data: bytes,
    shapes: ShapeTable,
    table: LiftedTable,
    one: LiftedSignature,
    codes: Mapping[str, Array],
    multiple_px: int,
) -> str:
    """Where a tier's programs are not what editing the file makes of it; "": they are."""
    height, width = (steps * multiple_px for steps in _PROOF_STEPS)
    lift = LiteRtLift(shapes.reshape(data, one.signature, height, width), one.signature)
    draw = np.random.default_rng(_SEED)
    feeds = {
        CONTENT: pseudo_photograph(height, width),
        PIXEL_WEIGHT: draw.random((1, 1, height, width), np.float32),
        **codes,
    }
    for level in (*range(len(one.measure)), None):
        program = one.render if level is None else one.measure[level]
        edited = lift.render() if level is None else lift.measure(level)
        try:
            with quiet_tools():
                wanted = _run(edited, one.signature, feeds)
                found = _run(table.reshape(data, program.key, height, width), program.key, feeds)
        except (InputError, ToolError) as error:
            return f"{program.key}: {error.message}"
        if wanted.keys() != found.keys() or any(
            not np.array_equal(wanted[name], found[name]) for name in wanted
        ):
            return f"{program.key} at {width}x{height} px is not what editing the file makes of it"
        feeds |= found
    return ""


def _run(model: bytes, key: str, feeds: Mapping[str, Array]) -> dict[str, Array]:
    session = open_litert(model, key)
    return session.run({name: feeds[name] for name in session.input_names})
