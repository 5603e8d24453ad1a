"""Details at three times their size, for the eye: depths beside another network at equal style.

    python -m models.evaluation.details --data DIR --judged benchmarks/quality/quality.json \\
        --first FIRST.safetensors --out docs/details.jpg

Sky, the edge of hair and a face, of photographs that come with scikit-image and may be shown
anywhere, in oils that trained nothing and are not shown. Every network is at the strength at which
its mean style distance, of the judged run, is that of the first network at full strength.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from iast_export.files.artifacts import read_json
from iast_export.network.checkpoint import PACKAGED_CHECKPOINT, load_checkpoint
from iast_export.pictures.images import Rgb, center_square, load_image, sheet
from iast_export.pictures.imagesets import picture_path
from models.data import test_artworks
from models.evaluation.blind import strength_at, style_at
from models.evaluation.methods import Method, Network

SIDE_PX, CROP_PX, TIMES = 512, 84, 3
# Photograph and upper left corner (x, y) of each detail, in a square of 512 px.
DETAILS = {
    "sky": ("skimage:rocket.jpg", (190, 130)),
    "edge of hair": ("skimage:astronaut.png", (142, 14)),
    "face": ("skimage:astronaut.png", (182, 80)),
}
_QUALITY = 88


def enlarged(rgb: Rgb, corner: tuple[int, int]) -> Rgb:
    """A detail, three times as large, without inventing anything: pixels become squares."""
    left, top = corner
    piece = rgb[top : top + CROP_PX, left : left + CROP_PX]
    return np.asarray(piece.repeat(TIMES, axis=0).repeat(TIMES, axis=1))


def rows_of(
    methods: Mapping[str, tuple[Method, float]], artworks: Sequence[Rgb]
) -> tuple[list[list[Rgb]], list[list[str]]]:
    """Pictures and captions: a row per detail and artwork, a column per method at its strength."""
    rows, labels = [], []
    for name, (photograph, corner) in DETAILS.items():
        rgb = center_square(load_image(picture_path(photograph)), SIDE_PX)
        for artwork in artworks:
            row = [enlarged(rgb, corner)]
            for method, strength in methods.values():
                made = dict(method.pictures(rgb, artwork, [strength]))[strength]
                row.append(enlarged(made, corner))
            rows.append(row)
            captions = (f"{label}, strength {s:.2f}" for label, (_, s) in methods.items())
            labels.append([name, *captions])
    return rows, labels


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with images/")
    parser.add_argument(
        "--judged", type=Path, required=True, help="quality.json of models.evaluate"
    )
    parser.add_argument("--first", type=Path, required=True, help="judged as first-network")
    parser.add_argument("--student", type=Path, default=PACKAGED_CHECKPOINT)
    parser.add_argument("--depths", type=int, nargs="+", default=[1, 3, 4])
    parser.add_argument("--artworks", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    args: Any = parser.parse_args(argv)
    torch.set_num_threads(1)
    rows = read_json(args.judged)["rows"]
    target = style_at(rows, "first-network", 1.0)
    first, net = load_checkpoint(args.first), load_checkpoint(args.student)
    methods: dict[str, tuple[Method, float]] = {
        "first network": (Network("first", first, first.depths[-1], ""), 1.0)
    }
    for depth in args.depths:
        strength = strength_at(rows, f"student-d{depth}", target)
        methods[f"depth {depth}"] = Network(f"d{depth}", net, depth, ""), strength
    oils = [p for p in test_artworks(args.data / "images") if p.parent.name == "oil"]
    chosen = [oils[int(i)] for i in np.linspace(0, len(oils) - 1, args.artworks + 2)[1:-1]]
    drawn = sheet(*rows_of(methods, [center_square(load_image(p), SIDE_PX) for p in chosen]))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    jpeg = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    if not cv2.imwrite(str(args.out), cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), jpeg):
        raise OSError(f"{args.out} was not written")


if __name__ == "__main__":
    main()
