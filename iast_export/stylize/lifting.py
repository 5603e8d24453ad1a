"""A tier of a bundle's own files, opened with its statistics lifted out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from iast_export.files.notes import note
from iast_export.forms.lift import Lift
from iast_export.forms.lifts import LIFTS
from iast_export.pictures.images import padded_side_px
from iast_export.runtimes.session import Session
from iast_export.runtimes.target import TARGETS, Target
from iast_export.shapes.table import ShapeTable
from iast_export.specs import REFERENCE, Tier
from iast_export.stylize.lifted import Lifted, Moments
from iast_export.stylize.lifted_tier import LiftedTier, Reach, find_reach

# Of the pictures of noise that the halo is found with: twice what a network looks, and then some.
_SIDES_PX = (128, 256, 512)


@dataclass(frozen=True)
class TierFile:
    """A tier's model in one runtime and precision.

    Attributes:
        path: for messages.
        shapes: how a file of fixed shapes is re-shaped; None: it is not.
    """

    target: Target
    tier: Tier
    data: bytes
    path: Path
    shapes: ShapeTable | None = None

    def lift_at(self, height_px: int, width_px: int) -> Lift:
        """The lift for tiles of a shape; None of a shape that the file can't take."""
        data = self.data
        if self.shapes is not None:
            data = self.shapes.reshape(data, self.tier.signature, height_px, width_px)
        return LIFTS[self.target.family.runtime](data, self.tier)

    def fault(self) -> str:
        """Why tiles of any shape can't be drawn; "": they can."""
        if not self.target.family.fixed_shape:
            kept = self.lift_at(*self.tier.shape_px).kept
        elif self.shapes is None or self.shapes.find(self.tier.signature) is None:
            return f"{self.path} takes squares of {self.tier.max_side_px} px alone"
        else:
            kept = self.lift_at(*self.tier.shape_px).kept
        return f"{self.path} keeps {', '.join(kept)}" if kept else ""

    def open(self, model: bytes) -> Session:
        """A session over what was lifted out of it."""
        return self.target.open(model, self.tier, where=self.path)


def lifted_tier(
    file: TierFile, full: bytes, codes: Moments, multiple_px: int
) -> Callable[[], Lifted] | None:
    """What opens one more engine over a lifted model; None where that can't be, said by a note.

    Args:
        file: in any precision.
        full: the tier's model of `REFERENCE`, that how far it looks is found with.
        codes: any style's, to find that with.
        multiple_px: of the network.
    """
    reach = _reach(full, file.tier, codes, multiple_px)
    fault = reach.fault or file.fault()
    if fault:
        note("lifted", f"statistics of {file.tier.id} can't be taken over tiles: {fault}")
        return None
    at = file.lift_at if file.shapes is not None else _same(file.lift_at(*file.tier.shape_px))
    return partial(LiftedTier, at, file.open, reach.levels, reach.multiple_px, reach.halo_px)


def _same(lift: Lift) -> Callable[[int, int], Lift]:
    """One lift for all shapes."""
    return lambda *_: lift


def _reach(full: bytes, tier: Tier, codes: Moments, multiple_px: int) -> Reach:
    runtime, _ = REFERENCE
    lift = LIFTS[runtime](full, tier)
    file = TierFile(TARGETS[runtime], tier, full, Path(tier.id))
    found = Reach(0, 0, 0)
    for side in _SIDES_PX:
        px = padded_side_px(side, multiple_px)
        found = find_reach(_same(lift), file.open, codes, multiple_px, (px, px))
        if not found.fault or lift.kept:
            break
    return found
