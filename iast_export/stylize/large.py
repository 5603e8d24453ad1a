"""Pictures beyond the largest tier, in bands of rows: as tiles, like their preview, or guided.

- `tiles`: the network at the picture's own pixels, with the statistics of all of them. Strokes are
  as fine as pixels are.
- `preview`: what `--scale-down` shows, strokes and tones, with the fine strokes of the tiles added.
- `guided`: the preview's colors and light on the photograph's own detail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from iast_export.environment import usable_cores
from iast_export.errors import UsageError
from iast_export.files.artifacts import Progress, no_progress
from iast_export.files.notes import note
from iast_export.pictures.images import Rgb, fit_longest_side, fit_size
from iast_export.pictures.png_rows import save_png_rows
from iast_export.pictures.resize import AreaRows
from iast_export.pictures.tiling import tiled_bands
from iast_export.specs import Statistics, Tier, Way
from iast_export.stylize.bands import affine_bands, preview_bands, tile_bands
from iast_export.stylize.crew import Crew, crew
from iast_export.stylize.lifted import Lifted, Moments
from iast_export.stylize.statistics import Covered, exact_moments, quick_moments

# Of pictures on the sheet; chosen.
THUMBNAIL_PX = 256


@dataclass(frozen=True)
class Large:
    """What to do with pictures beyond the largest tier.

    Attributes:
        statistics: `exact`, a pass over the picture per level; `quick`, from the picture scaled
            down to the tier.
        workers: tiles drawn at a time.
    """

    way: Way = "tiles"
    statistics: Statistics = "exact"
    workers: int = field(default_factory=usable_cores)


class Painter(Protocol):
    """What `LargeRun` asks of an engine."""

    tiers: list[Tier]

    @property
    def size_multiple_px(self) -> int:
        """Of the network."""
        ...

    def feeds(self, codes: Moments, strength: float) -> Moments:
        """Codes of a style with the strength, as the network takes them."""
        ...

    def draw(self, rgb: Rgb, feeds: Moments, tier: Tier) -> Rgb:
        """A picture within the tier, in one run."""
        ...

    def lifted(self, tier: Tier) -> Callable[[], Lifted] | None:
        """What opens a tier with its statistics lifted out; None where that can't be."""
        ...


class LargeRun:
    """Large pictures of one run: workers are opened with the first tile and kept to the end."""

    def __init__(self, how: Large, progress: Progress = no_progress) -> None:
        self.how, self._progress = how, progress
        self._crews: dict[int, Crew | None] = {}
        self._open = ExitStack()

    def __enter__(self) -> LargeRun:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def bands(self, engine: Painter, rgb: Rgb, codes: Moments, strength: float) -> Iterator[Rgb]:
        """The stylized picture from top to bottom, [rows, W, 3] levels.

        Raises:
            InputError: the result holds NaN.
            ToolError: the runtime failed.
            UsageError: a strength other than 1 on a network that takes none.
        """
        feeds, tier = engine.feeds(codes, strength), engine.tiers[-1]
        if self.how.way == "tiles":
            yield from self._tiles(engine, rgb, feeds, tier)
            return
        small = fit_longest_side(rgb, tier.max_side_px)
        preview = engine.draw(small, feeds, tier)
        if self.how.way == "guided":
            yield from affine_bands(rgb, small, preview)
            return
        tiles = self._tiles(engine, rgb, feeds, tier)
        yield from preview_bands(tiles, preview, (rgb.shape[0], rgb.shape[1]))

    def save(self, path: Path, engine: Painter, rgb: Rgb, codes: Moments, strength: float) -> Rgb:
        """Writes the stylized picture as PNG row by row, whole or not at all; its `thumbnail`.

        Raises:
            InputError, ToolError, UsageError: see `bands`; or the folder can't be written.
        """
        height, width = rgb.shape[:2]
        small = AreaRows((height, width), fit_size(height, width, THUMBNAIL_PX))
        rows: list[Rgb] = []

        def seen(bands: Iterator[Rgb]) -> Iterator[Rgb]:
            for band in bands:
                rows.append(small.add(band))
                yield band

        save_png_rows(path, height, width, seen(self.bands(engine, rgb, codes, strength)))
        return np.concatenate(rows)

    def _tiles(self, engine: Painter, rgb: Rgb, feeds: Moments, tier: Tier) -> Iterator[Rgb]:
        workers = self._crew(engine, tier)
        if workers is None:
            yield from self._own_statistics(engine, rgb, feeds, tier)
            return
        picture = Covered.of(rgb, tier.max_side_px, workers.facts)
        if self.how.statistics == "quick":
            moments = quick_moments(workers, [rgb], feeds, tier.max_side_px)
        else:
            moments = exact_moments(workers, [picture], feeds, self._progress)
        yield from tile_bands(workers, picture, feeds, moments, self._progress)

    def _own_statistics(
        self, engine: Painter, rgb: Rgb, feeds: Moments, tier: Tier
    ) -> Iterator[Rgb]:
        """For networks whose statistics can't be lifted: each tile has its own, and they blend."""
        if self.how.statistics == "exact" and self.how.way == "tiles":
            note(
                "statistics",
                "this network's statistics can't be taken over the whole picture: tones may differ "
                "from tile to tile; --large preview takes them from one small picture",
            )
        yield from tiled_bands(
            rgb,
            tier.max_side_px,
            engine.size_multiple_px,
            lambda tile: engine.draw(tile, feeds, tier),
            self._progress,
        )

    def _crew(self, engine: Painter, tier: Tier) -> Crew | None:
        if id(engine) not in self._crews:
            opens = engine.lifted(tier)
            made = None if opens is None else crew(opens, self.how.workers)
            self._crews[id(engine)] = None if made is None else self._open.enter_context(made)
        return self._crews[id(engine)]


def thumbnail(rgb: Rgb) -> Rgb:
    """A picture for the sheet."""
    return fit_longest_side(rgb, THUMBNAIL_PX) if max(rgb.shape[:2]) > THUMBNAIL_PX else rgb


def check_large(how: Large) -> None:
    """Refuses choices that do nothing.

    Raises:
        UsageError: quick statistics where none are taken.
    """
    if how.way == "guided" and how.statistics == "quick":
        raise UsageError(
            "--statistics quick does nothing with --large guided, which draws one small picture",
            "leave it out",
        )
