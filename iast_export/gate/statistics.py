"""Checks of what the manifest says is lifted of each tier, against the tier's FP32 ONNX file.

How far a tile looks is found by running the network, which the gate does not: it is held to what it
must be a multiple of.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from iast_export.errors import InputError
from iast_export.files.artifacts import read_bytes, sha256_bytes
from iast_export.forms.lift import levels
from iast_export.forms.lift_onnx import OnnxLift
from iast_export.gate.common import check_of
from iast_export.reports.manifest import FileEntry, Manifest, TierEntry
from iast_export.reports.statistics import TierStatistics
from iast_export.reports.verdict import Check, Outcome
from iast_export.specs import REFERENCE

_REBUILD = "build the bundle again, and don't edit it afterwards"
_NAME, _RULE = "manifest: statistics", "as the tiers' FP32 ONNX files have them"


def check_statistics(folder: Path, manifest: Manifest) -> list[Check]:
    """One check over all tiers; none where the bundle is older and tells nothing."""
    told = [tier for tier in manifest.tiers if tier.statistics is not None]
    if not told:
        return []
    faults = [fault for tier in told for fault in _faults(folder, manifest, tier)]
    outcome: Outcome = "fail" if faults else "pass"
    found = "; ".join(faults[:4]) or "agree"
    return [check_of(_NAME, "integrity", outcome, found, _RULE, _REBUILD)]


def _faults(folder: Path, manifest: Manifest, tier: TierEntry) -> Iterator[str]:
    entry, found = manifest.lanes().get((*REFERENCE, tier.id)), tier.statistics
    lift = None if entry is None else _lift(folder, entry)
    if lift is None or found is None:
        return  # said by another check
    wanted = {(one.operator, one.at, one.reason) for one in lift.kept}
    kept = [one for one in found.not_lifted if one.runtime == REFERENCE[0]]
    if (found.lifted, found.passes) != (len(lift.sites), levels(lift.sites)):
        yield (
            f"{tier.id} lifts {found.lifted} means in {found.passes} passes, the file "
            f"{len(lift.sites)} in {levels(lift.sites)}"
        )
    if {(one.operator, one.at, one.reason) for one in kept} != wanted:
        yield f"{tier.id} keeps other reductions than it says"
    if not tier.any_shape and "litert" not in found.limits:
        yield f"{tier.id} has one shape in LiteRT, and no limit says so"
    yield from _tile_faults(tier.id, found, lift, manifest.network.size_multiple_px)


def _tile_faults(
    name: str, found: TierStatistics, lift: OnnxLift, multiple_px: int
) -> Iterator[str]:
    if found.halo_px is None or found.tile_multiple_px is None:
        if REFERENCE[0] not in found.limits:
            yield f"{name} tells no halo, and no limit says why"
        return
    step_px = math.lcm(multiple_px, lift.step_px)
    if found.tile_multiple_px != step_px or found.halo_px % step_px or not found.halo_px:
        yield f"{name} has tiles of {found.tile_multiple_px} px and a halo of {found.halo_px} px"


def _lift(folder: Path, entry: FileEntry) -> OnnxLift | None:
    """None of a file that is missing, altered or no model, which other checks tell."""
    try:
        data = read_bytes(folder / entry.path)
        return OnnxLift(data) if sha256_bytes(data) == entry.sha256 else None
    except InputError:
        return None
