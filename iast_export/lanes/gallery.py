"""The pictures of the report: photographs x styles, and where each lane is the furthest from FP32.

They are drawn once, when a bundle is finished and its photographs are at hand, and kept small.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from iast_export.files.artifacts import Progress, no_progress
from iast_export.lanes.lane import Feeds, Lane
from iast_export.lanes.views import EvaluationPair, View, own_shape_pairs, views_of
from iast_export.pictures.images import Rgb, center_square, encode_webp, fit_longest_side
from iast_export.reports.gallery import Sheet, SheetCell, WorstPair
from iast_export.reports.verify import PairScore, VerifyReport
from iast_export.specs import REFERENCE, Precision, Runtime, Tier, is_shipped

# Pairs of a lane: enough to see of which kind its errors are.
WORST_PAIRS = 3
# Of a difference map: one level, which nobody sees, becomes visible, and a whole edge does not
# become white.
GAIN = 8
# At 60 dB the root mean square of the difference is a quarter of a level: times the gain, black.
VISIBLE_DB = 60.0
SHEET_CONTENTS, SHEET_STYLES = 4, 6
# Of the 3 MB that a page may have; the rest is for styles, goldens and words. Base64 takes 4
# letters for 3 bytes.
_MOST_BYTES = 2_000_000 * 3 // 4
_SHEET_PX = 384
# Tried from the largest until the pictures fit.
_WORST_PX = (320, 256, 192, 128)
_QUALITY = 80

LaneKey = tuple[Runtime, Precision, str]


@dataclass(frozen=True)
class Contact:
    """What the sheet is drawn from: photographs by name, style inputs by style."""

    contents: Mapping[str, Rgb]
    styles: Mapping[str, Feeds]


@dataclass(frozen=True)
class Drawn:
    """What a lane and FP32 made of a judged pair, at full size."""

    lane: LaneKey
    score: PairScore
    reference: Rgb
    picture: Rgb


@dataclass
class Gallery:
    """Pictures by id, as Base64 of WebP, and what shows them."""

    sheet: Sheet
    worst: list[WorstPair] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)


def draw_gallery(
    lanes: Sequence[Lane],
    sheet_lane: Lane,
    contact: Contact,
    pairs: Sequence[EvaluationPair],
    verified: VerifyReport,
    *,
    multiple_px: int,
    threads: int = 1,
    progress: Progress = no_progress,
) -> Gallery:
    """The sheet, and the worst pairs of every lane that `verify` judged, small enough for a page.

    Args:
        lanes: those that were judged, with the references.
        sheet_lane: what draws the sheet.
        contact: of the sheet.
        pairs: that were judged.
        verified: how.
        multiple_px: the network's size multiple.
        threads: of each session.
        progress: told after every lane.

    Raises:
        InputError: a file is missing or altered, or a result holds NaN.
        ToolError: a runtime failed.
    """
    gallery = _sheet(sheet_lane, contact, multiple_px, threads)
    found = _draw_worst(lanes, pairs, verified, multiple_px, threads, progress)
    room = _MOST_BYTES - _bytes(gallery.pictures.values())
    _add_fitting(gallery, found, room)
    return gallery


def sheet_tier(tiers: Iterable[Tier]) -> Tier:
    """The tier whose pictures are the nearest to those of the sheet in size; of two the deeper."""
    return min(tiers, key=lambda tier: (abs(tier.max_side_px - _SHEET_PX), -tier.depth))


def worst_pairs(verified: VerifyReport) -> dict[LaneKey, list[PairScore]]:
    """The pairs of each lane that are the furthest from FP32, as far as one could see it.

    A pair that was judged in two shapes comes once, in the worse one.
    """
    found: dict[LaneKey, list[PairScore]] = {}
    for row in verified.rows:
        scores = [score for part in row.parts() for score in part.pairs]
        scores.sort(key=lambda score: (score.psnr_db, score.key))
        worst = list({score.key[:2]: score for score in reversed(scores)}.values())
        worst = sorted(worst, key=lambda score: (score.psnr_db, score.key))[:WORST_PAIRS]
        if visible := [score for score in worst if score.psnr_db < VISIBLE_DB]:
            found[row.runtime, row.precision, row.tier] = visible
    return found


def difference_map(one: Rgb, other: Rgb) -> Rgb:
    """The largest difference over the channels times `GAIN`, as gray; [H, W, 3] uint8."""
    levels = np.abs(one.astype(np.int16) - other.astype(np.int16)).max(axis=2)
    gray = np.minimum(levels * GAIN, 255).astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)


def _sheet(lane: Lane, contact: Contact, multiple_px: int, threads: int) -> Gallery:
    session, pictures, cells = lane.open(threads), {}, []
    contents = {name: f"sheet-{i}" for i, name in enumerate(contact.contents)}
    for name, rgb in contact.contents.items():
        square = center_square(rgb, lane.tier.max_side_px)
        pictures[contents[name]] = _encoded(square, _SHEET_PX)
        for style, feeds in contact.styles.items():
            cell = f"{contents[name]}-{style}"
            drawn = lane.stylize(session, square, feeds, multiple_px)
            pictures[cell] = _encoded(drawn, _SHEET_PX)
            cells.append(SheetCell(content=name, style=style, picture=cell))
    assert is_shipped(lane.precision)
    sheet = Sheet(
        runtime=lane.runtime,
        precision=lane.precision,
        tier=lane.tier.id,
        contents=contents,
        cells=tuple(cells),
    )
    return Gallery(sheet, pictures=pictures)


def _draw_worst(
    lanes: Sequence[Lane],
    pairs: Sequence[EvaluationPair],
    verified: VerifyReport,
    multiple_px: int,
    threads: int,
    progress: Progress,
) -> list[Drawn]:
    """Every worst pair drawn again by its lane and by FP32, tier by tier."""
    asked = worst_pairs(verified)
    shaped = own_shape_pairs(pairs, min(lane.tier.max_side_px for lane in lanes))
    found: list[Drawn] = []
    for tier in dict.fromkeys(lane.tier for lane in lanes):
        here = {key: scores for key, scores in asked.items() if key[2] == tier.id}
        wanted = {score.key for scores in here.values() for score in scores}
        views = {
            (view.pair.content, view.pair.style, *view.content.shape[1::-1]): view
            for view in views_of(pairs, shaped, tier)
        }
        views = {key: view for key, view in views.items() if key in wanted}
        references: dict[object, Rgb] = {}
        own = [lane for lane in lanes if lane.tier == tier]
        for lane in sorted(own, key=lambda one: (one.runtime, one.precision) != REFERENCE):
            is_reference = (lane.runtime, lane.precision) == REFERENCE
            assert is_shipped(lane.precision)
            scores = here.get((lane.runtime, lane.precision, tier.id), [])
            keys = list(views) if is_reference else [one.key for one in scores]
            drawn = _draw(lane, {key: views[key] for key in keys}, multiple_px, threads)
            progress("report", len(found), len(asked) * WORST_PAIRS)
            if is_reference:
                references = drawn
                continue
            key = (lane.runtime, lane.precision, tier.id)
            found += [Drawn(key, one, references[one.key], drawn[one.key]) for one in scores]
    return found


def _draw(
    lane: Lane, views: Mapping[object, View], multiple_px: int, threads: int
) -> dict[object, Rgb]:
    if not views:
        return {}
    session = lane.open(threads)
    return {
        key: lane.stylize(session, view.content, view.pair.feeds, multiple_px)
        for key, view in views.items()
    }


def _add_fitting(gallery: Gallery, found: Sequence[Drawn], room: int) -> None:
    """Adds the pictures as large as they fit into `room` bytes; else those of the worst lanes."""
    kept = list(found)
    for side_px in _WORST_PX:
        worst, pictures = _encode_worst(kept, side_px)
        if _bytes(pictures.values()) <= room:
            break
    while kept and _bytes(pictures.values()) > room:
        best = max(dict.fromkeys(one.lane for one in kept), key=lambda key: _least_db(kept, key))
        gallery.left_out.append(" ".join(best))
        kept = [one for one in kept if one.lane != best]
        worst, pictures = _encode_worst(kept, _WORST_PX[-1])
    gallery.worst += worst
    gallery.pictures |= pictures


def _least_db(found: Sequence[Drawn], lane: LaneKey) -> float:
    return min(one.score.psnr_db for one in found if one.lane == lane)


def _encode_worst(found: Sequence[Drawn], side_px: int) -> tuple[list[WorstPair], dict[str, str]]:
    """FP32's picture of a pair is held once for all lanes of its tier."""
    pictures: dict[str, str] = {}
    references: dict[object, str] = {}

    def added(rgb: Rgb) -> str:
        name = f"worst-{len(pictures)}"
        pictures[name] = _encoded(rgb, side_px)
        return name

    worst = []
    for one in found:
        runtime, precision, tier = one.lane
        key = (tier, *one.score.key)
        if key not in references:
            references[key] = added(one.reference)
        worst.append(
            WorstPair(
                runtime=runtime,
                precision=precision,
                tier=tier,
                content=one.score.content,
                style=one.score.style,
                width_px=one.score.width_px,
                height_px=one.score.height_px,
                psnr_db=one.score.psnr_db,
                reference=references[key],
                drawn=added(one.picture),
                difference=added(difference_map(one.picture, one.reference)),
            )
        )
    return worst, pictures


def _encoded(rgb: Rgb, side_px: int) -> str:
    small = fit_longest_side(rgb, side_px) if max(rgb.shape[:2]) > side_px else rgb
    return base64.b64encode(encode_webp(small, _QUALITY)).decode("ascii")


def _bytes(encoded: Iterable[str]) -> int:
    return sum(len(one) * 3 // 4 for one in encoded)
