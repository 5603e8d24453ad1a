"""Outlines of parts: the same parts by landmarks and by a mesh, and what a mirror makes of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.faces.masks import part_masks
from models.faces.outlines import (
    LANDMARK_OUTLINES,
    MIRRORED_LANDMARKS,
    MIRRORED_RINGS,
    PARTS,
    RING_OUTLINES,
    RING_POINTS,
)
from tests.models.faces.test_masks import drawn_face


def test_both_kinds_of_outlines_know_every_part_and_each_ring_point_has_one_place() -> None:
    assert set(LANDMARK_OUTLINES.parts) == set(RING_OUTLINES.parts) == set(PARTS)
    places = [place for part in PARTS for place in RING_OUTLINES.parts[part]]
    assert places == list(range(len(RING_POINTS)))
    assert max(RING_POINTS) < 468 and all(len(ring) >= 10 for ring in RING_OUTLINES.parts.values())


@pytest.mark.parametrize("table", [MIRRORED_LANDMARKS, MIRRORED_RINGS])
def test_mirroring_twice_changes_nothing(table: tuple[int, ...]) -> None:
    assert [table[place] for place in table] == list(range(len(table)))


def test_a_mirrored_faces_masks_are_its_masks_mirrored_with_the_sides_changed() -> None:
    points = drawn_face()
    points[0, 36, 0] -= 0.03  # one eye is wider
    mirrored = torch.stack([1.0 - points[..., 0], points[..., 1]], -1)[:, list(MIRRORED_LANDMARKS)]
    sides = [PARTS.index(part) for part in ("right_eye", "left_eye", "right_brow", "left_brow")]
    order = [0, 1, sides[0], sides[1], 4, sides[2], sides[3]]
    torch.testing.assert_close(
        part_masks(mirrored), part_masks(points)[:, order].flip(3), atol=1e-4, rtol=1e-3
    )


def test_rings_draw_areas_of_all_parts_with_the_sides_as_seen() -> None:
    rings = np.zeros((len(RING_POINTS), 2), np.float32)
    for number, part in enumerate(PARTS):
        places = RING_OUTLINES.parts[part]
        turn = np.linspace(0.0, 2.0 * np.pi, len(places), endpoint=False)
        center = (number + 0.5) / len(PARTS)
        rings[list(places)] = 0.5 + 0.05 * np.stack([np.cos(turn), np.sin(turn)], 1)
        rings[list(places), 0] += center - 0.5
    masks = part_masks(torch.from_numpy(rings)[None], RING_OUTLINES, 140, 1e-3)[0]
    for number, mask in enumerate(masks):
        assert mask[70, number * 20 + 10] > 0.99 and mask.mean() == pytest.approx(0.0078, rel=0.1)
