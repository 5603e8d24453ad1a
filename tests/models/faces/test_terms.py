"""The face losses: nothing for the photograph itself, a pull for everything else."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.faces.landmarks import LandmarkNetwork
from models.faces.outlines import RING_POINTS
from models.faces.terms import FaceTerms, KnownFaces, carried

BOXES = torch.tensor([[8.0, 8.0, 56.0, 56.0]] * 2)


def known(landmarks: bool, rings: bool) -> KnownFaces:
    """Points that no network found: somewhere in the boxes."""
    made = torch.Generator().manual_seed(5)

    def points(count: int) -> Tensor:
        return 16.0 + 32.0 * torch.rand(2, count, 2, generator=made)

    return KnownFaces(
        BOXES, points(68) if landmarks else None, points(len(RING_POINTS)) if rings else None
    )


@pytest.mark.parametrize(
    ("landmarks", "rings"), [(False, False), (True, False), (False, True), (True, True)]
)
def test_the_terms_are_zero_for_the_photograph_itself_and_pull_the_result_back(
    landmarks: bool, rings: bool
) -> None:
    torch.manual_seed(0)
    terms, faces = FaceTerms(LandmarkNetwork().eval()), known(landmarks, rings)
    photograph = torch.rand(2, 3, 64, 64)
    for name, value in terms(photograph, photograph, faces).items():
        assert value.shape == (2,), name
        torch.testing.assert_close(value, torch.zeros(2), atol=1e-5, rtol=0)
    result = torch.rand(2, 3, 64, 64, requires_grad=True)
    made = terms(result, photograph, faces)
    assert set(made) == {"face_geometry", "face_parts", "face_identity"}
    sum(v.sum() for v in made.values()).backward()
    assert result.grad is not None
    assert result.grad[..., 16:48, 16:48].abs().sum() > 0 and torch.isfinite(result.grad).all()
    assert result.grad[..., :3, :3].abs().sum() == 0  # outside the face nothing is asked


class Seeing(LandmarkNetwork):
    """Finds every landmark where the picture is dark: its mean level is their shift."""

    def points(self, crop: Tensor) -> Tensor:
        spread = torch.linspace(-0.2, 0.2, 68)[:, None] * torch.tensor([1.0, 0.5])
        return spread * (1.0 + crop.mean((1, 2, 3)))[:, None, None] + 0.5


def test_known_landmarks_move_by_what_the_network_sees_move() -> None:
    """The network's faces are lines, the known one is not: its shape is what deforms."""
    terms = FaceTerms(Seeing().eval())
    dark, bright = torch.zeros(2, 3, 64, 64), torch.ones(2, 3, 64, 64)
    alone = terms(bright, dark, KnownFaces(BOXES))["face_geometry"]
    beside = terms(bright, dark, known(landmarks=True, rings=False))["face_geometry"]
    assert (alone > 0.9).all()  # twice the size
    assert (beside < 0.9 * alone).all() and (beside > 0.01).all()


def test_a_rings_points_go_along_with_the_landmarks_around_them() -> None:
    source = torch.rand(1, 68, 2)
    shift = torch.tensor([0.1, -0.05])
    points = torch.rand(1, 9, 2)
    torch.testing.assert_close(carried(points, source, source + shift), points + shift)
    far = source.clone()
    far[0, :34] = torch.rand(34, 2) * 0.1
    far[0, 34:] = 0.9 + torch.rand(34, 2) * 0.1
    moved = far.clone()
    moved[0, :34] += shift
    made = carried(torch.tensor([[[0.05, 0.05], [0.95, 0.95]]]), far, moved)
    wanted = torch.tensor([[[0.15, 0.0], [0.95, 0.95]]])
    torch.testing.assert_close(made, wanted, atol=1e-4, rtol=0)
