"""Photographs of faces to train on: where their faces lie, and crops that hold one.

    python -m models.face_crops --images DIR --detector retinaface.onnx --out faces.json

looks for faces in the training photographs, which the folder of faces kept for evaluation is not among.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from models.data import read_rgb, training_files

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
        boxes: dict[str, list[float]] = json.loads(listing.read_text())
        if not boxes:
            raise ValueError(f"{listing} lists no face: run python -m models.face_crops on more photographs")
        if any(min(box) < 0.0 or max(box) > 1.0 for box in boxes.values()):
            raise ValueError(
                f"{listing} has boxes outside 0..1: write it again with python -m models.face_crops"
            )
        self.crop_px = crop_px
        self.images = [
            torch.from_numpy(read_rgb(images / name)).permute(2, 0, 1).contiguous().to(device)
            for name in boxes
        ]
        self.boxes = [
            np.asarray(box, np.float64) * np.array([image.shape[2], image.shape[1]] * 2)
            for box, image in zip(boxes.values(), self.images, strict=True)
        ]

    def batch(self, count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Crops [count, 3, crop_px, crop_px] in [0, 1] and the face boxes in them [count, 4] in pixels."""
        made = [self._crop(int(i), rng) for i in rng.integers(len(self.images), size=count)]
        return torch.cat([crop for crop, _ in made]), torch.stack([box for _, box in made])

    def _crop(self, index: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        image, box = self.images[index], self.boxes[index]
        height, width = image.shape[1:]
        face_px = float(max(box[2] - box[0], box[3] - box[1]))
        side = int(min(height, width, max(face_px * rng.uniform(*_ROOM), 16.0)))
        corner = [
            _start(low, high, side, limit, rng)
            for low, high, limit in ((box[0], box[2], width), (box[1], box[3], height))
        ]
        left, top = corner
        crop = image[None, :, top : top + side, left : left + side].float().div(255.0)
        size = (self.crop_px, self.crop_px)
        crop = F.interpolate(crop, size, mode="bilinear", align_corners=False, antialias=side > self.crop_px)
        moved = (box - np.array([left, top, left, top])) * self.crop_px / side
        if rng.random() < 0.5:
            crop = crop.flip(3)
            moved = np.array([self.crop_px - moved[2], moved[1], self.crop_px - moved[0], moved[3]])
        return crop, torch.tensor(moved, dtype=torch.float32, device=image.device)


def _start(low: float, high: float, side: int, limit: int, rng: np.random.Generator) -> int:
    """Where a crop of `side` starts so that [low, high] lies in it, as far as the picture allows."""
    first, last = max(0.0, high - side), min(float(limit - side), low)
    first, last = min(first, limit - side), max(last, 0.0)
    return int(rng.uniform(min(first, last), max(first, last)))


def find_faces(images: Path, detector: Path) -> dict[str, list[float]]:
    """The box, in shares of width and height, of the best face of each photograph with one large enough."""
    from models.face_measuring import FaceDetector

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
