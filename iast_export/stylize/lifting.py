"""A tier of a bundle's own files, opened with its statistics lifted out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from iast_export.files.notes import note
from iast_export.forms.lifts import LIFTS
from iast_export.pictures.images import padded_side_px
from iast_export.runtimes.target import TARGETS, Target
from iast_export.specs import REFERENCE, Tier
from iast_export.stylize.lifted import Lifted, Moments
from iast_export.stylize.lifted_tier import LiftedTier, Reach, find_reach

# Of the pictures of noise that the halo is found with: twice what a network looks, and then some.
_SIDES_PX = (128, 256, 512)


def lifted_tier(
    target: Target,
    data: bytes,
    full: bytes,
    tier: Tier,
    codes: Moments,
    multiple_px: int,
    path: Path,
) -> Callable[[], Lifted] | None:
    """What opens one more engine over a lifted model; None where that can't be, said by a note.

    Args:
        target: the runtime of `data`, one of any shape.
        data: the tier's model in any precision.
        full: the tier's model of `REFERENCE`, that how far it looks is found with.
        codes: any style's, to find that with.
        multiple_px: of the network.
        path: of `data`, for messages.
    """
    reach = _reach(full, tier, codes, multiple_px)
    lift = LIFTS[target.family.runtime](data, tier)
    fault = reach.fault or ("" if not lift.kept else f"{path} keeps {', '.join(lift.kept)}")
    if fault:
        note("lifted", f"statistics of {tier.id} can't be taken over tiles: {fault}")
        return None
    return partial(
        LiftedTier,
        lambda *_: lift,
        lambda model: target.open(model, tier, where=path),
        reach.levels,
        reach.multiple_px,
        reach.halo_px,
    )


def _reach(full: bytes, tier: Tier, codes: Moments, multiple_px: int) -> Reach:
    runtime, _ = REFERENCE
    lift = LIFTS[runtime](full, tier)
    found = Reach(0, 0, 0)
    for side in _SIDES_PX:
        px = padded_side_px(side, multiple_px)
        found = find_reach(
            lambda *_: lift,
            lambda model: TARGETS[runtime].open(model, tier),
            codes,
            multiple_px,
            (px, px),
        )
        if not found.fault or lift.kept:
            break
    return found
