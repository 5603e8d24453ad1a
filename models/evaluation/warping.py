"""How still networks draw clips where they draw as much of a style, beside the first one named.

    python -m models.evaluation.warping --data DIR --clips bikes.mp4 carphone_pristine.mp4 \
        --network first=FIRST --network packaged=iast_export/data/iast.safetensors

Warping error as `iast-export verify --video` takes it, RMS of a frame to the last one moved along,
in levels of 255; noise gain likewise. A picture with less of the style is stiller, so each clip and
artwork is judged at one style distance: the largest that a network has at full strength, which the
others come to at a strength of their own. The clips come from `python -m benchmarks.clips`; no
picture of them is kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from iast_export.files.artifacts import write_atomic
from iast_export.metrics.equal_style import at_style
from iast_export.metrics.flicker import judge_step, motion, noise_gain
from iast_export.metrics.style import Statistics, style_distance, style_statistics
from iast_export.pictures.images import Rgb
from models.data import test_artworks
from models.evaluation.noise import (
    ARTWORKS,
    SIDE_PX,
    Draw,
    clip_frames,
    drawing,
    networks_of,
    squares,
)

FRAMES = 6
STRENGTHS = (0.4, 0.55, 0.7, 0.85, 1.0)
_ABOUT = (
    "Warping error in levels of 255 (RMS of a frame to the last one moved along) where all "
    f"networks have as much of the style: the first {FRAMES} frames, squares of at most "
    f"{SIDE_PX} px, {ARTWORKS} artworks that trained nothing, each at the largest style distance "
    "that a network has at full strength."
)
COLUMNS = (
    "clip", "depth", "network", "style distance", "warping error", "beside the first",
    "at full strength", "noise gain", "the clip's own error",
)  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """A network's clip in a style, by rising strength: [S] each; errors in levels of 255."""

    style: np.ndarray
    error: np.ndarray
    gain: np.ndarray

    def at(self, distance: float) -> tuple[float, float]:
        """Warping error and noise gain where the style distance is as given."""
        return at_style(self.style, self.error, distance), at_style(self.style, self.gain, distance)


def curve_of(drawings: Sequence[Draw], frames: Sequence[Rgb], wanted: Statistics) -> Curve:
    """A clip as it is drawn at each of rising strengths."""
    flows = [motion(*pair) for pair in pairwise(frames)]
    found = []
    for one in drawings:
        results = [one(frame) for frame in frames]
        steps = [
            judge_step(clip, result, known).error
            for clip, result, known in zip(pairwise(frames), pairwise(results), flows, strict=True)
        ]
        styles = [style_distance(result, wanted) for result in results]
        gain = noise_gain(one, frames[0])
        found.append((np.mean(styles), 255 * np.mean(steps), gain))
    return Curve(*np.array(found).T)


def clip_error(frames: Sequence[Rgb]) -> float:
    """Warping error of a clip itself."""
    return 255 * float(np.mean([judge_step(pair, pair).error for pair in pairwise(frames)]))


def at_equal_style(curves: Sequence[Sequence[Curve]]) -> list[tuple[float, float, float, float]]:
    """Of each network [networks][artworks]: means at the common style distance of every artwork.

    Returns:
        Style distance, warping error, that at full strength, noise gain.
    """
    found = []
    for mine in curves:
        rows = []
        for artwork, curve in enumerate(mine):
            distance = max(float(one[artwork].style[-1]) for one in curves)
            error, gain = curve.at(distance)
            rows.append((distance, error, curve.error[-1], gain))
        style, error, full, gain = np.mean(rows, axis=0)
        found.append((float(style), float(error), float(full), float(gain)))
    return found


def rows(
    networks: Mapping[str, Any],
    depths: Sequence[int],
    clips: Mapping[str, Sequence[Rgb]],
    artworks: Sequence[Rgb],
) -> list[tuple[str, ...]]:
    """A line per clip, depth and network, as `COLUMNS` says."""
    found: list[tuple[str, ...]] = []
    bar = tqdm(total=len(clips) * len(depths) * len(networks) * len(artworks), disable=None)
    for name, frames in clips.items():
        own = clip_error(frames)
        for depth in depths:
            curves: list[list[Curve]] = []
            for net in networks.values():
                curves.append([])
                for artwork in artworks:
                    drawings = [drawing(net, net.cut(depth), artwork, s) for s in STRENGTHS]
                    curves[-1].append(curve_of(drawings, frames, style_statistics(artwork)))
                    bar.update()
            made = at_equal_style(curves)
            for called, (style, error, full, gain) in zip(networks, made, strict=True):
                beside = 100 * (error / made[0][1] - 1)
                found.append(
                    (name, str(depth), called, f"{style:.3f}", f"{error:.2f}", f"{beside:+.0f} %",
                     f"{full:.2f}", f"{gain:.2f}", f"{own:.2f}")
                )  # fmt: skip
    bar.close()
    return found


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with images/")
    parser.add_argument("--clips", type=Path, required=True, nargs="+", metavar="FILE")
    parser.add_argument(
        "--network", action="append", required=True, metavar="NAME=WEIGHTS", help="may be repeated"
    )
    parser.add_argument("--depths", type=int, nargs="+", default=[3, 1], metavar="N")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write warping.md there as well")
    args = parser.parse_args(argv)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    artworks = squares(test_artworks(args.data / "images"), ARTWORKS)
    networks = networks_of(args.network)
    clips = {path.stem: clip_frames(path, FRAMES, apart=1) for path in args.clips}
    lines = [f"| {' | '.join(COLUMNS)} |", f"| --- | ---: | --- |{' ---: |' * (len(COLUMNS) - 3)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows(networks, args.depths, clips, artworks)]
    told = "\n".join(lines)
    if args.out:
        write_atomic(args.out / "warping.md", f"{_ABOUT}\n\n{told}\n".encode())
    print(told)


if __name__ == "__main__":
    main()
