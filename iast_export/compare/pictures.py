"""Photographs drawn by every lane of both bundles, and each picture judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iast_export.compare.sides import Sides
from iast_export.environment import usable_cores
from iast_export.lanes.lane import Lane
from iast_export.lanes.opened import OpenBundle
from iast_export.metrics.fidelity import psnr_db, ssim_content
from iast_export.metrics.style import style_distance
from iast_export.pictures.images import Rgb, center_square
from iast_export.reports.comparison import ComparedPair, Drawn
from iast_export.reports.manifest import LaneKey
from iast_export.runtimes.session import Session
from iast_export.specs import REFERENCE

# Of a photograph, at all tiers but the first, where styles are judged one by one; chosen.
_STYLES_EACH = 3
Pairs = dict[LaneKey, list[ComparedPair]]


@dataclass(frozen=True)
class Photograph:
    """A photograph of the set, by its place in it."""

    place: int
    name: str
    rgb: Rgb


class TierPictures:
    """The lanes of one tier, open in both bundles.

    Args:
        sides: both bundles.
        tier: its id.
        keys: the lanes to draw, without those that draw the same in both.
        threads: of each session.

    Raises:
        InputError: a file is missing or altered.
        ToolError: a runtime refuses its file.
    """

    def __init__(self, sides: Sides, tier: str, keys: Sequence[LaneKey], threads: int) -> None:
        self._sides, self._keys = sides, list(keys)
        self._side_px = sides.base.tiers[tier].max_side_px
        self._in_all_styles = tier == sides.tiers[0]
        self._reference: LaneKey = (*REFERENCE, tier)
        drawn = dict.fromkeys([self._reference, *keys])
        self._open = [_open(side, list(drawn), threads) for side in sides.both]

    def draw(self, photograph: Photograph, judging: Judging) -> Pairs:
        """What both make of a photograph in each of its styles, by lane."""
        content = center_square(photograph.rgb, self._side_px)
        jobs: dict[LaneKey, list[Future[ComparedPair]]] = {key: [] for key in self._keys}
        for style in self._styles_of(photograph):
            feeds = [side.feeds(style) for side in self._sides.both]

            def drawn(
                key: LaneKey, feeds: Sequence[Mapping[str, NDArray[np.float32]]] = feeds
            ) -> list[Rgb]:
                return [
                    opened[key][0].stylize(opened[key][1], content, fed)
                    for opened, fed in zip(self._open, feeds, strict=True)
                ]

            references = drawn(self._reference)
            for key in self._keys:
                own = references if key == self._reference else drawn(key)
                to = None if key == self._reference else references
                pair = photograph.name, style
                jobs[key].append(judging.pair(pair, content, own, to, references[0]))
        return {key: [job.result() for job in of_key] for key, of_key in jobs.items()}

    def _styles_of(self, photograph: Photograph) -> Iterator[str]:
        """All at the first tier; elsewhere a few, going round."""
        styles = self._sides.styles
        each = len(styles) if self._in_all_styles else min(_STYLES_EACH, len(styles))
        start = photograph.place * each
        return (styles[(start + i) % len(styles)] for i in range(each))


class Judging:
    """Judges pictures in threads while the next are drawn; BASE's artworks judge both.

    Args:
        sides: both bundles.

    Raises:
        InputError: a thumbnail is missing or altered.
    """

    def __init__(self, sides: Sides) -> None:
        self._statistics = {style: sides.base.statistics(style) for style in sides.styles}
        self._pool = ThreadPoolExecutor(max_workers=usable_cores())

    def pair(
        self,
        of: tuple[str, str],
        content: Rgb,
        own: Sequence[Rgb],
        references: Sequence[Rgb] | None,
        base_reference: Rgb,
    ) -> Future[ComparedPair]:
        """The scores of both pictures of a lane, when they are ready."""

        def judged() -> ComparedPair:
            base, head = (
                self._drawn(of[1], content, own[i], references[i] if references else None, to=to)
                for i, to in enumerate([base_reference] * 2)
            )
            return ComparedPair(content=of[0], style=of[1], base=base, head=head)

        return self._pool.submit(judged)

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown(cancel_futures=True)

    def _drawn(self, style: str, content: Rgb, picture: Rgb, own: Rgb | None, to: Rgb) -> Drawn:
        statistics = self._statistics[style]
        return Drawn(
            psnr_db=None if own is None else psnr_db(picture, own),
            base_psnr_db=psnr_db(picture, to),
            ssim_content=ssim_content(picture, content),
            style_distance=None if statistics is None else style_distance(picture, statistics),
        )


def _open(
    side: OpenBundle, keys: Sequence[LaneKey], threads: int
) -> dict[LaneKey, tuple[Lane, Session]]:
    lanes = {key: side.lane(key) for key in keys}
    return {key: (lane, lane.open(threads)) for key, lane in lanes.items()}


def photographs(
    names: Sequence[str], load: Callable[[int], Rgb], places: range
) -> Iterator[Photograph]:
    """The photographs at some places of a set, each decoded when it is its turn."""
    return (Photograph(i, names[i], load(i)) for i in places)
