"""Whether `style add --strokes N` makes the strokes of results larger.

    python -m benchmarks.strokes dist/demo --artworks DIR

What the encoder sees is a middle of the artwork, N times enlarged. Deviations of the luminance by
octave of the period, in 8-bit levels, medians over six photographs of 256 px and all artworks of
the folder, by ONNX Runtime FP32: larger strokes leave coarse octaves and lower fine ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.drawn_styles import luminance_power
from iast_export.pictures.images import Rgb, center_square, load_image
from iast_export.pictures.imagesets import load_set, pictures_in
from iast_export.specs import REFERENCE, STYLE_ENCODER_SIDE_PX
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.style_add import middle

_STROKES = (1.0, 1.5, 2.0, 3.0)
_OCTAVES_PX = (64, 32, 16, 8, 4, 2)
_SIDE_PX = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--artworks", type=Path, required=True)
    given = parser.parse_args()
    print("\n".join(_table(BundleEngine(given.bundle, *REFERENCE), given.artworks)))


def _table(engine: BundleEngine, folder: Path) -> Iterator[str]:
    photographs = load_set("evaluation", 6)
    contents = [center_square(photographs[i], _SIDE_PX) for i in range(len(photographs))]
    artworks = [(path, load_image(path)) for path in pictures_in(folder)[0]]
    yield "| strokes | " + " | ".join(f"{a} to {b} px" for a, b in _bands()) + " |"
    yield "| --- |" + " ---: |" * len(_bands())
    for strokes in _STROKES:
        found = []
        for path, rgb in artworks:
            seen = center_square(middle(rgb, strokes, path), STYLE_ENCODER_SIDE_PX)
            code = engine.encode(seen)
            found += [octaves(engine.stylize(content, code)[0]) for content in contents]
        cells = " | ".join(f"{one:.1f}" for one in np.median(found, axis=0))
        yield f"| {strokes:g} | {cells} |"


def _bands() -> list[tuple[int, int]]:
    return list(zip(_OCTAVES_PX, _OCTAVES_PX[1:], strict=False))


def octaves(rgb: Rgb) -> NDArray[np.float64]:
    """Deviation of the luminance of a square [S, S, 3] in each octave, in levels."""
    _, power, radius = luminance_power(rgb)
    found = [power[(radius >= 1 / a) & (radius < 1 / b)].sum() for a, b in _bands()]
    return np.sqrt(np.array(found))


if __name__ == "__main__":
    main()
