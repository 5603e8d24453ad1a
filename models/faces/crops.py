"""Photographs of faces to train on: where their faces lie, and crops that hold one.

    python -m models.faces.crops --images DIR --detector retinaface.onnx --out faces.json

looks for faces in the training photographs, which the folder of faces kept for evaluation is not
among. With `--dlib` the listing holds Dlib's 68 landmarks of each face, with `--mesh` the outlines
of its parts on a mesh: then they are what the face terms of a training go by.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from iast_export.files.artifacts import write_atomic
from models.crops import Square, cut_squares, to_device
from models.data import as_stored, read_rgb, training_files
from models.faces.listing import ListedFace, listed_faces, listing_bytes
from models.faces.outlines import MIRRORED_LANDMARKS, MIRRORED_RINGS
from models.faces.terms import KnownFaces

_LEAST_SIDE_PX = 40  # of a face, for its landmarks to be found
_ANIMALS = ("afhq",)  # sets whose faces no landmark network knows
_ROOM = (1.3, 2.4)  # side of a crop over that of its face
# Which point of a mirrored face has the place of each: a box is its two corners.
_MIRRORED = {"box": (0, 1), "landmarks": MIRRORED_LANDMARKS, "rings": MIRRORED_RINGS}


class FaceStore:
    """Listed photographs in memory; gives random crops that hold a whole face, and where it is."""

    def __init__(self, listing: Path, images: Path, crop_px: int, device: torch.device) -> None:
        """`listing`: see `models.faces.listing`.

        Raises:
            ValueError: the listing can't be used.
            OSError: a photograph is missing.
        """
        faces = listed_faces(listing)
        self._hold(
            [read_rgb(images / name) for name in faces], list(faces.values()), crop_px, device
        )

    @classmethod
    def holding(
        cls,
        pictures: Sequence[np.ndarray],
        faces: Sequence[ListedFace],
        crop_px: int,
        device: torch.device,
    ) -> FaceStore:
        """A store of pictures [H, W, 3] that were read already, and the face of each."""
        store = cls.__new__(cls)
        store._hold(pictures, faces, crop_px, device)
        return store

    def _hold(
        self,
        pictures: Sequence[np.ndarray],
        faces: Sequence[ListedFace],
        crop_px: int,
        device: torch.device,
    ) -> None:
        self.crop_px = crop_px
        self.images = [as_stored(picture, device) for picture in pictures]
        self._known = [
            _in_pixels(face, image.shape[2], image.shape[1])
            for face, image in zip(faces, self.images, strict=True)
        ]

    def batch(
        self, count: int, rng: np.random.Generator, crop_px: int | None = None
    ) -> tuple[Tensor, KnownFaces]:
        """Crops [count, 3, crop_px, crop_px] in [0, 1], and what is known of their faces."""
        side_px = crop_px or self.crop_px
        chosen = [int(i) for i in rng.integers(len(self.images), size=count)]
        squares = [self._square(index, rng) for index in chosen]
        images = [self.images[index] for index in chosen]
        seen = {
            name: np.stack(
                [
                    _in_crop(self._known[i][name], square, side_px, _MIRRORED[name])
                    for i, square in zip(chosen, squares, strict=True)
                ]
            )
            for name in self._known[0]
        }
        corners = seen.pop("box")
        boxes = np.concatenate([corners.min(1), corners.max(1)], 1)
        device = images[0].device
        more = {name: to_device(points, device) for name, points in seen.items()}
        faces = KnownFaces(to_device(boxes, device), **more)
        return cut_squares(images, squares, side_px), faces

    def _square(self, index: int, rng: np.random.Generator) -> Square:
        """A square that holds the face."""
        height, width = self.images[index].shape[1:]
        low, high = self._known[index]["box"]
        face_px = float(max(high - low))
        side = int(min(height, width, max(face_px * rng.uniform(*_ROOM), 16.0)))
        left, top = (
            _start(float(a), float(b), side, limit, rng)
            for a, b, limit in zip(low, high, (width, height), strict=True)
        )
        return Square(top, left, side, bool(rng.random() < 0.5))


def _in_pixels(face: ListedFace, width: int, height: int) -> dict[str, np.ndarray]:
    """All points [P, 2] that are known of a face, in pixels; its box as two of them."""
    return {
        field.name: value.reshape(-1, 2) * np.array([width, height])
        for field in fields(face)
        if (value := getattr(face, field.name)) is not None
    }


def _in_crop(
    points: np.ndarray, square: Square, side_px: int, mirrored: Sequence[int]
) -> np.ndarray:
    """Points [P, 2] of a picture as they lie in a crop of it; `mirrored`: whose place each has."""
    moved = (points - [square.left, square.top]) * side_px / square.side
    if not square.mirrored:
        return moved
    return np.stack([side_px - moved[:, 0], moved[:, 1]], 1)[list(mirrored)]


def _start(low: float, high: float, side: int, limit: int, rng: np.random.Generator) -> int:
    """Where a crop of `side` starts so that [low, high] lies in it, as far as may be."""
    first, last = max(0.0, high - side), min(float(limit - side), low)
    first, last = min(first, limit - side), max(last, 0.0)
    return int(rng.uniform(min(first, last), max(first, last)))


def find_faces(
    images: Path, detector: Path, dlib: Path | None = None, mesh: Path | None = None
) -> dict[str, ListedFace]:
    """Each photograph's best face that is large enough, by the photograph's path.

    Args:
        images: the folder of pictures.
        detector: RetinaFace.
        dlib: the folder of Dlib's files, to find landmarks as well.
        mesh: the mesh's file, to find the rings of parts as well.
    """
    from models.faces.measuring import FaceDetector
    from models.faces.mesh import MeshFinder
    from models.faces.published import DlibLandmarks

    finder, found = FaceDetector(detector), {}
    readers = {
        "landmarks": DlibLandmarks(dlib).points if dlib else None,
        "rings": MeshFinder(mesh).rings if mesh else None,
    }
    people = [p for p in training_files(images)[0] if p.parent.name not in _ANIMALS]
    for path in tqdm(people, desc="faces", disable=bool(os.environ.get("CI"))):
        rgb = read_rgb(path)
        size = np.array(rgb.shape[1::-1], np.float64)
        for face in finder.detect(rgb, least_score=0.95)[:1]:
            if min(face.box[2] - face.box[0], face.box[3] - face.box[1]) >= _LEAST_SIDE_PX:
                box = np.clip(face.box / np.tile(size, 2), 0.0, 1.0)
                points = {name: read(rgb, face) / size for name, read in readers.items() if read}
                found[path.relative_to(images).as_posix()] = ListedFace(box, **points)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--detector", type=Path, required=True)
    parser.add_argument("--dlib", type=Path, metavar="DIR", help="of benchmarks.face_parts")
    parser.add_argument("--mesh", type=Path, metavar="FILE", help="of benchmarks.face_parts")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    found = find_faces(args.images, args.detector, args.dlib, args.mesh)
    write_atomic(args.out, listing_bytes(found))
    print(f"{len(found)} photographs with a face in {args.out}")


if __name__ == "__main__":
    main()
