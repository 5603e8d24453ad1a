"""What every step of the ladder sees: photographs and styles of the bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from iast_export.bundle.sealed import Seals
from iast_export.bundle.styles import bundle_feeds
from iast_export.errors import InputError
from iast_export.lanes.lane import Feeds
from iast_export.pictures.images import Rgb
from iast_export.pictures.imagesets import ImageSet
from iast_export.reports.manifest import Manifest


@dataclass(frozen=True)
class LadderInput:
    """A photograph and a style that all steps see.

    Attributes:
        content: uint8 [H, W, 3], cut to each tier's square.
        style: its id.
        feeds: every style input of the cut network, by name.
    """

    content: Rgb
    style: str
    feeds: Feeds


def bundle_inputs(
    folder: Path, manifest: Manifest, pictures: ImageSet, count: int
) -> list[LadderInput]:
    """The first `count` pictures of a set, each with another of the bundle's styles.

    Raises:
        InputError: a style or picture can't be read, or the set holds fewer pictures.
    """
    if count > len(pictures):
        raise InputError(
            f"the set {pictures.name} holds {len(pictures)} pictures, {count} were asked for",
            "lower --pictures, or name a larger set in the recipe",
        )
    seals = Seals.of_bundle(folder, manifest)
    inputs = []
    for i in range(count):
        style = manifest.styles[i * len(manifest.styles) // count]
        feeds = bundle_feeds(manifest, seals, style)
        inputs.append(LadderInput(pictures[i], style.id, feeds))
    return inputs
