"""Readers of a face beside each other: overlaps and distances in plain units."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.face_masks import apart, drawn, masks_of, overlap, table
from models.evaluation.sample import Picture
from models.faces import LANDMARK_OUTLINES, PARTS
from models.faces.measuring import Face
from tests.models.faces.test_masks import drawn_face

BOX = np.array([20, 20, 120, 120], np.float32)


def points() -> np.ndarray:
    """The schematic face in pixels, on the square around the box."""
    return np.asarray(drawn_face()[0].numpy() * 110 + 15, np.float32)


def test_masks_lie_on_the_boxs_square_and_overlap_as_far_as_they_are_shifted() -> None:
    one = masks_of(points(), BOX, LANDMARK_OUTLINES)
    assert one.shape == (len(PARTS), 256, 256)
    assert one[PARTS.index("mouth")][int(0.7 * 256), 128]
    assert overlap(one, one).tolist() == [1.0] * len(PARTS)
    half = np.zeros((2, 4, 4), bool)
    half[0, :, :2] = True
    other = np.roll(half, 1, axis=2)
    assert overlap(half, other).tolist() == [pytest.approx(1 / 3), 0.0]


def test_landmarks_are_apart_in_shares_of_the_eyes_distance() -> None:
    face = points()
    eyes = float(np.linalg.norm(face[45] - face[36]))
    shift = np.array([0.3, -0.4], np.float32) * np.float32(eyes)
    assert apart(face, face + shift) == pytest.approx(0.5, rel=1e-4)


def test_a_table_compares_every_pair_of_readers_part_by_part() -> None:
    made = [masks_of(points() + np.float32(k), BOX, LANDMARK_OUTLINES) for k in range(3)]
    text = table({"stand-in": made, "Dlib": made, "mesh": made[::-1]}, np.full(3, 0.04))
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 3 and all(row.count("|") == len(PARTS) + 3 for row in rows)
    assert rows[0].count("1.00 (1.00 to 1.00)") == len(PARTS)
    assert "| left eye |" in text and "0.040 (0.040 to 0.040)" in text


def test_a_picture_shows_the_face_and_each_readers_outlines() -> None:
    person = Picture(
        "p", np.full((160, 160, 3), 90, np.uint8), Face(BOX, np.zeros((5, 2), np.float32), 0.9)
    )
    row = drawn(person, [masks_of(points(), BOX, LANDMARK_OUTLINES)])
    assert row.shape == (256, 512, 3) and (row[:, :256] == 90).all()
    assert 0 < (row[:, 256:] != 90).any(2).mean() < 0.2
