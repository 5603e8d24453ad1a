"""Large pictures, judged: one of each tier painted by tiles, beside FP32 of the whole picture.

What a tile draws rests on statistics that it is given, which no picture within the tier shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial

import numpy as np

from iast_export.environment import usable_cores
from iast_export.files.artifacts import Progress, no_progress, sha256_bytes
from iast_export.lanes.lane import Lane
from iast_export.lanes.views import EvaluationPair
from iast_export.metrics.fidelity import psnr_db, ssim
from iast_export.pictures.images import Rgb, to_levels, to_tensor
from iast_export.pictures.resize import resize
from iast_export.reports.statistics import large_plan
from iast_export.reports.verify import LargeRow
from iast_export.runtimes.target import TARGETS
from iast_export.specs import CONTENT, GOLDEN_LANES, REFERENCE, STYLIZED
from iast_export.stylize.bands import tile_bands
from iast_export.stylize.crew import crew
from iast_export.stylize.lifted_tier import Reach
from iast_export.stylize.lifting import TierFile, opened_tier, reach_of
from iast_export.stylize.statistics import Covered, exact_moments


def judge_large(
    lanes: Sequence[Lane],
    pair: EvaluationPair,
    multiple_px: int,
    progress: Progress = no_progress,
    known: Sequence[LargeRow] = (),
) -> tuple[LargeRow, ...]:
    """A row for every lane that a golden picture is promised for, of each tier that can be lifted.

    A tier or file whose statistics can't be lifted has none, as the manifest says, and no tier
    whose tiles are costly (`large_plan`).

    Args:
        lanes: as of `verify`; the others are left out.
        pair: the photograph and style to judge on.
        multiple_px: of the network.
        known: rows of the same pair; a lane of the same files is not judged again.

    Raises:
        InputError: a file is missing, a result holds NaN.
        ToolError: a runtime failed.
    """
    tiers = list(dict.fromkeys(lane.tier for lane in lanes))
    rows: list[LargeRow] = []
    for i, tier in enumerate(tiers):
        progress("judge large pictures", i, len(tiers))
        own = {(one.runtime, one.precision): one for one in lanes if one.tier == tier}
        judged = [own[key] for key in GOLDEN_LANES if key in own]
        rows += _judge_tier(own[REFERENCE], judged, pair, multiple_px, known)
    progress("judge large pictures", len(tiers), len(tiers))
    return tuple(rows)


def _judge_tier(
    reference: Lane,
    lanes: Sequence[Lane],
    pair: EvaluationPair,
    multiple_px: int,
    known: Sequence[LargeRow],
) -> list[LargeRow]:
    full = reference.read()
    reach = reach_of(full, reference.tier, pair.feeds, multiple_px)
    side_px = reference.tier.max_side_px
    plan = None if reach.fault else large_plan(side_px, reach.multiple_px, reach.halo_px)
    if plan is None:
        return []
    picture = _in_own_shape(pair.rgb, plan.long_px, reach.multiple_px)
    whole = cache(partial(_whole, reference, picture, pair))
    rows = []
    for lane in lanes:
        data = lane.read()
        of = lane.runtime, lane.precision, lane.tier.id, sha256_bytes(data), sha256_bytes(full)
        before = next((row for row in known if row.of == of), None)
        if before is not None:
            rows.append(before)
            continue
        file = TierFile(TARGETS[lane.runtime], lane.tier, data, lane.path, lane.shapes)
        if not file.fault():
            made, tiles = _by_tiles(file, reach, picture, pair, plan.tile_px)
            facts = {
                "runtime": lane.runtime,
                "precision": lane.precision,
                "tier": lane.tier.id,
                "sha256": sha256_bytes(data),
                "reference_sha256": sha256_bytes(full),
                "content": pair.content,
                "style": pair.style,
                "width_px": picture.shape[1],
                "height_px": picture.shape[0],
                "tile_px": plan.tile_px,
                "tiles": tiles,
                "psnr_db": psnr_db(made, whole()),
                "ssim": ssim(made, whole()),
            }
            rows.append(LargeRow.model_validate(facts))
    return rows


def _in_own_shape(rgb: Rgb, long_px: int, multiple_px: int) -> Rgb:
    """The photograph at the size to judge; sides are multiples, so that nothing is padded."""
    height, width = (
        max(1, round(side * long_px / max(rgb.shape[:2]) / multiple_px)) * multiple_px
        for side in rgb.shape[:2]
    )
    return resize(rgb, height, width)


def _whole(reference: Lane, picture: Rgb, pair: EvaluationPair) -> Rgb:
    session = reference.open(usable_cores())
    return to_levels(session.run({CONTENT: to_tensor(picture), **pair.feeds})[STYLIZED])


def _by_tiles(
    file: TierFile, reach: Reach, picture: Rgb, pair: EvaluationPair, tile_px: int
) -> tuple[Rgb, int]:
    """What `stylize --large tiles` makes of the picture, and of how many tiles."""
    with crew(opened_tier(file, reach), usable_cores()) as workers:
        covered = Covered.of(picture, tile_px, workers.facts)
        moments = exact_moments(workers, [covered], pair.feeds)
        bands = list(tile_bands(workers, covered, pair.feeds, moments))
    return np.concatenate(bands), covered.cover.count
