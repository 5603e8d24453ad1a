"""A clip in a style: frames side by side over the cores, statistics by a moving average."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import (
    Progress,
    no_progress,
    read_json,
    sha256_bytes,
    write_json,
)
from iast_export.pictures.clips import Clip, save_clip
from iast_export.pictures.images import Rgb, load_image, save_png
from iast_export.specs import Tier, select_tier
from iast_export.stylize.crew import Crew, Job, crew
from iast_export.stylize.large import Painter
from iast_export.stylize.lifted import Lifted, Moments
from iast_export.stylize.moving import KEEP, MovingMoments
from iast_export.stylize.statistics import Covered, moments_of_tiles

_STATE = "clip.json"


@dataclass(frozen=True)
class MadeClip:
    """What came of a clip: frames written, frames that an earlier run had drawn, and cuts found."""

    path: Path
    tier: str
    frames: int
    resumed: int
    cuts: tuple[int, ...]


def tier_of(engine: Painter, clip: Clip) -> Tier:
    """The tier that a clip's frames are drawn at: by their size, the largest beyond it."""
    largest = engine.tiers[-1]
    if max(clip.width_px, clip.height_px) > largest.max_side_px:
        return largest
    return select_tier(engine.tiers, clip.width_px, clip.height_px)


class VideoRun:
    """Frames of one clip in one style.

    Args:
        engine: whose tier is lifted.
        codes: of the style.
        strength: 0 to 1.
        workers: frames drawn at a time.
        keep: share of the moving average that stays; 0 takes each frame's own statistics.

    Raises:
        UsageError: the bundle's tier can't be lifted.
    """

    def __init__(
        self,
        engine: Painter,
        clip: Clip,
        codes: Moments,
        strength: float,
        workers: int,
        keep: float = KEEP,
    ) -> None:
        self.tier, self._feeds = tier_of(engine, clip), engine.feeds(codes, strength)
        opens = engine.lifted(self.tier)
        if opens is None:
            raise UsageError(
                f"statistics of {self.tier.id} can't be lifted out, so a clip would flicker",
                "take another --runtime; or stylize its frames one by one as pictures",
            )
        self._opens, self._workers, self._moving = opens, workers, MovingMoments(keep)

    @property
    def cuts(self) -> tuple[int, ...]:
        """Frames that begin a scene, as far as drawn."""
        return tuple(self._moving.cuts)

    def frames(self, clip: Iterable[Rgb], skip: int = 0) -> Iterator[Rgb]:
        """The frames in the style, in order; the first `skip` ones are measured, not drawn."""
        with ExitStack() as stack:
            workers = stack.enter_context(crew(self._opens, self._workers))
            # Two crews, as jobs of the second are made from results of the first.
            measuring = stack.enter_context(crew(self._opens, self._workers))
            yield from workers.run(self._jobs(measuring, workers.facts, clip, skip))

    def _jobs(
        self, measuring: Crew, facts: Lifted, clip: Iterable[Rgb], skip: int
    ) -> Iterator[Job[Rgb]]:
        seen: list[Covered] = []

        def own() -> Iterator[Job[Moments]]:
            for frame in clip:
                seen.append(Covered.of(frame, self.tier.max_side_px, facts))
                yield partial(moments_of_tiles, picture=seen[-1], codes=self._feeds)

        for number, found in enumerate(measuring.run(own())):
            covered = seen.pop(0)
            moments = self._moving.add(covered.rgb, found)
            if number >= skip:
                yield partial(_drawn, picture=covered, feeds=self._feeds, moments=moments)


def _drawn(engine: Lifted, picture: Covered, feeds: Moments, moments: Moments) -> Rgb:
    rows = [
        np.concatenate(
            [
                picture.given(*tile, engine.render(picture.tile(*tile), feeds, moments))
                for tile in row
            ],
            axis=1,
        )
        for row in picture.cover.rows()
    ]
    return np.concatenate(rows)


def stylize_clip(
    run: VideoRun,
    clip: Clip,
    out: Path,
    *,
    key: str,
    resume: Path | None = None,
    progress: Progress = no_progress,
) -> MadeClip:
    """Writes a clip in a style.

    Args:
        key: of all that decides the frames but the clip.
        resume: a folder for the frames drawn so far, from which a further run goes on.

    Raises:
        InputError: the clip is damaged, the folder holds another run's frames, or `out` can't be
            written.
    """
    kept = (
        None if resume is None else _Frames(resume, sha256_bytes(f"{clip.sha256} {key}".encode()))
    )
    done = 0 if kept is None else kept.count()

    def made() -> Iterator[Rgb]:
        if kept is not None:
            yield from (kept.load(number) for number in range(done))
        for number, frame in enumerate(run.frames(clip.read(), done), done):
            progress("frames", number + 1, max(clip.frames, number + 1))
            if kept is not None:
                kept.save(number, frame)
            yield frame

    frames = save_clip(out, clip.fps, made())
    return MadeClip(out, run.tier.id, frames, done, run.cuts)


class _Frames:
    """Frames drawn so far, as PNG in a folder that belongs to one run.

    Raises:
        InputError: it is another run's.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder
        state = folder / _STATE
        if state.is_file():
            if read_json(state).get("key") != key:
                raise InputError(
                    f"{folder} holds frames of another clip, style or bundle",
                    "choose another folder, or delete this one",
                )
            return
        if folder.exists() and any(folder.iterdir()):
            raise InputError(f"{folder} is no folder of frames", "choose an empty one")
        write_json(state, {"key": key})

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06d}.png"

    def count(self) -> int:
        """Frames from the first on without a gap."""
        return next(number for number in count() if not self._path(number).is_file())

    def load(self, number: int) -> Rgb:
        """A frame as it was drawn."""
        return load_image(self._path(number))

    def save(self, number: int, frame: Rgb) -> None:
        """Keeps a frame, whole or not at all."""
        save_png(self._path(number), frame)
