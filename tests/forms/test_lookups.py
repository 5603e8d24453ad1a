"""A lookup by gathers is PyTorch's, for pictures and volumes and wherever places lie."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from iast_export.forms.lookups import sampled
from tests.forms.test_litert_forms import picture

PICTURE, VOLUME = picture(3), picture(6, 5, 4).view(1, 3, 2, 5, 4)
KINDS = list(itertools.product(("zeros", "border", "reflection"), (True, False)))


def _places(axes: int) -> Tensor:
    """Places [1, ..., axes] of which a third lies beyond the edges, some of them far."""
    sides = (1, 7, 9) if axes == 2 else (1, 3, 7, 9)
    generator = torch.Generator().manual_seed(axes)
    return torch.randn((*sides, axes), generator=generator) * 1.2


@pytest.mark.parametrize("x", [PICTURE, VOLUME], ids=["picture", "volume"])
@pytest.mark.parametrize(("padding", "align"), KINDS)
def test_places_between_pixels_weigh_their_neighbors(x: Tensor, padding: str, align: bool) -> None:
    grid = _places(x.dim() - 2)
    wanted = F.grid_sample(x, grid, padding_mode=padding, align_corners=align)
    found = sampled(x, grid, padding_mode=padding, align_corners=align)
    assert found is not None
    assert torch.allclose(found, wanted, atol=2e-6)


@pytest.mark.parametrize("x", [PICTURE, VOLUME], ids=["picture", "volume"])
@pytest.mark.parametrize(("padding", "align"), KINDS)
def test_the_nearest_pixel_is_pytorchs(x: Tensor, padding: str, align: bool) -> None:
    grid = _places(x.dim() - 2)
    wanted = F.grid_sample(x, grid, "nearest", padding, align)
    found = sampled(x, grid, "nearest", padding, align)
    assert found is not None
    assert torch.equal(found, wanted)


def test_places_of_a_side_of_one_pixel_which_are_no_numbers_are_the_last() -> None:
    grid = torch.full((1, 1, 2, 2, 3), torch.nan)
    wanted = F.grid_sample(VOLUME, grid, padding_mode="border", align_corners=True)
    found = sampled(VOLUME, grid, padding_mode="border", align_corners=True)
    assert found is not None
    assert torch.equal(found, wanted)


def test_what_is_no_weighing_of_neighbors_is_left_as_it_is() -> None:
    grid = _places(2)
    assert sampled(PICTURE, grid, "bicubic", align_corners=True) is None
    assert sampled(PICTURE.expand(2, -1, -1, -1), grid.expand(2, -1, -1, -1)) is None
