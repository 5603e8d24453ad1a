"""Dlib's parts behind the protocols, played by a stand-in of its package."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from iast_export.errors import InputError, UsageError
from models.evaluation.judges import DlibJury
from models.evaluation.sample import Pair, Picture
from models.faces.measuring import Face, deformation
from models.faces.published import (
    IDENTITY,
    PREDICTOR,
    SAME_PERSON,
    DlibIdentity,
    DlibLandmarks,
    detector_square,
)

POINTS = np.array([[40, 40], [80, 40], [60, 60], [45, 80], [75, 80]], np.float32)
FACE = Face(np.array([20, 10, 100, 110], np.float32), POINTS, 0.9)


class Rectangle(NamedTuple):
    left: int
    top: int
    right: int
    bottom: int


def _opening(make: Any) -> Any:
    def opened(path: str) -> Any:
        if Path(path).read_bytes() != b"dlib":
            raise RuntimeError("Unexpected version found while deserializing")
        return make

    return opened


def _shape(picture: np.ndarray, rectangle: Rectangle) -> Any:
    """68 points on a ring in the rectangle, as much further down as the picture is dark."""
    turn = np.linspace(0.0, 2.0 * np.pi, 68, endpoint=False)
    wide, tall = rectangle.right - rectangle.left, rectangle.bottom - rectangle.top
    x = rectangle.left + wide * (0.5 + 0.4 * np.cos(turn))
    y = rectangle.top + tall * (0.5 + 0.4 * np.sin(turn) * (1.0 + (255 - picture.mean()) / 255))
    points = [SimpleNamespace(x=round(a), y=round(b)) for a, b in zip(x, y, strict=True)]
    return SimpleNamespace(parts=lambda: points, rectangle=rectangle)


class Embedding:
    """128 numbers of which one is the mean level; remembers where it was asked to look."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def compute_face_descriptor(self, picture: np.ndarray, shape: Any) -> list[float]:
        self.asked.append(shape)
        return [float(picture.mean()) / 100.0, *[0.0] * 127]


@pytest.fixture
def embedding(monkeypatch: pytest.MonkeyPatch) -> Embedding:
    made = Embedding()
    package = SimpleNamespace(
        rectangle=Rectangle,
        shape_predictor=_opening(_shape),
        face_recognition_model_v1=_opening(made),
    )
    monkeypatch.setitem(sys.modules, "dlib", package)
    return made


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in (PREDICTOR, IDENTITY):
        (tmp_path / name).write_bytes(b"dlib")
    return tmp_path


def level(value: int) -> np.ndarray:
    return np.full((120, 120, 3), value, np.uint8)


def test_the_square_moves_turns_and_grows_with_the_face_and_stays_upright() -> None:
    square = detector_square(POINTS)
    assert square[2] - square[0] == pytest.approx(square[3] - square[1])
    assert 0 < square[0] < 40 and 80 < square[2] < 120 and 0 < square[1] < 40 and square[3] > 80
    np.testing.assert_allclose(detector_square(POINTS * 2 + 5), square * 2 + 5)
    center = (square[:2] + square[2:]) / 2
    turned = (POINTS - center.astype(np.float32)) @ np.array([[0, 1], [-1, 0]], np.float32)
    np.testing.assert_allclose(
        detector_square(turned + center.astype(np.float32)), square, atol=1e-3
    )
    with pytest.raises(InputError, match="detect the face again"):
        detector_square(np.zeros((5, 2), np.float32))


def test_landmarks_are_looked_for_on_each_picture_anew_at_the_same_place(
    embedding: Embedding, files: Path
) -> None:
    finder = DlibLandmarks(files)
    before, after = (finder.points(level(x), FACE) for x in (255, 155))
    assert before.shape == (68, 2) and before.dtype == np.float32
    assert deformation(before, before) == 0.0 and deformation(before, after) > 0.1
    jury = DlibJury(finder, DlibIdentity(files), "x")
    pair = Pair(Picture("p", level(255), FACE), Picture("a", level(0)))
    assert jury.scores(pair, level(155))["dlib_deformation"] == deformation(before, after)


def test_both_pictures_are_embedded_where_the_photographs_face_is(
    embedding: Embedding, files: Path
) -> None:
    subject = DlibIdentity(files)
    assert subject.compare(level(255), level(205), FACE) == pytest.approx(0.5)
    assert subject.compare(level(255), level(105), FACE) == pytest.approx(1.5)
    assert len(embedding.asked) == 3  # the photograph is looked at once
    assert len({id(shape) for shape in embedding.asked}) == 1
    subject.compare(level(100), level(105), FACE)
    assert len({id(shape) for shape in embedding.asked}) == 2


def test_a_share_counts_the_faces_that_stay_one_person(embedding: Embedding, files: Path) -> None:
    jury = DlibJury.load(files)
    pair = Pair(Picture("p", level(255), FACE), Picture("a", level(0)))
    near, far = (jury.scores(pair, level(255 - round(100 * d))) for d in (0.5, 0.7))
    assert near["dlib_identity"] < SAME_PERSON < far["dlib_identity"]
    assert (near["dlib_same"], far["dlib_same"]) == (1.0, 0.0)
    faceless = Pair(Picture("p", level(255)), Picture("a", level(0)))
    assert jury.sees(pair) and not jury.sees(faceless) and jury.scores(faceless, level(0)) == {}


def test_what_is_missing_is_named_with_what_to_do(
    embedding: Embedding, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"missing\n.*benchmarks\.face_parts"):
        DlibLandmarks(files / "elsewhere")
    (files / IDENTITY).write_bytes(b"no")
    with pytest.raises(InputError, match=r"can't read(.|\n)*fetch the file again"):
        DlibIdentity(files)
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(UsageError, match=r"not installed\n.*iast-export\[faces\]"):
        DlibLandmarks(files)
