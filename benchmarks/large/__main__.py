"""`python -m benchmarks.large tiles|ways|memory|together BUNDLE`: see docs/large-pictures.md."""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.large.views import disagreement, render_views
from iast_export.environment import peak_rss_bytes
from iast_export.metrics.fidelity import psnr_db, ssim
from iast_export.pictures.images import (
    Rgb,
    fit_longest_side,
    load_image,
    pad_to_multiple,
    to_levels,
    to_tensor,
)
from iast_export.pictures.imagesets import picture_path
from iast_export.pictures.resize import resize
from iast_export.pictures.tiling import run_tiled
from iast_export.specs import CONTENT, STYLIZED
from iast_export.stylize.large import Large, LargeRun
from iast_export.stylize.stylize import BundleEngine, stylize
from iast_export.stylize.together import TogetherRun

PHOTOGRAPHS = ("skimage:coffee.png", "skimage:chelsea.png", "skimage:astronaut.png")
# Of tone: a mean over so many pixels holds no stroke.
_TONE_PX = 16


def enlarged(path: Path, width: int, height: int) -> Rgb:
    """A photograph scaled up: it stands in for a large one."""
    rgb = load_image(path)
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def drawn(engine: BundleEngine, rgb: Rgb, style: str, how: Large) -> tuple[Rgb, float]:
    """The picture in a style, and seconds."""
    _, codes = engine.style_codes(style)
    with LargeRun(how) as run:
        start = time.perf_counter()
        made = np.concatenate(list(run.bands(engine, rgb, codes, 1.0)))
    return made, time.perf_counter() - start


def whole(engine: BundleEngine, rgb: Rgb, style: str) -> Rgb:
    """The run over the whole picture at once, in the largest tier."""
    feeds = engine.feeds(engine.style_codes(style)[1], 1.0)
    padded = to_tensor(pad_to_multiple(rgb, engine.size_multiple_px))
    made = engine.session(engine.tiers[-1]).run({CONTENT: padded, **feeds})[STYLIZED]
    return to_levels(made[:, :, : rgb.shape[0], : rgb.shape[1]])


def tone_error(a: Rgb, b: Rgb) -> float:
    """The 95th percentile of differences of means over squares, in levels."""
    size = a.shape[1] // _TONE_PX, a.shape[0] // _TONE_PX
    small = [cv2.resize(x, size, interpolation=cv2.INTER_AREA).astype(np.float64) for x in (a, b)]
    return float(np.percentile(np.abs(small[0] - small[1]), 95))


def tiles(engine: BundleEngine, rgb: Rgb, style: str, wanted: Rgb, workers: int) -> None:
    """Tiles beside the run over the whole picture, and each tile by its own statistics."""
    label = f"{engine.target.name} {engine.precision(engine.tiers[-1])} {style}"
    for statistics in ("exact", "quick"):
        made, took = drawn(engine, rgb, style, Large("tiles", statistics, workers))
        _say(f"{label} {statistics}", made, wanted, took)
    feeds, tier = engine.feeds(engine.style_codes(style)[1], 1.0), engine.tiers[-1]
    engine.session(tier)
    start = time.perf_counter()
    side, multiple = tier.max_side_px, engine.size_multiple_px
    made, _ = run_tiled(rgb, side, multiple, lambda tile: engine.draw(tile, feeds, tier))
    _say(f"{label} own", made, wanted, time.perf_counter() - start)


def _say(label: str, made: Rgb, wanted: Rgb, took: float) -> None:
    near, tone = psnr_db(made, wanted), tone_error(made, wanted)
    print(f"{label}: {near:.1f} dB, tone p95 {tone:.2f} levels, {took:.1f} s", flush=True)


def ways(engine: BundleEngine, rgb: Rgb, style: str, workers: int, out: Path | None) -> None:
    """The three ways beside the enlarged preview."""
    _, codes = engine.style_codes(style)
    preview, _ = engine.stylize(rgb, codes, 1.0, "scale_down")
    made = {"enlarged": (resize(preview, *rgb.shape[:2]), 0.0)}
    for way in ("tiles", "preview", "guided"):
        made[way] = drawn(engine, rgb, style, Large(way, workers=workers))
    for way, (picture, took) in made.items():
        small = fit_longest_side(picture, max(preview.shape[:2]))
        near, likeness = psnr_db(small, preview), ssim(picture, rgb)
        print(f"{style} {way}: {near:.1f} dB, SSIM {likeness:.2f}, {took:.1f} s", flush=True)
    if out is not None:
        middle = [p[rgb.shape[0] // 2 :, rgb.shape[1] // 3 :] for p, _ in made.values()]
        crops = np.concatenate(
            [rgb[rgb.shape[0] // 2 :, rgb.shape[1] // 3 :][:360, :360]]
            + [p[:360, :360] for p in middle],
            axis=1,
        )
        cv2.imwrite(str(out), crops[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


def memory(engine: BundleEngine, photograph: Path, way: str, workers: int, out: Path) -> None:
    """Seconds and the largest resident memory of one picture from file to file."""
    start = time.perf_counter()
    style = engine.manifest.styles[0].id
    stylize(engine, [photograph], [style], out, large=Large(way, workers=workers))  # type: ignore[arg-type]
    took = time.perf_counter() - start
    print(f"{photograph.name} {way}: {took:.1f} s, {peak_rss_bytes() / 2**20:.0f} MiB")


def together(engine: BundleEngine, workers: int) -> None:
    """How far views of a scene differ, drawn together and apart."""
    tier = next(tier for tier in engine.tiers if tier.max_side_px >= 448)
    for name in PHOTOGRAPHS:
        views = render_views(enlarged(picture_path(name), 1400, 1000), 6)
        _, codes = engine.style_codes(engine.manifest.styles[0].id)
        for label, groups in (("together", [views]), ("apart", [[view] for view in views])):
            made: list[Rgb] = []
            for group in groups:
                loads = [partial(np.copy, view.rgb) for view in group]
                with TogetherRun(engine, tier, loads, workers) as run:
                    moments = run.moments(codes, 1.0)
                    made += [run.draw(view.rgb, codes, 1.0, moments) for view in group]
            all_, tone = disagreement(views, made)
            print(f"{name} {label}: {all_:.2f} levels, tones {tone:.2f}", flush=True)


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("tiles", "ways", "memory", "together"))
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--photographs", nargs="*", default=list(PHOTOGRAPHS))
    parser.add_argument("--size", default="4000x3000", help="scaled up to, in px")
    parser.add_argument("--lane", default="onnxruntime int8")
    parser.add_argument("--way", default="tiles")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    engine = BundleEngine(given.bundle, *given.lane.split())
    width, height = map(int, given.size.split("x"))
    if given.what == "together":
        together(engine, given.workers)
        return
    styles = [style.id for style in engine.manifest.styles]
    for k, name in enumerate(given.photographs):
        if given.what == "memory":
            memory(engine, picture_path(name), given.way, given.workers, given.out)
            continue
        rgb, style = enlarged(picture_path(name), width, height), styles[k % len(styles)]
        if given.what == "ways":
            ways(engine, rgb, style, given.workers, given.out)
        else:
            reference = BundleEngine(given.bundle, "onnxruntime", "fp32")
            tiles(engine, rgb, style, whole(reference, rgb, style), given.workers)


main()
