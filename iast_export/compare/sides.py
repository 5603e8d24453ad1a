"""The two bundles of a comparison, and what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iast_export.errors import InputError
from iast_export.lanes.opened import OpenBundle
from iast_export.pictures.imagesets import spread
from iast_export.reports.manifest import LaneKey
from iast_export.specs import REFERENCE, find_tiers


@dataclass(frozen=True)
class Sides:
    """BASE and HEAD.

    Attributes:
        keys: lanes that both have, tier by tier, ONNX FP32 of each first.
        styles: ids of those that are drawn.
    """

    base: OpenBundle
    head: OpenBundle
    keys: tuple[LaneKey, ...]
    styles: tuple[str, ...]

    @property
    def tiers(self) -> list[str]:
        """Ids of the tiers that both have, the smallest first."""
        return list(dict.fromkeys(tier for _, _, tier in self.keys))

    @property
    def same_checkpoint(self) -> bool:
        """Whether both were made from the same weights of the same network."""
        one, other = self.base.manifest.source, self.head.manifest.source
        known = one.checkpoint_sha256 is not None
        return known and (one.network, one.checkpoint_sha256) == (
            other.network,
            other.checkpoint_sha256,
        )

    def lacks(self) -> tuple[str, ...]:
        """Lanes and styles of BASE that HEAD lacks, by name."""
        return _beyond(self.base, self.head, self.tiers)

    def adds(self) -> tuple[str, ...]:
        """Those of HEAD that BASE lacks."""
        return _beyond(self.head, self.base, self.tiers)

    def same_file(self, key: LaneKey) -> bool:
        """Whether both have the same bytes in a lane."""
        one, other = (side.manifest.lanes()[key].sha256 for side in (self.base, self.head))
        return one == other

    def same_pictures(self, key: LaneKey) -> bool:
        """Whether both must draw the same there and in its FP32: same files, same codes."""
        codes = [{name: side.styles[name].sha256 for name in self.styles} for side in self.both]
        reference: LaneKey = (*REFERENCE, key[2])
        return self.same_file(key) and self.same_file(reference) and codes[0] == codes[1]

    @property
    def both(self) -> tuple[OpenBundle, OpenBundle]:
        """BASE, HEAD."""
        return self.base, self.head


def open_sides(base: Path, head: Path, tiers: Sequence[str], most_styles: int) -> Sides:
    """Both bundles, and what is compared of them.

    Args:
        base: a bundle.
        head: another, or the same.
        tiers: ids; none: all that both have.
        most_styles: as many of the styles that both have, spread over them.

    Raises:
        InputError: one is no bundle or altered, or they share no tier or no style.
        UsageError: BASE has no tier that was named.
    """
    one, other = OpenBundle.of(base), OpenBundle.of(head)
    chosen = {tier.id for tier in find_tiers(one.manifest.depth_plan, tiers, "BASE")}
    lanes = one.manifest.lanes().keys() & other.manifest.lanes().keys()
    keys = [key for key in one.manifest.lanes() if key in lanes and key[2] in chosen]
    shared = [name for name in one.styles if name in other.styles]
    order = list(one.tiers)
    keys.sort(key=lambda key: (order.index(key[2]), key[:2] != REFERENCE))
    without = [tier for tier in chosen if (*REFERENCE, tier) not in keys]
    if not keys or not shared or (tiers and without):
        what = "style" if keys and not without else "tier"
        raise InputError(
            f"{base} and {head} share no {what} that could be compared",
            "compare bundles of one network: tiers and styles are told apart by their ids",
        )
    keys = [key for key in keys if key[2] not in without]
    styles = tuple(shared[i] for i in spread(len(shared), most_styles))
    return Sides(one, other, tuple(keys), styles)


def check_judged_apart(sides: Sides, set_sha256: str, name: str) -> None:
    """Refuses photographs that calibrated one of the bundles.

    Raises:
        UsageError: they did.
    """
    for side in sides.both:
        side.check_judged_apart(set_sha256, name, "--pictures SET")


def _beyond(one: OpenBundle, other: OpenBundle, tiers: Sequence[str]) -> tuple[str, ...]:
    """What the one has and the other has not; of lanes, at tiers that both have, and tiers."""
    lanes = one.manifest.lanes().keys() - other.manifest.lanes().keys()
    gone = [tier for tier in one.tiers if tier not in other.tiers]
    found = [" ".join(key) for key in sorted(lanes) if key[2] not in gone]
    styles = [f"style {name}" for name in one.styles if name not in other.styles]
    return (*(f"tier {tier}" for tier in gone), *found, *styles)
