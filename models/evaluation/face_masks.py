"""How far the readers of a face agree: masks of its parts, and landmarks.

    python -m models.evaluation.face_masks --data DIR --dlib DIR --mesh FILE --out DIR

Three draw the same parts on the same photographs: 68 landmarks of the stand-in, 68 of Dlib, and a
mesh. None of them is the truth, so each pair is compared: IoU of the masks, and for the landmarks
the mean distance of a point, as a share of the distance between the outer eye corners. Writes
face-masks.md, and a picture to look at, which shows the faces and so is for the one who has them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from iast_export.files.artifacts import write_atomic
from iast_export.metrics.bootstrap import Interval, central_interval
from iast_export.pictures.images import Rgb, save_png
from models.evaluation.sample import Picture, draw_sample
from models.evaluation.statistics import RESAMPLING
from models.faces import (
    LANDMARK_OUTLINES,
    PARTS,
    RING_OUTLINES,
    LandmarkNetwork,
    Outlines,
    part_masks,
    square_boxes,
)
from models.faces.measuring import FaceDetector, NetworkLandmarks, Points
from models.faces.mesh import MeshFinder
from models.faces.published import DlibLandmarks

Masks = NDArray[np.bool_]
_SIDE_PX = 256  # of masks and of the picture's crops
_SHOWN = 6
_COLORS = ((255, 255, 255), (255, 190, 0), (0, 160, 255), (0, 160, 255), (255, 40, 90)) + (
    (60, 220, 60),
) * 2


def masks_of(points: Points, box: NDArray[np.float32], outlines: Outlines) -> Masks:
    """Hard masks [7, 256, 256] of the parts, on the square around a face's box."""
    square = square_boxes(torch.from_numpy(np.asarray(box, np.float32))[None])[0].numpy()
    shares = (points - square[:2]) / (square[2:] - square[:2])
    made = part_masks(torch.from_numpy(shares)[None].float(), outlines, _SIDE_PX, 1e-3)
    return np.asarray(made[0].numpy() > 0.5)


def overlap(one: Masks, other: Masks) -> NDArray[np.float64]:
    """IoU per part [7]; 0 where neither has any of it."""
    both = (one & other).sum((1, 2))
    either = (one | other).sum((1, 2))
    return np.asarray(both / np.maximum(either, 1), np.float64)


def apart(one: Points, other: Points) -> float:
    """Mean distance of 68 landmarks over that of the first one's outer eye corners."""
    return float(np.linalg.norm(one - other, axis=1).mean() / np.linalg.norm(one[45] - one[36]))


def mean_of(values: NDArray[np.float64]) -> Interval:
    """The mean over faces, with its interval over them drawn anew."""
    return central_interval(values[RESAMPLING.draws(len(values))].mean(1), float(values.mean()))


def table(found: Mapping[str, Sequence[Masks]], landmarks: NDArray[np.float64]) -> str:
    """A row per pair of readers, a column per part; then the distance of both kinds of landmarks.

    Args:
        found: masks of each face by reader.
        landmarks: `apart`, per face.
    """
    names = [part.replace("_", " ") for part in PARTS]
    lines = [
        f"{len(landmarks)} faces. IoU of the masks of a part (95 % interval over faces):",
        "",
        f"| reader | beside | {' | '.join(names)} |",
        f"| --- | --- |{' ---: |' * len(PARTS)}",
    ]
    for one, other in combinations(found, 2):
        rows = np.stack([overlap(a, b) for a, b in zip(found[one], found[other], strict=True)])
        cells = []
        for values in rows.T:
            mean = mean_of(values)
            cells.append(f"{mean.value:.2f} ({mean.low:.2f} to {mean.high:.2f})")
        lines.append(f"| {one} | {other} | {' | '.join(cells)} |")
    lines += [
        "",
        "Mean distance of a landmark of the stand-in from Dlib's, as a share of the distance "
        f"between the outer eye corners: {mean_of(landmarks)}.",
    ]
    return "\n".join(lines) + "\n"


def drawn(picture: Picture, masks: Sequence[Masks]) -> Rgb:
    """The face's square, then it with each reader's outlines."""
    assert picture.face is not None
    left, top, right, _ = square_boxes(torch.from_numpy(picture.face.box)[None])[0].tolist()
    scale = _SIDE_PX / (right - left)
    matrix = np.array([[scale, 0.0, -left * scale], [0.0, scale, -top * scale]])
    crop = cv2.warpAffine(picture.rgb, matrix, (_SIDE_PX, _SIDE_PX), flags=cv2.INTER_CUBIC)
    row = [crop]
    for found in masks:
        shown = crop.copy()
        for mask, color in zip(found, _COLORS, strict=True):
            edges, _ = cv2.findContours(
                mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
            )
            cv2.drawContours(shown, edges, -1, color, 1, cv2.LINE_AA)
        row.append(shown)
    return np.hstack(row)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and weights/")
    for name in ("--dlib", "--mesh"):
        parser.add_argument(name, type=Path, required=True, help="of benchmarks.face_parts")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=36)
    args: Any = parser.parse_args(argv)
    weights = args.data / "weights" / "face"
    detector = FaceDetector(weights / "retinaface_mnet025_FaceDetector.onnx")
    people = draw_sample(args.data / "images", 256, 1, args.faces, 1, detector).faces
    net68 = NetworkLandmarks(LandmarkNetwork.load(weights / "face_landmark68_faceapi.npz"))
    dlib, mesh = DlibLandmarks(args.dlib), MeshFinder(args.mesh)
    found: dict[str, list[Masks]] = {"stand-in": [], "Dlib": [], "mesh": []}
    distances = []
    for person in people:
        assert person.face is not None
        one, other = (reader.points(person.rgb, person.face) for reader in (net68, dlib))
        rings = mesh.rings(person.rgb, person.face)
        for name, points, outlines in (
            ("stand-in", one, LANDMARK_OUTLINES),
            ("Dlib", other, LANDMARK_OUTLINES),
            ("mesh", rings, RING_OUTLINES),
        ):
            found[name].append(masks_of(points, person.face.box, outlines))
        distances.append(apart(other, one))
    args.out.mkdir(parents=True, exist_ok=True)
    text = table(found, np.asarray(distances))
    write_atomic(args.out / "face-masks.md", text.encode())
    rows = [drawn(person, masks) for person, *masks in zip(people, *found.values(), strict=True)]
    save_png(args.out / "face-masks.png", np.vstack(rows[:: max(1, len(rows) // _SHOWN)][:_SHOWN]))
    print(text)


if __name__ == "__main__":
    main()
