"""`python -m benchmarks.large WHAT BUNDLE`: see docs/large-pictures.md."""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.fetched import fetch
from benchmarks.large.decoding import decoding
from benchmarks.large.photographs import (
    KINDS,
    MEGAPIXELS,
    PHOTOGRAPHS,
    at_megapixels,
    judge_all,
    style_of,
)
from benchmarks.large.saturation import saturation
from benchmarks.large.speed import speed
from benchmarks.large.views import disagreement, render_views
from iast_export.environment import peak_rss_bytes
from iast_export.files.apart import call_apart
from iast_export.metrics.fidelity import psnr_db, ssim
from iast_export.pictures.images import Rgb, fit_longest_side, load_image
from iast_export.pictures.imagesets import picture_path
from iast_export.pictures.resize import resize
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.large import Large, LargeRun
from iast_export.stylize.stylize import stylize
from iast_export.stylize.together import TogetherRun

PLANES = ("skimage:coffee.png", "skimage:chelsea.png", "skimage:astronaut.png")
_WHAT = ("photographs", "ways", "memory", "speed", "decode", "saturation", "together")


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


def photographs(bundle: Path, only: str, lanes: list[str], out: Path, megapixels: float) -> None:
    """Twelve photographs, each beside the run over the whole of it; what is in `out` is kept."""
    chosen = [file for file in PHOTOGRAPHS if only in file.name]
    paths = fetch(chosen)
    for row in judge_all(bundle, [paths[f.name] for f in chosen], lanes, out, megapixels):
        print(
            f"{row.photograph} {row.width_px}x{row.height_px}, {row.style}, {row.lane}: "
            f"{row.psnr_db:.1f} dB, tone p95 {row.tone_levels:.2f} levels, seams {row.seam:.3f}, "
            f"{row.seconds:.1f} s; own statistics {row.own_psnr_db:.1f} dB, "
            f"{row.own_tone_levels:.1f} levels, {row.own_seconds:.1f} s; "
            f"preview {row.preview_db:.1f} dB",
            flush=True,
        )


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
    for name in PLANES:
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
    parser.add_argument("what", choices=_WHAT)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--only", default="", help="photographs whose name holds this")
    parser.add_argument("--picture", help="for ways and memory: a file, or skimage:coffee.png")
    parser.add_argument("--megapixels", type=float, default=MEGAPIXELS)
    parser.add_argument("--lanes", nargs="*", default=["litert int8", "onnxruntime int8"])
    parser.add_argument("--way", default="tiles")
    parser.add_argument("--kind", choices=KINDS, default="jpeg", help="of file, for memory")
    parser.add_argument("--blocks", type=int, default=10, help="of timing in turn")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("build/large"))
    given = parser.parse_args()
    if given.what == "photographs":
        photographs(given.bundle, given.only, given.lanes, given.out, given.megapixels)
        return
    if given.what == "decode":
        file = next(file for file in PHOTOGRAPHS if given.only in file.name)
        for line in decoding(fetch([file])[file.name], KINDS, given.megapixels, given.out):
            print(line, flush=True)
        return
    lanes = given.lanes
    if given.what == "speed":  # beside FP32 of each runtime
        lanes = list(dict.fromkeys(n for one in lanes for n in (f"{one.split()[0]} fp32", one)))
    engines = [BundleEngine(given.bundle, *lane.split()) for lane in lanes]
    if given.what == "speed":
        for row in speed(engines, given.blocks):
            print(row, flush=True)
    elif given.what == "together":
        together(engines[0], given.workers)
    else:
        file = next(file for file in PHOTOGRAPHS if given.only in file.name)
        path = picture_path(given.picture) if given.picture else fetch([file])[file.name]
        style = style_of(path, [one.id for one in engines[0].manifest.styles])
        if given.what in ("ways", "saturation"):
            rgb = at_megapixels(load_image(path), given.megapixels)
            if given.what == "ways":
                ways(engines[0], rgb, style, given.workers, given.out)
                return
            both = [BundleEngine(given.bundle, "onnxruntime", one) for one in ("int8", "fp32")]
            for line in saturation(*both, rgb, style):
                print(line, flush=True)
            return
        # Elsewhere, since the peak of this process is what is asked for.
        scaled = given.out / f"{path.stem}-{given.megapixels:g}mp-{given.kind}"
        job = {"source": str(path), "megapixels": given.megapixels, "out": str(scaled)}
        call_apart("benchmarks.large.photographs:write_scaled", job, path.name)
        memory(engines[0], scaled, given.way, given.workers, given.out)


main()
