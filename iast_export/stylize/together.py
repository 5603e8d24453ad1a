"""Views of one scene, or an album, drawn with one set of statistics: one tone for all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np

from iast_export.errors import UsageError
from iast_export.files.artifacts import Progress, no_progress
from iast_export.pictures.images import Rgb
from iast_export.specs import Tier, select_tier
from iast_export.stylize.bands import tile_bands
from iast_export.stylize.crew import crew
from iast_export.stylize.large import Painter
from iast_export.stylize.lifted import Lifted, Moments
from iast_export.stylize.statistics import Covered, exact_moments


@dataclass(frozen=True)
class Together:
    """How many tiles are drawn at a time."""

    workers: int


@dataclass(frozen=True)
class Album(Collection[Covered]):
    """Pictures as tiles, each read anew whenever it is looked at, so that one is held at a time."""

    loads: Sequence[Callable[[], Rgb]]
    side_px: int
    facts: Lifted

    def __len__(self) -> int:
        return len(self.loads)

    def __iter__(self) -> Iterator[Covered]:
        return (self.covered(load()) for load in self.loads)

    def __contains__(self, picture: object) -> bool:
        return any(picture is one for one in self)

    def covered(self, rgb: Rgb) -> Covered:
        """A picture in tiles."""
        return Covered.of(rgb, self.side_px, self.facts)


def tier_together(tiers: Sequence[Tier], shapes: Sequence[tuple[int, int]]) -> Tier:
    """The one tier for all: that of the largest picture, the largest tier beyond it."""
    longest = max(max(shape) for shape in shapes)
    return select_tier(tiers, *[min(longest, tiers[-1].max_side_px)] * 2)


class TogetherRun:
    """Draws pictures with the moments of all of them, each picture counting alike.

    Args:
        engine: whose tier is lifted.
        loads: what reads each picture.

    Raises:
        UsageError: the bundle's tier can't be lifted.
    """

    def __init__(
        self,
        engine: Painter,
        tier: Tier,
        loads: Sequence[Callable[[], Rgb]],
        workers: int,
        progress: Progress = no_progress,
    ) -> None:
        opens = engine.lifted(tier)
        if opens is None:
            raise UsageError(
                f"statistics of {tier.id} can't be lifted out, so pictures can't share them",
                "take another --runtime, or leave --together out",
            )
        self._open = ExitStack()
        self._crew = self._open.enter_context(crew(opens, workers))
        self._engine, self._progress = engine, progress
        self._album = Album(loads, tier.max_side_px, self._crew.facts)

    def __enter__(self) -> TogetherRun:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def moments(self, codes: Moments, strength: float) -> Moments:
        """Of all pictures, in a style."""
        feeds = self._engine.feeds(codes, strength)
        return exact_moments(self._crew, self._album, feeds, self._progress)

    def draw(self, rgb: Rgb, codes: Moments, strength: float, moments: Moments) -> Rgb:
        """One of the pictures, [H, W, 3]."""
        feeds, picture = self._engine.feeds(codes, strength), self._album.covered(rgb)
        return np.concatenate(list(tile_bands(self._crew, picture, feeds, moments)))
