"""Twelve photographs at twelve megapixels, and how near each way is to the run over all of one.

Four are scaled down to that size; eight, of 6.2 to 10.7 megapixels, are scaled up to it, by at most
1.4 times a side, as not more such photographs are to be had by a package's name.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.fetched import Fetched
from iast_export.files.artifacts import json_bytes, write_atomic
from iast_export.metrics.fidelity import psnr_db
from iast_export.pictures.images import (
    Rgb,
    fit_longest_side,
    load_image,
    pad_to_multiple,
    to_levels,
    to_tensor,
)
from iast_export.pictures.resize import resize
from iast_export.pictures.tiling import run_tiled
from iast_export.specs import CONTENT, STYLIZED
from iast_export.stylize.bands import preview_bands
from iast_export.stylize.cover import Cover
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.large import Large, LargeRun

MEGAPIXELS = 12.0
KINDS = ("jpeg", "png", "rgba", "png16")
# Of tone: a mean over so many pixels holds no stroke.
_TONE_PX = 16


def _lomiri(release: str, name: str, sha256: str, licence: str, author: str) -> Fetched:
    path = f"usr/share/backgrounds/{name}.jpg"
    return Fetched("deb", f"lomiri-wallpapers-{release}", path, sha256, licence, author)


PHOTOGRAPHS = (
    _lomiri(
        "16.04",
        "Dragonfly_by_Bolly",
        "af5af17841009732def24b09bb1e669a1b09d2b4bdeee7812c371101c30d2bb3",
        "CC-BY-SA-4.0",
        "Bolly",
    ),
    _lomiri(
        "16.04",
        "sunset_by_Aitzol_Berasategi",
        "474dab6a4b9f94dc76c29dfe30e9f5db4af0fd2e33fe5d695f8152b371efca18",
        "CC-BY-4.0",
        "Aitzol Berasategi",
    ),
    _lomiri(
        "16.04",
        "seeding_by_Clements_Engelhardt",
        "a5634d1ab5e41a3568e92d4a894a500c92b891f9ff734e50bd224d6e185a605f",
        "CC0-1.0",
        "Clemens Engelhardt",
    ),
    _lomiri(
        "20.04",
        "Kleiber_by_Lukas_Baubkus",
        "6572410c09f4492c74ccadde133565a14c0161617d5917d4c820c66d65a44ba7",
        "CC-BY-SA-3.0",
        "Lukas Baubkus",
    ),
    _lomiri(
        "16.04",
        "Bridge_by_Sander_Klootwijk",
        "bd86b081f9975e2b83527f71e49b9271a8ab40885428395969d9f7d834d7f050",
        "CC-BY-SA-4.0",
        "Sander Klootwijk",
    ),
    _lomiri(
        "16.04",
        "Wine_by_Jakkub_Mede",
        "d2e96e6d4da40dd804b3d0ce295e94de04a2d7d9b6785d42cd9d92ba58bced74",
        "CC-BY-4.0",
        "Jakub Mede",
    ),
    _lomiri(
        "16.04",
        "picosdeeuropa_by_Aitzol_Berasategi",
        "414d0072b2f6f2c555deafeaef6e45c4fed6fa9ad26eba6560ca8803959cf97a",
        "CC-BY-4.0",
        "Aitzol Berasategi",
    ),
    _lomiri(
        "16.04",
        "aitzgorri_by_Aitzol_Berasategi",
        "66268e7b48f8854d36a28765fac6e23ec1aee251daa6da1f64715f201020ad36",
        "CC-BY-4.0",
        "Aitzol Berasategi",
    ),
    _lomiri(
        "16.04",
        "friends_by_Aitzol_Berasategi",
        "cc40e313c74e421edffe3403def413c16878ce14661cce7ec5915baeab35538d",
        "CC-BY-4.0",
        "Aitzol Berasategi",
    ),
    _lomiri(
        "16.04",
        "life_by_Aitzol_Berasategi",
        "4c119350ead80201fe256850c3d316309ddfb4bdf10b235ce982dcde0c667c05",
        "CC-BY-4.0",
        "Aitzol Berasategi",
    ),
    _lomiri(
        "16.04",
        "free_by_Peter_Nerlich",
        "85a5453c2fed514c75973016f3d862aca62eb7ca087618822469274ac1092373",
        "CC-BY-SA-4.0",
        "Peter Nerlich",
    ),
    _lomiri(
        "16.04",
        "greentock_by_Peter_Nerlich",
        "e7b20e2db9dcd6e2b278ca55873c2110b35d89cd38b04d0b18728726888e6889",
        "CC-BY-SA-4.0",
        "Peter Nerlich",
    ),
)


@dataclass(frozen=True)
class Found:
    """One photograph through one lane, beside ONNX FP32 over the whole of it.

    Attributes:
        psnr_db: of exact tiles; own_psnr_db: of tiles by their own statistics, blended.
        tone_levels: 95th percentile of differences of means over squares, likewise.
        seam: mean gradient across borders of tiles over the whole run's there, over the same ratio
            away from borders.
        preview_db: of `preview`, made smaller, to the preview.
        seconds: of the processor, exact statistics included.
    """

    photograph: str
    lane: str
    style: str
    width_px: int
    height_px: int
    tiles: int
    psnr_db: float
    tone_levels: float
    seam: float
    preview_db: float
    seconds: float
    own_psnr_db: float
    own_tone_levels: float
    own_seconds: float


def at_megapixels(rgb: Rgb, megapixels: float = MEGAPIXELS) -> Rgb:
    """A photograph scaled to so many pixels, smaller by areas, larger by cubics."""
    height, width = rgb.shape[:2]
    scale = (megapixels * 1e6 / (height * width)) ** 0.5
    size = round(width * scale), round(height * scale)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(rgb, size, interpolation=how), np.uint8)


def write_scaled(source: str, megapixels: float, out: str) -> None:
    """A photograph scaled and written as the kind of file that `out` ends in."""
    rgb, kind = at_megapixels(load_image(Path(source)), megapixels), out.rpartition("-")[2]
    bgr = rgb[:, :, ::-1]
    if kind == "rgba":
        bgr = np.dstack([bgr, np.full(bgr.shape[:2], 200, np.uint8)])
    elif kind == "png16":
        bgr = bgr.astype(np.uint16) * 257
    done, data = cv2.imencode(".jpg" if kind == "jpeg" else ".png", bgr)
    assert done, f"{kind} can't be encoded"
    write_atomic(Path(out), data.tobytes())


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


def seam(made: Rgb, wanted: Rgb, cover: Cover) -> float:
    """See `Found`; 1 where a border shows no more than other places."""
    on, off = [], []
    for axis, spans in ((0, cover.down.spans), (1, cover.across.spans)):
        cuts = [span.first_px - 1 for span in spans[1:]]
        steps = [
            np.abs(np.diff(one.astype(np.int16), axis=axis)).mean(axis=(1 - axis, 2))
            for one in (made, wanted)
        ]
        on += [(steps[0][cut], steps[1][cut]) for cut in cuts]
        off.append(tuple(np.delete(one, cuts).sum() for one in steps))
    border, rest = np.sum(on, axis=0), np.sum(off, axis=0)
    return float((border[0] / border[1]) / (rest[0] / rest[1]))


def judged(engine: BundleEngine, rgb: Rgb, wanted: Rgb, name: str, style: str) -> Found:
    """A photograph through exact tiles, as today's tiling draws it, and as `preview`."""
    tier, codes = engine.tiers[-1], engine.style_codes(style)[1]
    feeds = engine.feeds(codes, 1.0)
    opened = engine.lifted(tier)
    if opened is None:
        raise SystemExit(f"the statistics of {tier.id} can't be lifted")
    facts = opened()
    cover = Cover.of(*rgb.shape[:2], tier.max_side_px, facts.halo_px, facts.multiple_px)
    with LargeRun(Large("tiles", "exact", 1)) as run:
        start = time.process_time()
        made = np.concatenate(list(run.bands(engine, rgb, codes, 1.0)))
        took = time.process_time() - start
    preview = engine.draw(fit_longest_side(rgb, tier.max_side_px), feeds, tier)
    like = np.concatenate(list(preview_bands([made], preview, (rgb.shape[0], rgb.shape[1]))))
    engine.session(tier)
    start = time.process_time()
    own, _ = run_tiled(
        rgb, tier.max_side_px, engine.size_multiple_px, lambda x: engine.draw(x, feeds, tier)
    )
    own_took = time.process_time() - start
    return Found(
        photograph=name,
        lane=f"{engine.target.name} {engine.precision(tier)}",
        style=style,
        width_px=rgb.shape[1],
        height_px=rgb.shape[0],
        tiles=cover.count,
        psnr_db=psnr_db(made, wanted),
        tone_levels=tone_error(made, wanted),
        seam=seam(made, wanted, cover),
        preview_db=psnr_db(resize(like, *preview.shape[:2]), preview),
        seconds=took,
        own_psnr_db=psnr_db(own, wanted),
        own_tone_levels=tone_error(own, wanted),
        own_seconds=own_took,
    )


def style_of(path: Path, styles: list[str]) -> str:
    """The style that a photograph is drawn in: any one, but always the same."""
    return styles[sum(path.name.encode()) % len(styles)]


def judge_all(
    bundle: Path, paths: list[Path], lanes: list[str], out: Path, megapixels: float
) -> Iterator[Found]:
    """A row per photograph and lane; those that lie in `out` already are read again."""
    reference = BundleEngine(bundle, "onnxruntime", "fp32")
    engines = [BundleEngine(bundle, *lane.split()) for lane in lanes]
    styles = [style.id for style in reference.manifest.styles]
    for path in paths:
        style = style_of(path, styles)
        rows = [out / f"{path.stem}-{lane.replace(' ', '-')}.json" for lane in lanes]
        rgb, wanted = None, None
        for row, engine in zip(rows, engines, strict=True):
            if not row.is_file():
                if rgb is None or wanted is None:
                    rgb = at_megapixels(load_image(path), megapixels)
                    wanted = whole(reference, rgb, style)
                found = judged(engine, rgb, wanted, path.stem, style)
                write_atomic(row, json_bytes(asdict(found)))
            yield Found(**json.loads(row.read_bytes()))
