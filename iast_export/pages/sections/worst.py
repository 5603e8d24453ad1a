"""Where each lane is the furthest from FP32: a slider and a difference map per pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iast_export.lanes.default_lane import default_lanes
from iast_export.lanes.figures import bundle_figures
from iast_export.lanes.gallery import VISIBLE_DB
from iast_export.pages import format as fmt
from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import render
from iast_export.pages.sections.section import Section
from iast_export.reports.gallery import GalleryReport, WorstPair
from iast_export.specs import Precision, Runtime

_Lane = tuple[Runtime, Precision, str]


@dataclass(frozen=True)
class LanePairs:
    """The pairs of a lane, the furthest first; `open` where they are shown unasked."""

    name: str
    pairs: Sequence[WorstPair]
    open: bool


def section(parts: ReportParts) -> Section | None:
    """The default lane of the sheet's tier unfolded, all others to be unfolded."""
    gallery = parts.gallery
    if gallery is None:
        return None
    body = render(
        "sections/worst.html.j2",
        tiers=_by_tier(gallery, parts),
        gain=gallery.gain,
        pictures=gallery.pictures,
        alike=_alike(parts),
        visible_db=VISIBLE_DB,
        left_out=gallery.left_out,
    )
    return Section("worst", "Furthest from FP32", body)


def _by_tier(gallery: GalleryReport, parts: ReportParts) -> dict[str, list[LanePairs]]:
    defaults = default_lanes(bundle_figures(parts.benchmark, parts.verify))
    lanes: dict[_Lane, list[WorstPair]] = {}
    for pair in gallery.worst:
        lanes.setdefault(pair.lane, []).append(pair)
    tiers: dict[str, list[LanePairs]] = {}
    for runtime, precision, tier in sorted(lanes, key=lambda key: key[2] != gallery.sheet.tier):
        is_default = defaults.get((runtime, tier)) == precision
        shown = (gallery.sheet.runtime, gallery.sheet.tier) == (runtime, tier) and is_default
        name = fmt.lane_name(runtime, precision)
        pairs = lanes[runtime, precision, tier]
        tiers.setdefault(tier, []).append(LanePairs(name, pairs, shown))
    return tiers


def _alike(parts: ReportParts) -> list[str]:
    """Lanes in which nobody could see a difference, over all tiers."""
    least: dict[tuple[Runtime, Precision], float] = {}
    for row in parts.verify.rows:
        found = min(pair.psnr_db for part in row.parts() for pair in part.pairs)
        key = row.runtime, row.precision
        least[key] = min(found, least.get(key, found))
    return [
        f"{fmt.lane_name(*key)} ({fmt.decibels(found)} at worst)"
        for key, found in least.items()
        if found >= VISIBLE_DB
    ]
