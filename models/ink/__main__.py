"""Writes the ink wash paintings as PNG files: see `models.ink`."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from iast_export.files.artifacts import write_atomic
from models.ink import SCENES, painted


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="models.ink", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--variant", type=int, default=0, help="another number paints them anew")
    args = parser.parse_args(argv)
    for scene in SCENES:
        rgb = painted(scene, args.variant)
        _, data = cv2.imencode(".png", np.ascontiguousarray(rgb[:, :, ::-1]))
        write_atomic(args.out / f"{scene}.png", data.tobytes())
        print(args.out / f"{scene}.png")


if __name__ == "__main__":
    main()
