"""Listings of faces, and crops in which what was found stays where it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.faces import FaceTerms, LandmarkNetwork
from models.faces.crops import FaceStore
from models.faces.listing import ListedFace, listed_faces, listing_bytes
from models.faces.outlines import MIRRORED_LANDMARKS, RING_POINTS

BOX = np.array([0.25, 0.2, 0.75, 0.8])


def spots(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.3, 0.7, (count, 2))


def full() -> ListedFace:
    return ListedFace(BOX, spots(68, 0), spots(len(RING_POINTS), 1))


def test_a_listing_comes_back_and_a_box_alone_stays_a_list_of_four(tmp_path: Path) -> None:
    path = tmp_path / "faces.json"
    path.write_bytes(listing_bytes({"a/b.jpg": full()}))
    found = listed_faces(path)["a/b.jpg"]
    assert found.landmarks is not None and found.rings is not None
    np.testing.assert_allclose(found.landmarks, full().landmarks, atol=1e-5)
    np.testing.assert_allclose(found.rings, full().rings, atol=1e-5)
    path.write_bytes(listing_bytes({"a/b.jpg": ListedFace(BOX), "c.jpg": ListedFace(BOX)}))
    assert json.loads(path.read_text()) == {"a/b.jpg": BOX.tolist(), "c.jpg": BOX.tolist()}
    assert listed_faces(path)["c.jpg"].landmarks is None


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "lists no face"),
        ({"a": [0.0, 0.0, 1.5, 1.0]}, "outside 0..1"),
        ({"a": [0.0, 0.0, 1.0]}, r"box of \(3,\)"),
        ({"a": {"landmarks": []}}, "needs a box"),
        ({"a": {"box": BOX.tolist(), "mesh": []}}, "needs a box"),
        ({"a": {"box": BOX.tolist(), "landmarks": [[0.5, 0.5]]}}, r"landmarks of \(1, 2\)"),
        ({"a": ["left", 0, 1, 1]}, "models.faces.crops"),
        ({"a": BOX.tolist(), "b": full().entry()}, "more of some faces than of others"),
    ],
)
def test_a_listing_that_can_not_be_used_is_told_how_to_get_one(
    tmp_path: Path, entries: Any, message: str
) -> None:
    path = tmp_path / "faces.json"
    path.write_text(json.dumps(entries))
    with pytest.raises(ValueError, match=message):
        listed_faces(path)


def test_what_was_found_lies_on_the_same_pixels_in_every_crop() -> None:
    """Each landmark is a dot of its own level: in a crop, mirrored or not, it is still there."""
    picture = np.zeros((200, 200, 3), np.uint8)
    places = np.stack([np.arange(68) % 9, np.arange(68) // 9], 1) * 10 + 60
    for number, (x, y) in enumerate(places):
        picture[y - 3 : y + 4, x - 3 : x + 4] = 3 * number + 40
    face = ListedFace(np.array([0.25, 0.25, 0.75, 0.75]), (places + 0.5) / 200.0)
    store = FaceStore.holding([picture], [face], 128, torch.device("cpu"))
    crops, known = store.batch(8, np.random.default_rng(3))
    assert known.landmarks is not None and known.rings is None
    flipped = 0
    for crop, points, box in zip(crops, known.landmarks, known.boxes, strict=True):
        assert box[0] < box[2] and box[1] < box[3]
        found = [crop[0, int(y), int(x)].item() * 255 for x, y in points]
        own, other = (
            np.array([3 * n + 40 for n in order]) for order in (range(68), MIRRORED_LANDMARKS)
        )
        mirrored = abs(found[0] - other[0]) < 1.5
        flipped += mirrored
        np.testing.assert_allclose(found, other if mirrored else own, atol=1.5)
    assert 0 < flipped < 8


def test_everything_that_a_listing_knows_reaches_the_face_terms() -> None:
    torch.manual_seed(0)
    picture = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    store = FaceStore.holding([picture], [full()], 64, torch.device("cpu"))
    crops, known = store.batch(3, np.random.default_rng(1))
    assert known.rings is not None and known.rings.shape == (3, len(RING_POINTS), 2)
    terms = FaceTerms(LandmarkNetwork().eval())
    for value in terms(crops, crops, known).values():
        torch.testing.assert_close(value, torch.zeros(3), atol=1e-5, rtol=0)
    assert terms(1.0 - crops, crops, known)["face_parts"].min() > 0.0
