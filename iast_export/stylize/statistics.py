"""Moments of pictures: exact over all their tiles, or quick from thumbnails.

Moments add up: what is summed over the tiles of one picture, or of all pictures of a scene, is what
the network would have found in them as one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError
from iast_export.files.artifacts import Progress, no_progress
from iast_export.pictures.images import Rgb, fit_longest_side, pad_to, to_levels, to_tensor
from iast_export.stylize.cover import Cover, Span
from iast_export.stylize.crew import Crew, Job
from iast_export.stylize.lifted import Lifted, Moments, Plane

Sums = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Covered:
    """A picture [H, W, 3] uint8, and the tiles that it is seen in."""

    rgb: Rgb
    cover: Cover

    @classmethod
    def of(cls, rgb: Rgb, largest_px: int, facts: Lifted) -> Covered:
        """The picture in tiles of at most `largest_px`."""
        height, width = rgb.shape[:2]
        return cls(rgb, Cover.of(height, width, largest_px, facts.halo_px, facts.multiple_px))

    def tile(self, down: Span, across: Span) -> Plane:
        """What a tile reads, [1, 3, H, W]; padded where the picture's side is no multiple."""
        height, width = self.cover.shape_px
        cut = self.rgb[
            down.start_px : down.start_px + height, across.start_px : across.start_px + width
        ]
        return to_tensor(pad_to(cut, height, width))

    def given(self, down: Span, across: Span, made: Plane) -> Rgb:
        """What a tile gives of what it made [1, 3, H, W]."""
        rows = slice(down.first_px - down.start_px, down.last_px - down.start_px)
        columns = slice(across.first_px - across.start_px, across.last_px - across.start_px)
        return to_levels(made[:, :, rows, columns])

    def weight(self, down: Span, across: Span, share: float) -> Plane:
        """`share` where the tile gives the picture's pixels, 0 elsewhere."""
        plane = np.zeros(self.cover.shape_px, np.float32)
        rows = slice(down.first_px - down.start_px, down.last_px - down.start_px)
        plane[rows, across.first_px - across.start_px : across.last_px - across.start_px] = share
        return plane


def moments_of_tiles(engine: Lifted, picture: Covered, codes: Moments) -> Moments:
    """As `exact_moments` of one picture, by one engine.

    Raises:
        InputError: moments that are not finite.
    """
    moments: dict[str, NDArray[np.float32]] = {}
    for level in range(engine.levels):
        sums: Sums = {}
        for job in _jobs([picture], codes, dict(moments), level):
            for name, values in job(engine).items():
                sums[name] = sums.get(name, 0.0) + values.astype(np.float64)
        moments |= {name: values.astype(np.float32) for name, values in sums.items()}
    _check(moments)
    return moments


def exact_moments(
    crew: Crew, pictures: Collection[Covered], codes: Moments, progress: Progress = no_progress
) -> Moments:
    """The moments of all levels, a pass over all tiles per level; each picture counts alike.

    Args:
        pictures: gone through once per level.

    Raises:
        InputError: moments that are not finite.
    """
    moments: dict[str, NDArray[np.float32]] = {}
    levels, done = crew.facts.levels, 0
    # Pictures that are read anew each time are counted, not tiles.
    tiles = sum(one.cover.count for one in pictures) if isinstance(pictures, list) else 0
    for level in range(levels):
        sums: Sums = {}
        for part in crew.run(_jobs(pictures, codes, dict(moments), level)):
            for name, values in part.items():
                # In float64 and in the order of tiles, so that no number of workers matters.
                sums[name] = sums.get(name, 0.0) + values.astype(np.float64)
            done += 1
            progress("statistics", done, levels * tiles or done + 1)
        moments |= {name: values.astype(np.float32) for name, values in sums.items()}
    _check(moments)
    return moments


def quick_moments(crew: Crew, pictures: Sequence[Rgb], codes: Moments, side_px: int) -> Moments:
    """As `exact_moments`, from each picture scaled down to `side_px` where it is larger."""
    small = [
        fit_longest_side(rgb, side_px) if max(rgb.shape[:2]) > side_px else rgb for rgb in pictures
    ]
    return exact_moments(crew, [Covered.of(rgb, side_px, crew.facts) for rgb in small], codes)


def _jobs(
    pictures: Collection[Covered], codes: Moments, before: Moments, level: int
) -> Iterator[Job[Moments]]:
    for picture in pictures:
        share = 1.0 / (picture.rgb.shape[0] * picture.rgb.shape[1] * len(pictures))
        for down, across in chain.from_iterable(picture.cover.rows()):

            def measure(
                engine: Lifted,
                picture: Covered = picture,
                down: Span = down,
                across: Span = across,
                share: float = share,
            ) -> Moments:
                weight = picture.weight(down, across, share)
                return engine.measure(picture.tile(down, across), weight, codes, before, level)

            yield measure


def _check(moments: Moments) -> None:
    for name, values in moments.items():
        if not np.isfinite(values).all():
            raise InputError(
                f"the statistics of {name} hold NaN or infinity",
                "the model or its weights are damaged; inspect it, then export or train again",
            )
