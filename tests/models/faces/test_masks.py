"""Crops and masks of faces: exact geometry, differentiable."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.faces.masks import PARTS, crop_faces, part_masks, square_boxes


def drawn_face() -> Tensor:
    """68 landmarks of a schematic face, as shares of the crop."""
    points = torch.zeros(68, 2)
    angle = torch.linspace(0.0, torch.pi, 17)
    points[:17] = torch.stack([0.5 - 0.35 * angle.cos(), 0.35 + 0.5 * angle.sin()], 1)
    points[17:22] = torch.stack([torch.linspace(0.2, 0.42, 5), torch.full((5,), 0.3)], 1)
    points[22:27] = torch.stack([torch.linspace(0.58, 0.8, 5), torch.full((5,), 0.3)], 1)
    points[27:31] = torch.stack([torch.full((4,), 0.5), torch.linspace(0.36, 0.52, 4)], 1)
    points[31:36] = torch.stack([torch.linspace(0.43, 0.57, 5), torch.full((5,), 0.58)], 1)
    ring = torch.arange(12) * (2.0 * torch.pi / 12)
    for start, count, x, y, wide, tall in (
        (36, 6, 0.32, 0.4, 0.07, 0.03), (42, 6, 0.68, 0.4, 0.07, 0.03),
        (48, 12, 0.5, 0.7, 0.14, 0.06),
    ):  # fmt: skip
        turn = ring[:: 12 // count]
        points[start : start + count] = torch.stack(
            [x - wide * turn.cos(), y - tall * turn.sin()], 1
        )
    points[60:] = points[48:56]
    return points[None]


def test_a_crop_of_whole_pixels_is_the_picture_itself() -> None:
    image = torch.rand(2, 3, 40, 60)
    boxes = torch.tensor([[5.0, 4.0, 21.0, 20.0], [30.0, 10.0, 46.0, 26.0]])
    crops = crop_faces(image, boxes, 16)
    torch.testing.assert_close(crops[0], image[0, :, 4:20, 5:21], atol=1e-4, rtol=0)
    torch.testing.assert_close(crops[1], image[1, :, 10:26, 30:46], atol=1e-4, rtol=0)
    outside = crop_faces(torch.ones(1, 3, 16, 16), torch.tensor([[-16.0, 0.0, 0.0, 16.0]]), 16)
    assert outside[..., :15].abs().max() == 0.0


def test_boxes_become_squares_around_their_centers() -> None:
    made = square_boxes(torch.tensor([[10.0, 20.0, 30.0, 60.0]]), margin=1.5)
    torch.testing.assert_close(made, torch.tensor([[-10.0, 10.0, 50.0, 70.0]]))


def test_masks_lie_where_the_parts_are_and_have_their_area() -> None:
    masks = part_masks(drawn_face(), side_px=128, softness=0.002)[0]
    named = dict(zip(PARTS, masks, strict=True))
    at = lambda part, x, y: named[part][int(y * 128), int(x * 128)].item()  # noqa: E731
    assert at("mouth", 0.5, 0.7) > 0.99 and at("mouth", 0.5, 0.85) < 0.01
    assert at("left_eye", 0.32, 0.4) > 0.99 and at("right_eye", 0.32, 0.4) < 0.01
    assert (
        at("left_brow", 0.3, 0.3) > 0.99
        and at("face", 0.5, 0.8) > 0.99
        and at("face", 0.02, 0.02) < 0.01
    )
    # The regular 12-gon inscribed in an ellipse: half of 12 sin(30 degrees) times its half axes.
    assert named["mouth"].mean().item() == pytest.approx(3.0 * 0.14 * 0.06, rel=0.05)


def test_masks_move_with_the_landmarks() -> None:
    points = drawn_face().requires_grad_()
    masks = part_masks(points)
    down = torch.linspace(0.0, 1.0, 56)[:, None]
    center = (masks[0, 4] * down).sum() / masks[0, 4].sum()
    center.backward()
    assert points.grad is not None and torch.isfinite(points.grad).all()
    assert points.grad[0, 48:60, 1].sum().item() == pytest.approx(
        1.0, abs=0.1
    )  # the mouth's own height
    assert points.grad[0, :48].abs().max() == 0.0
