"""A tier of a bundle's own files, opened with its statistics lifted out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from iast_export.files.notes import note
from iast_export.forms.lift import Kept, Lift, levels
from iast_export.forms.lift_onnx import largest_tensor
from iast_export.forms.lifts import LIFTS
from iast_export.pictures.images import padded_side_px
from iast_export.reports.statistics import KeptReduction, TierStatistics
from iast_export.runtimes.session import Session
from iast_export.runtimes.target import TARGETS, Target
from iast_export.shapes.table import ShapeTable
from iast_export.specs import REFERENCE, Runtime, Tier
from iast_export.stylize.lifted import Lifted, Moments
from iast_export.stylize.lifted_tier import LiftedTier, Reach, find_reach

# Of the pictures of noise that the halo is found with: twice what a network looks, and then some.
_SIDES_PX = (128, 256, 512)
# Values of the largest tensor with which the halo is looked for, 256 MiB of it: attention between
# all places grows with the fourth power of the side.
_MOST_VALUES = 1 << 26


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
        if self.target.family.fixed_shape and not self._is_reshaped:
            why = "" if self.shapes is None else self.shapes.fixed.get(self.tier.signature, "")
            square = f"{self.path.name} takes squares of {self.tier.max_side_px} px alone"
            return f"{square}: {why}" if why else square
        return "; ".join(f"{self.path.name} keeps {one}: {one.reason}" for one in self.kept())

    def kept(self) -> tuple[Kept, ...]:
        """The reductions over the picture that can't be lifted out of the file."""
        if self.shapes is not None and not self._is_reshaped:
            return LIFTS[self.target.family.runtime](self.data, self.tier).kept
        return self.lift_at(*self.tier.shape_px).kept

    @property
    def _is_reshaped(self) -> bool:
        return self.shapes is not None and self.shapes.find(self.tier.signature) is not None

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
    reach = reach_of(full, file.tier, codes, multiple_px)
    fault = reach.fault or file.fault()
    if fault:
        note("lifted", f"statistics of {file.tier.id} can't be taken over tiles: {fault}")
        return None
    return opened_tier(file, reach)


def opened_tier(file: TierFile, reach: Reach) -> Callable[[], Lifted]:
    """What opens one more engine over a lifted model, which nothing stands against.

    How many passes it takes the file says: one runtime's normalization reads mean and variance at
    once, another's the mean first.
    """
    own = file.lift_at(*file.tier.shape_px)
    at = file.lift_at if file.shapes is not None else _same(own)
    passes = levels(own.sites)
    return partial(LiftedTier, at, file.open, passes, reach.multiple_px, reach.halo_px)


def tier_statistics(
    files: Sequence[TierFile], full: bytes, codes: Moments, multiple_px: int
) -> TierStatistics:
    """What of a tier can be lifted in its files, and what stands against exact tiles.

    Args:
        files: of the tier, in any runtime and precision; the first of each runtime names what
            it keeps.
        full, codes, multiple_px: see `lifted_tier`.
    """
    lift = LIFTS[REFERENCE[0]](full, files[0].tier)
    reach = reach_of(full, files[0].tier, codes, multiple_px)
    kept: dict[Runtime, tuple[KeptReduction, ...]] = {}
    limits: dict[Runtime, str] = {}
    for file in files:
        runtime = file.target.family.runtime
        fault = file.fault() or reach.fault
        if fault:
            limits.setdefault(runtime, fault)
        if runtime not in kept:
            kept[runtime] = tuple(
                KeptReduction(runtime=runtime, operator=one.operator, at=one.at, reason=one.reason)
                for one in file.kept()
            )
    return TierStatistics(
        lifted=len(lift.sites),
        passes=levels(lift.sites),
        halo_px=None if reach.fault else reach.halo_px,
        tile_multiple_px=None if reach.fault else reach.multiple_px,
        not_lifted=tuple(chain.from_iterable(kept.values())),
        limits=limits,
    )


def _same(lift: Lift) -> Callable[[int, int], Lift]:
    """One lift for all shapes."""
    return lambda *_: lift


def reach_of(full: bytes, tier: Tier, codes: Moments, multiple_px: int) -> Reach:
    """What tiles of a tier must be, found with its model of `REFERENCE`; see `lifted_tier`."""
    runtime, _ = REFERENCE
    lift = LIFTS[runtime](full, tier)
    file = TierFile(TARGETS[runtime], tier, full, Path(tier.id))
    found = Reach(0, 0)
    for side in _SIDES_PX:
        px = padded_side_px(side, multiple_px)
        if not lift.kept and largest_tensor(full, px, px) > _MOST_VALUES:
            fault = f"a tensor of it is too large to find at {px} px how far it looks"
            return found if found.fault else Reach(0, 0, fault)
        found = find_reach(_same(lift), file.open, codes, multiple_px, (px, px))
        if not found.fault or lift.kept:
            break
    return found
