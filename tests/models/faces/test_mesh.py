"""The mesh: where it looks, and that its points come back to the picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from iast_export.errors import InputError
from models.faces.measuring import Face
from models.faces.mesh import POINTS, MeshFinder, upright
from models.faces.outlines import RING_POINTS

EYES = np.array([[40, 60], [80, 60], [60, 80], [45, 100], [75, 100]], np.float32)
FACE = Face(np.array([20, 20, 100, 140], np.float32), EYES, 0.9)


class Interpreter:
    """A mesh whose points all lie on the brightest pixel of what it is shown."""

    shape = (1, 192, 192, 3)

    def __init__(self, path: str) -> None:
        self.seen = np.zeros(self.shape, np.float32)

    def allocate_tensors(self) -> None:
        pass

    def get_input_details(self) -> list[dict[str, Any]]:
        return [{"index": 0, "shape": np.array(self.shape)}]

    def get_output_details(self) -> list[dict[str, Any]]:
        return [{"index": 2, "shape": np.array([1, 1])}, {"index": 1, "shape": [1, 3 * POINTS]}]

    def set_tensor(self, index: int, value: np.ndarray) -> None:
        assert index == 0 and value.dtype == np.float32 and value.max() <= 1.0
        self.seen = value

    def invoke(self) -> None:
        pass

    def get_tensor(self, index: int) -> np.ndarray:
        assert index == 1
        blurred = cv2.GaussianBlur(self.seen[0, ..., 0], (0, 0), 3.0)
        y, x = np.unravel_index(int(blurred.argmax()), blurred.shape)
        return np.tile(np.array([x, y, 7.0], np.float32), POINTS)[np.newaxis]


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MeshFinder:
    monkeypatch.setattr("ai_edge_litert.interpreter.Interpreter", Interpreter)
    (tmp_path / "mesh.tflite").write_bytes(b"")
    return MeshFinder(tmp_path / "mesh.tflite")


@pytest.mark.parametrize("degrees", [0.0, 30.0, -100.0])
def test_a_face_is_seen_upright_and_its_points_come_back(
    finder: MeshFinder, degrees: float
) -> None:
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = ((EYES - 60) @ turn.T + 90).astype(np.float32)
    face = Face(np.array([40, 40, 150, 150], np.float32), points, 0.9)
    left, right = (np.append(p, 1.0) @ upright(face).T for p in points[:2])
    assert left[1] == pytest.approx(right[1], abs=1e-3) and left[0] < right[0]
    picture = np.zeros((200, 200, 3), np.uint8)
    cv2.circle(picture, (100, 110), 5, (255, 255, 255), -1)
    found = finder.points(picture, face)
    assert found.shape == (POINTS, 2)
    np.testing.assert_allclose(found[0], (100, 110), atol=1.5)
    assert finder.rings(picture, face).shape == (len(RING_POINTS), 2)


def test_the_whole_box_is_seen_with_room() -> None:
    corners = np.array([[20, 20, 1], [100, 140, 1]]) @ upright(FACE).T
    np.testing.assert_allclose(corners.mean(0), (96, 96))
    assert corners[1, 1] - corners[0, 1] == pytest.approx(192 / 1.5)


def test_files_that_are_no_mesh_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, finder: MeshFinder
) -> None:
    with pytest.raises(InputError, match=r"missing\n.*benchmarks\.face_parts"):
        MeshFinder(tmp_path / "none.tflite")
    monkeypatch.setattr(Interpreter, "shape", (1, 256, 256, 3))
    with pytest.raises(InputError, match="no mesh of 468 points"):
        MeshFinder(tmp_path / "mesh.tflite")
    with pytest.raises(InputError, match="eyes fall together"):
        upright(Face(FACE.box, np.zeros((5, 2), np.float32), 0.9))
