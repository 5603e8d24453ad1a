"""Where Dlib's parts look: the square that is drawn is the one that was fitted."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.face_parts import PARTS, Seen, fitted, landmarks_apart
from iast_export.pictures.images import Rgb
from models.faces.measuring import Face, Points
from models.faces.published import _BELOW_EYES, _SIDE, detector_square

BLACK = np.zeros((8, 8, 3), np.uint8)


def faces() -> list[Face]:
    """Of several sizes, places and turns."""
    rng = np.random.default_rng(2)
    upright = np.array([[-20, 0], [20, 0], [0, 20], [-15, 40], [15, 40]], np.float64)
    made = []
    for angle, scale in zip(rng.uniform(-0.5, 0.5, 6), rng.uniform(0.5, 3.0, 6), strict=True):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        points = (upright @ turn.T * scale + rng.uniform(100, 300, 2)).astype(np.float32)
        made.append(Face(np.zeros(4, np.float32), points, 0.9))
    return made


def test_boxes_that_follow_the_square_give_its_two_numbers_back() -> None:
    seen = [Seen(BLACK, face, detector_square(face.points)) for face in faces()]
    side, below = fitted(seen)
    assert side == pytest.approx(_SIDE, rel=1e-5) and below == pytest.approx(_BELOW_EYES, rel=1e-4)


def test_landmarks_are_compared_between_the_drawn_and_the_detected_square() -> None:
    class Corner:
        """Finds every landmark at the square's corner, but for the eyes' outer corners."""

        def points(self, picture: Rgb, face: Face, square: np.ndarray | None = None) -> Points:
            found = detector_square(face.points) if square is None else square
            points = np.tile(found[:2], (68, 1)).astype(np.float32)
            points[45] += np.array([100.0, 0.0], np.float32)
            return points

    seen = [Seen(BLACK, f, detector_square(f.points) + 10.0) for f in faces()]
    off = landmarks_apart(seen, Corner())  # type: ignore[arg-type]
    assert off == pytest.approx(np.full(6, np.hypot(10, 10) / 100), rel=1e-4)


def test_the_parts_are_held_to_versions_and_hashes() -> None:
    assert {one.name for one in PARTS} == {
        "shape_predictor_68_face_landmarks.dat",
        "dlib_face_recognition_resnet_model_v1.dat",
        "face_landmark.tflite",
    }
    assert all("==" in one.package and len(one.sha256) == 64 for one in PARTS)
