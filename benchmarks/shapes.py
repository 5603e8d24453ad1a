"""How near a bundle's pictures are to the network's in every shape, and what a shape costs.

    python -m benchmarks.shapes dist/demo

A row per shape and lane: least and mean PSNR over pictures to ONNX FP32 of the tier on the picture
as it is, padded to the network's multiple alone (export held that file to 1e-4 of PyTorch). Then
nanoseconds of processor time per pixel of LiteRT at 3:2 beside the square of as many pixels, the
best of turns, and what opening a new shape takes.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from iast_export.bundle.layout import Layout
from iast_export.bundle.sealed import Seals
from iast_export.bundle.styles import unpack
from iast_export.lanes.lane import Lane, find_lanes, timed_run
from iast_export.pictures.images import Rgb, pad_to_multiple, to_tensor
from iast_export.pictures.imagesets import load_set
from iast_export.pictures.resize import resize
from iast_export.reports.manifest import Manifest, load_manifest
from iast_export.runtimes.session import Array, Session
from iast_export.specs import CONTENT, REFERENCE, STRENGTH, STYLIZED, Tier, select_tier

SHAPES = (
    (400, 600),
    (172, 256),
    (600, 400),
    (1000, 100),
    (360, 640),
    (96, 128),
    (256, 26),
    (40, 40),
    (16, 16),
)
_TURNS = 15
_CAP = 1e-10


def feeds_of(folder: Path, manifest: Manifest) -> list[dict[str, Array]]:
    """Every style's inputs, at full strength."""
    shapes = manifest.network.code_shapes
    full = {STRENGTH: np.ones((1, 1), np.float32)} if STRENGTH in shapes else {}
    paths = [folder / style.path for style in manifest.styles]
    return [{**unpack(path.read_bytes(), shapes, path), **full} for path in paths]


def cropped(rgb: Rgb, height: int, width: int) -> Rgb:
    """The middle of a picture in a shape, scaled to that size."""
    scale = min(rgb.shape[0] / height, rgb.shape[1] / width)
    h, w = max(1, int(height * scale)), max(1, int(width * scale))
    top, left = (rgb.shape[0] - h) // 2, (rgb.shape[1] - w) // 2
    return resize(rgb[top : top + h, left : left + w].copy(), height, width)


def psnr_db(a: Array, b: Array) -> float:
    return -10 * math.log10(max(_CAP, float(np.mean(np.square(a - b)))))


def judged(
    lanes: Sequence[Lane], manifest: Manifest, pictures: Sequence[Rgb], folder: Path
) -> Iterator[str]:
    """A row per shape and lane."""
    multiple, codes = manifest.network.size_multiple_px, feeds_of(folder, manifest)
    for height, width in SHAPES:
        tier = select_tier(manifest.depth_plan, width, height)
        here = {(one.runtime, one.precision): one for one in lanes if one.tier == tier}
        reference = here[REFERENCE].open()
        wanted, fed = [], []
        for i, picture in enumerate(pictures):
            content = to_tensor(pad_to_multiple(cropped(picture, height, width), multiple))
            fed.append({CONTENT: content, **codes[i % len(codes)]})
            wanted.append(_drawn(reference, fed[-1], height, width))
        for key, lane in here.items():
            if key != REFERENCE:
                session = lane.open()
                found = [
                    psnr_db(_drawn(session, one, height, width), want)
                    for one, want in zip(fed, wanted, strict=True)
                ]
                yield (
                    f"{width}x{height} {lane.label}: least {min(found):.1f} dB, "
                    f"mean {np.mean(found):.1f} dB"
                )


def _drawn(session: Session, feeds: dict[str, Array], height: int, width: int) -> Array:
    drawn: Array = session.run(feeds)[STYLIZED][:, :, :height, :width]
    return drawn


def timed(lanes: Sequence[Lane], tier: Tier, codes: dict[str, Array]) -> Iterator[str]:
    """Nanoseconds per pixel of 3:2 and of the square, in turn, and the time of opening."""
    side = tier.max_side_px
    shapes = [(side // 3 * 2 // 8 * 8, side), (int(side * math.sqrt(2 / 3)) // 8 * 8,) * 2]
    for lane in (one for one in lanes if one.tier == tier and one.runtime == "litert"):
        session, runs, opening = lane.open(), [], []
        for height, width in shapes:
            content = np.full((1, 3, height, width), 0.5, np.float32)
            start = time.process_time()
            runs.append(timed_run(session, content, codes))
            runs[-1]()
            opening.append(time.process_time() - start)
        best = [math.inf, math.inf]
        for _ in range(_TURNS):
            for i, run in enumerate(runs):
                start = time.process_time()
                run()
                best[i] = min(best[i], time.process_time() - start)
        per_px = [1e9 * t / (h * w) for t, (h, w) in zip(best, shapes, strict=True)]
        yield (
            f"{lane.label}: 3:2 {per_px[0]:.0f} ns a pixel, square {per_px[1]:.0f}, "
            f"{per_px[0] / per_px[1]:.2f} times; opening a shape and its first run "
            f"{1e3 * min(opening):.0f} ms"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="a bundle's pictures in every shape")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--pictures", type=int, default=4)
    args = parser.parse_args()
    manifest = load_manifest(args.bundle)
    layout = Layout(args.bundle, manifest.name)
    lanes = find_lanes(layout, manifest.depth_plan, Seals.of_bundle(args.bundle, manifest))
    found = load_set("evaluation")
    pictures = [found[i * len(found) // args.pictures] for i in range(args.pictures)]
    codes = feeds_of(args.bundle, manifest)[0]
    rows = judged(lanes, manifest, pictures, args.bundle) if pictures else iter(())
    times = (row for tier in manifest.depth_plan for row in timed(lanes, tier, codes))
    for row in chain(rows, times):
        print(row, flush=True)


if __name__ == "__main__":
    main()
