"""Checks of what the manifest promises an app: styles, golden pictures, fixed facts, reports."""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from iast_export.errors import InputError
from iast_export.families import FAMILIES
from iast_export.gate.common import check_of
from iast_export.reports.base import REPORT_PATHS
from iast_export.reports.manifest import (
    GoldenEntry,
    Manifest,
    PadTo,
    Postprocess,
    Preprocess,
    TierEntry,
)
from iast_export.reports.verdict import Check, Outcome
from iast_export.shapes.lifted import read_lifted
from iast_export.shapes.table import read_listed
from iast_export.specs import GOLDEN_LANES, STRENGTH, STYLE_ENCODER_SIDE_PX, Tier

_PNG_HEAD = struct.Struct(">8s4x4sII")
_REBUILD = "build the bundle again, and don't edit it afterwards"


def check_contract(folder: Path, manifest: Manifest, data: Mapping[str, bytes]) -> list[Check]:
    """What the manifest says beside the models' files, each kind a check.

    Args:
        folder: the bundle.
        manifest: of the bundle.
        data: bytes of the styles, golden pictures and tables of shapes that are unaltered, by path.
    """
    return [
        _checked("manifest: tiers and lanes", _lane_faults(manifest)),
        _checked("manifest: fixed facts", _fixed_faults(manifest, data)),
        _checked("manifest: golden pictures", _golden_faults(manifest, data)),
        _checked("manifest: style codes", _style_faults(manifest, data)),
        _checked("manifest: listed reports", _report_faults(folder, manifest)),
    ]


def _checked(name: str, faults: Iterator[str]) -> Check:
    found = list(faults)
    outcome: Outcome = "fail" if found else "pass"
    rule = "as every bundle has it"
    return check_of(name, "integrity", outcome, "; ".join(found[:4]) or "complete", rule, _REBUILD)


def _lane_faults(manifest: Manifest) -> Iterator[str]:
    for entry in manifest.tiers:
        tier = Tier(entry.depth, entry.max_side_px)
        if (entry.id, entry.shape_px) != (tier.id, tier.shape_px):
            yield (
                f"tier {entry.id} has depth {entry.depth}, side {entry.max_side_px}, shape "
                f"{entry.shape_px}"
            )
    lanes = Counter(
        (entry.runtime, entry.precision, tier.id)
        for entry in manifest.files
        if entry.role == "transfer"
        for tier in manifest.tiers
        if entry.tier in (None, tier.id)
    )
    yield from (f"{' '.join(lane)} has {count} files" for lane, count in lanes.items() if count > 1)
    for one in manifest.tiers:
        for runtime, precision in GOLDEN_LANES:
            if (runtime, precision, one.id) not in lanes:
                yield f"no file for {runtime} {precision} {one.id}"


def _fixed_faults(manifest: Manifest, data: Mapping[str, bytes]) -> Iterator[str]:
    """Facts that no build chooses: an app that follows others makes other pictures."""
    multiple = manifest.network.size_multiple_px
    any_shape = any(tier.any_shape for tier in manifest.tiers)
    pad_to = PadTo(litert=PadTo().onnxruntime) if any_shape else PadTo()
    wanted = Preprocess(
        size_multiple_px=multiple, style_side_px=STYLE_ENCODER_SIDE_PX, pad_to=pad_to
    )
    for part, found, needed in (
        ("preprocess", manifest.preprocess, wanted),
        ("postprocess", manifest.postprocess, Postprocess()),
    ):
        for name in type(found).model_fields:
            if getattr(found, name) != getattr(needed, name):
                yield f"{part}.{name} is {getattr(found, name)}, {getattr(needed, name)} is right"
    yield from _shape_faults(manifest, data)
    yield from _statistics_faults(manifest, data)


def _shape_faults(manifest: Manifest, data: Mapping[str, bytes]) -> Iterator[str]:
    """Tables of shapes that are of other models, or lack a tier that is said to be in them."""
    wanted = {tier.id.replace("-", "_") for tier in manifest.tiers if tier.any_shape}
    for entry in manifest.files:
        if entry.shapes is None or entry.shapes not in data:
            continue
        try:
            table = read_listed(data[entry.shapes], entry.sha256, entry.bytes, entry.shapes)
        except InputError as error:
            yield error.message
            continue
        if table.size_multiple_px != manifest.network.size_multiple_px:
            yield f"{entry.shapes} counts in steps of {table.size_multiple_px} px"
        found = {one.key for one in table.signatures}
        if found != wanted:
            odd = ", ".join(sorted(found ^ wanted))
            yield f"{entry.shapes} and the tiers disagree on any_shape of {odd}"


def _statistics_faults(manifest: Manifest, data: Mapping[str, bytes]) -> Iterator[str]:
    """Tables of statistics that are of other models, or whose tiers differ from file to file."""
    found: dict[str, set[str]] = {}
    for entry in manifest.files:
        if entry.statistics is None or entry.statistics not in data:
            continue
        raw = data[entry.statistics]
        try:
            table = read_lifted(raw, entry.sha256, entry.bytes, entry.statistics)
        except InputError as error:
            yield error.message
            continue
        found[entry.statistics] = {one.signature for one in table.tiers}
        unknown = ", ".join(sorted(found[entry.statistics] - set(entry.signatures)))
        if unknown:
            yield f"{entry.statistics} has {unknown}, which {entry.path} has not"
    if len({frozenset(keys) for keys in found.values()}) > 1:
        yield f"{', '.join(found)} are of other tiers each"


def _golden_faults(manifest: Manifest, data: Mapping[str, bytes]) -> Iterator[str]:
    counts = Counter(golden.tier for golden in manifest.golden)
    for tier in manifest.tiers:
        if counts[tier.id] != 1:
            yield f"{counts[tier.id]} golden pictures for {tier.id}"
    tiers = {tier.id: tier for tier in manifest.tiers}
    for golden in manifest.golden:
        yield from _one_golden_faults(golden, tiers[golden.tier], data)


def _one_golden_faults(
    golden: GoldenEntry, tier: TierEntry, data: Mapping[str, bytes]
) -> Iterator[str]:
    dropped = [lane for lane in GOLDEN_LANES if lane not in golden.lanes()]
    if dropped:
        yield f"{tier.id} has no golden {', '.join(' '.join(lane) for lane in dropped)}"
    for runtime, levels in golden.tolerance_levels.items():
        found = FAMILIES[runtime].tolerance_levels
        if levels > found:
            yield f"{tier.id} allows {runtime} {levels} levels, at most {found} are found"
    if golden.strength == 0.0:
        yield f"the golden picture of {tier.id} has strength 0, which shows no style"
    if len(set(golden.outputs.values()) | {golden.content}) != len(golden.outputs) + 1:
        yield f"{tier.id} names one golden picture twice"
    sizes = {path: _png_size(data[path]) for path in golden.sha256 if path in data}
    if any(size is None or max(size) > tier.max_side_px for size in sizes.values()):
        yield f"a golden picture of {tier.id} is no PNG of at most {tier.max_side_px} px"
    elif len(set(sizes.values())) > 1:
        yield f"the golden pictures of {tier.id} differ in size"


def _png_size(data: bytes) -> tuple[int, int] | None:
    """Width and height by the header; None where it is no PNG."""
    if len(data) < _PNG_HEAD.size:
        return None
    mark, kind, width, height = _PNG_HEAD.unpack_from(data)
    return (width, height) if (mark, kind) == (b"\x89PNG\r\n\x1a\n", b"IHDR") else None


def _style_faults(manifest: Manifest, data: Mapping[str, bytes]) -> Iterator[str]:
    shapes = manifest.network.code_shapes
    floats = sum(math.prod(shape) for name, shape in shapes.items() if name != STRENGTH)
    if shapes and not manifest.styles:
        yield "there is no style"
    for style in manifest.styles:
        code = data.get(style.path)
        if code is None:
            continue
        if len(code) != 4 * floats:
            yield f"{style.path} holds {len(code)} bytes, {4 * floats} are needed"
        elif not all(map(math.isfinite, struct.unpack(f"<{floats}f", code))):
            yield f"{style.path} holds a number that is not finite"


def _report_faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    for name, path in REPORT_PATHS.items():
        if manifest.reports.get(name) != path:
            yield f"{path} is not listed as {name}"
    for path in manifest.reports.values():
        if not (folder / path).is_file():
            yield f"{path} is missing"
