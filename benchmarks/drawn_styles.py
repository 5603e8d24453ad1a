"""How near the style pictures that the project draws are to artworks, and what INT8 makes of both.

    python -m benchmarks.drawn_styles --artworks DIR [--bundle dist/mine]

Statistics of the luminance of 256 px squares, in 8-bit levels: standard deviation, mean step from
pixel to pixel, fall of the spectrum (power over frequency, log to log, from 0.01-0.02 to 0.2-0.4
cycles a pixel) and the deviation of what lies above an eighth of a cycle. With `--bundle`, INT8 to
FP32 of the same runtime, on six photographs in every style of each set. With `--save`, the softened
ones as a folder for `build --styles`, to see what calibrating on them alone costs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iast_export.metrics.fidelity import psnr_db
from iast_export.pictures.images import Rgb, center_square, load_image, save_png
from iast_export.pictures.imagesets import load_set, pictures_in
from iast_export.pictures.procedural import SIDE_PX, softened, style_pictures
from iast_export.specs import RUNTIMES
from iast_export.stylize.engine import BundleEngine

Array = NDArray[np.float64]
_LUMINANCE = np.array([0.299, 0.587, 0.114])
_COARSE, _HIGH, _FINE_FROM = (0.01, 0.02), (0.2, 0.4), 0.125  # cycles a pixel
_PHOTOGRAPHS = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--artworks", type=Path, required=True)
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--save", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    marks = [rgb for _, rgb in style_pictures()]
    if given.save:
        given.save.mkdir(parents=True, exist_ok=True)
        for name, rgb in style_pictures():
            save_png(given.save / f"{name}.png", softened(rgb))
    artworks = [load_image(path) for path in pictures_in(given.artworks)[0]]
    squares = {
        "drawn": marks,
        "drawn, softened": [softened(rgb) for rgb in marks],
        "artworks": [center_square(rgb, SIDE_PX) for rgb in artworks],
    }
    print("\n".join(_statistics(squares)))
    if given.bundle:
        print("\n".join(_fidelity(squares, given.bundle)))


def luminance_power(rgb: Rgb) -> tuple[Array, Array, Array]:
    """Luminance of a square [S, S, 3]; its power by frequency, of sum its variance; cycles a pixel.

    All [S, S], in 8-bit levels.
    """
    y = rgb @ _LUMINANCE
    frequency = np.fft.fftfreq(len(y))
    radius = np.hypot(frequency[:, None], frequency[None, :])
    return y, np.abs(np.fft.fft2(y - y.mean())) ** 2 / y.size**2, radius


def statistics(rgb: Rgb) -> tuple[float, float, float, float]:
    """Deviation, step, fall and fine deviation of a square [S, S, 3]."""
    y, power, radius = luminance_power(rgb)

    def level(band: tuple[float, float]) -> float:
        return float(np.log10(power[(radius >= band[0]) & (radius < band[1])].mean()))

    middle = [np.sqrt(low * high) for low, high in (_COARSE, _HIGH)]
    fall = (level(_HIGH) - level(_COARSE)) / np.log10(middle[1] / middle[0])
    step = (np.abs(np.diff(y, axis=0)).mean() + np.abs(np.diff(y, axis=1)).mean()) / 2
    fine = np.sqrt(power[radius >= _FINE_FROM].sum())
    return float(y.std()), float(step), float(fall), float(fine)


def _statistics(sets: dict[str, list[Rgb]]) -> Iterator[str]:
    yield "| pictures | deviation | step | fall | fine deviation |"
    yield "| --- | ---: | ---: | ---: | ---: |"
    for name, found in sets.items():
        middle = np.median([statistics(rgb) for rgb in found], axis=0)
        yield f"| {len(found)} {name} | " + " | ".join(f"{one:.1f}" for one in middle) + " |"


def _fidelity(sets: dict[str, list[Rgb]], bundle: Path) -> Iterator[str]:
    photographs = load_set("evaluation", _PHOTOGRAPHS)
    columns = " | ".join(f"{runtime} INT8, mean and least" for runtime in RUNTIMES)
    yield f"\n| styles | {columns} |"
    yield "| --- | " + "---: | " * len(RUNTIMES)
    engines = {
        runtime: [BundleEngine(bundle, runtime, one) for one in ("fp32", "int8")]
        for runtime in RUNTIMES
    }
    for name, found in sets.items():
        cells = []
        for reference, quantized in engines.values():
            side = reference.tiers[0].max_side_px
            contents = [center_square(photographs[i], side) for i in range(_PHOTOGRAPHS)]
            values = _values(found, contents, reference, quantized)
            cells.append(f"{np.mean(values):.1f}, {np.min(values):.1f} dB")
        yield f"| {name} | " + " | ".join(cells) + " |"


def _values(
    styles: Sequence[Rgb],
    contents: Sequence[Rgb],
    reference: BundleEngine,
    quantized: BundleEngine,
) -> list[float]:
    """Mean over photographs of each style, in dB."""
    values = []
    for style in styles:
        code = reference.encode(style)
        drawn = [
            [engine.stylize(content, code)[0] for content in contents]
            for engine in (reference, quantized)
        ]
        values.append(float(np.mean([psnr_db(a, b) for a, b in zip(*drawn, strict=True)])))
    return values


if __name__ == "__main__":
    main()
