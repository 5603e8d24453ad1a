"""What every step of the ladder sees: photographs and styles of the bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from iast_export.bundle.sealed import Seals
from iast_export.bundle.styles import bundle_feeds
from iast_export.errors import InputError
from iast_export.lanes.lane import Feeds
from iast_export.lanes.views import own_shape_places
from iast_export.pictures.images import Rgb
from iast_export.pictures.imagesets import ImageSet
from iast_export.reports.manifest import Manifest


@dataclass(frozen=True)
class LadderInput:
    """A photograph and a style that all steps see.

    Attributes:
        content: uint8 [H, W, 3].
        style: its id.
        feeds: every style input of the cut network, by name.
        own_shape: whether tiers that take any shape see it as it is; else it is cut to the square.
    """

    content: Rgb
    style: str
    feeds: Feeds
    own_shape: bool = False


def bundle_inputs(
    folder: Path, manifest: Manifest, pictures: ImageSet, count: int
) -> list[LadderInput]:
    """The first `count` pictures of a set, each with another of the bundle's styles.

    A third of them or more keep their own shape: the last ones give way to later pictures of the
    set where fewer of the first are not square.

    Raises:
        InputError: a style or picture can't be read, or the set holds fewer pictures.
    """
    if count > len(pictures):
        raise InputError(
            f"the set {pictures.name} holds {len(pictures)} pictures, {count} were asked for",
            "lower --pictures, or name a larger set in the recipe",
        )
    seals = Seals.of_bundle(folder, manifest)
    smallest_px = min(tier.max_side_px for tier in manifest.tiers)
    chosen, own = _chosen(pictures, count, smallest_px)
    inputs = []
    for i, content in enumerate(chosen):
        style = manifest.styles[i * len(manifest.styles) // count]
        feeds = bundle_feeds(manifest, seals, style)
        inputs.append(LadderInput(content, style.id, feeds, i in own))
    return inputs


def _chosen(pictures: ImageSet, count: int, smallest_px: int) -> tuple[list[Rgb], frozenset[int]]:
    """The pictures, and the places of those that keep their own shape."""
    chosen, wanted = [pictures[i] for i in range(count)], -(-count // 3)
    places = own_shape_places(chosen, smallest_px)
    later = iter(range(count, len(pictures)))
    while len(places) < wanted and (k := next(later, None)) is not None:
        if own_shape_places([pictures[k]], smallest_px):
            free = max(i for i in range(count) if i not in places)
            chosen[free] = pictures[k]
            places.append(free)
    return chosen, frozenset(places[:wanted])
