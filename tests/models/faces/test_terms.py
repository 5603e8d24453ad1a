"""The face losses: nothing for the photograph itself, a pull for everything else."""

from __future__ import annotations

import torch

from models.faces.landmarks import LandmarkNetwork
from models.faces.terms import FaceTerms


def test_the_terms_are_zero_for_the_photograph_itself_and_pull_the_result_back() -> None:
    torch.manual_seed(0)
    terms = FaceTerms(LandmarkNetwork().eval())
    photograph, boxes = torch.rand(2, 3, 64, 64), torch.tensor([[8.0, 8.0, 56.0, 56.0]] * 2)
    for name, value in terms(photograph, photograph, boxes).items():
        assert value.shape == (2,), name
        torch.testing.assert_close(value, torch.zeros(2), atol=1e-5, rtol=0)
    result = torch.rand(2, 3, 64, 64, requires_grad=True)
    made = terms(result, photograph, boxes)
    assert set(made) == {"face_geometry", "face_parts", "face_identity"}
    sum(v.sum() for v in made.values()).backward()
    assert result.grad is not None
    assert result.grad[..., 16:48, 16:48].abs().sum() > 0 and torch.isfinite(result.grad).all()
    assert result.grad[..., :3, :3].abs().sum() == 0  # outside the face nothing is asked
