"""Photographs of faces to train on: where their faces lie, and crops that hold one.

    python -m models.faces.crops --images DIR --detector retinaface.onnx --out faces.json

looks for faces in the training photographs, which the folder of faces kept for evaluation is not
among.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from models.crops import Square, cut_squares, to_device
from models.data import as_stored, read_rgb, training_files

_LEAST_SIDE_PX = 40  # of a face, for its landmarks to be found
_ANIMALS = ("afhq",)  # sets whose faces no landmark network knows
_ROOM = (1.3, 2.4)  # side of a crop over that of its face


class FaceStore:
    """Listed photographs in memory; gives random crops that hold a whole face, and its box."""

    def __init__(self, listing: Path, images: Path, crop_px: int, device: torch.device) -> None:
        """`listing`: {"content/set/file.jpg": [left, top, right, bottom]}, from `find_faces`.

        Boxes are shares of width and height, so that a scaled copy of the pictures serves too.

        Raises:
            ValueError: it lists no face, or a box that is no share of its picture.
            OSError: a photograph is missing.
        """
        boxes = listed_faces(listing)
        self._hold(
            [read_rgb(images / name) for name in boxes], list(boxes.values()), crop_px, device
        )

    @classmethod
    def holding(
        cls,
        pictures: Sequence[np.ndarray],
        boxes: Sequence[Sequence[float]],
        crop_px: int,
        device: torch.device,
    ) -> FaceStore:
        """A store of pictures [H, W, 3] that were read already, and the box of each."""
        store = cls.__new__(cls)
        store._hold(pictures, boxes, crop_px, device)
        return store

    def _hold(
        self,
        pictures: Sequence[np.ndarray],
        boxes: Sequence[Sequence[float]],
        crop_px: int,
        device: torch.device,
    ) -> None:
        self.crop_px = crop_px
        self.images = [as_stored(picture, device) for picture in pictures]
        self.boxes = [
            np.asarray(box, np.float64) * np.array([image.shape[2], image.shape[1]] * 2)
            for box, image in zip(boxes, self.images, strict=True)
        ]

    def batch(
        self, count: int, rng: np.random.Generator, crop_px: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Crops [count, 3, crop_px, crop_px] in [0, 1], their face boxes [count, 4] in pixels."""
        side_px, chosen = crop_px or self.crop_px, rng.integers(len(self.images), size=count)
        made = [self._drawn(int(index), rng, side_px) for index in chosen]
        images = [self.images[int(index)] for index in chosen]
        boxes = to_device(np.stack([box for _, box in made]), images[0].device)
        return cut_squares(images, [square for square, _ in made], side_px), boxes

    def _drawn(
        self, index: int, rng: np.random.Generator, side_px: int
    ) -> tuple[Square, np.ndarray]:
        """A square that holds the face, and the box of the face in its crop."""
        image, box = self.images[index], self.boxes[index]
        height, width = image.shape[1:]
        face_px = float(max(box[2] - box[0], box[3] - box[1]))
        side = int(min(height, width, max(face_px * rng.uniform(*_ROOM), 16.0)))
        corner = [
            _start(low, high, side, limit, rng)
            for low, high, limit in ((box[0], box[2], width), (box[1], box[3], height))
        ]
        left, top = corner
        moved = (box - np.array([left, top, left, top])) * side_px / side
        mirrored = bool(rng.random() < 0.5)
        if mirrored:
            moved = np.array([side_px - moved[2], moved[1], side_px - moved[0], moved[3]])
        return Square(top, left, side, mirrored), moved


def listed_faces(listing: Path) -> dict[str, list[float]]:
    """The boxes, in shares of width and height, of a listing of `find_faces`.

    Raises:
        ValueError: it lists no face, or a box that is no share of its picture.
    """
    boxes: dict[str, list[float]] = json.loads(listing.read_text())
    if not boxes:
        raise ValueError(
            f"{listing} lists no face: run python -m models.faces.crops on more photographs"
        )
    if any(min(box) < 0.0 or max(box) > 1.0 for box in boxes.values()):
        raise ValueError(
            f"{listing} has boxes outside 0..1: write it again with python -m models.faces.crops"
        )
    return boxes


def _start(low: float, high: float, side: int, limit: int, rng: np.random.Generator) -> int:
    """Where a crop of `side` starts so that [low, high] lies in it, as far as may be."""
    first, last = max(0.0, high - side), min(float(limit - side), low)
    first, last = min(first, limit - side), max(last, 0.0)
    return int(rng.uniform(min(first, last), max(first, last)))


def find_faces(images: Path, detector: Path) -> dict[str, list[float]]:
    """The box, in shares of its sides, of each photograph's best face that is large enough."""
    from models.faces.measuring import FaceDetector

    finder, found = FaceDetector(detector), {}
    people = [p for p in training_files(images)[0] if p.parent.name not in _ANIMALS]
    for path in tqdm(people, desc="faces", disable=bool(os.environ.get("CI"))):
        rgb = read_rgb(path)
        size = np.array([rgb.shape[1], rgb.shape[0]] * 2)
        for face in finder.detect(rgb, least_score=0.95)[:1]:
            if min(face.box[2] - face.box[0], face.box[3] - face.box[1]) >= _LEAST_SIDE_PX:
                box = np.clip(np.asarray(face.box) / size, 0.0, 1.0)
                found[path.relative_to(images).as_posix()] = [round(float(v), 5) for v in box]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    found = find_faces(args.images, args.detector)
    args.out.write_text(json.dumps(found, indent=0) + "\n")
    print(f"{len(found)} photographs with a face in {args.out}")


if __name__ == "__main__":
    main()
