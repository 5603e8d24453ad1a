"""Positions along sides of any length are PyTorch's."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from iast_export.forms.grids import affine_grid, in_floats, linspace
from iast_export.forms.traced_forms import TracedForms


@pytest.mark.parametrize("align", [True, False])
def test_an_affine_grid_is_made_of_positions(align: bool) -> None:
    theta = torch.tensor([[[0.9, 0.1, 0.2], [-0.1, 1.1, 0.0]]])
    wanted = F.affine_grid(theta, [1, 3, 5, 8], align_corners=align)
    with TracedForms():
        found = F.affine_grid(theta, [1, 3, 5, 8], align_corners=align)
    assert torch.allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("align", [True, False])
def test_a_side_of_one_pixel_has_one_position(align: bool) -> None:
    theta = torch.tensor([[[0.9, 0.1, 0.2], [-0.1, 1.1, 0.0]]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what versions before 1.3 did there
        wanted = F.affine_grid(theta, [1, 3, 1, 4], align_corners=align)
    assert torch.allclose(affine_grid(theta, [1, 3, 1, 4], align), wanted, atol=1e-6)
    side: Any = np.int64(1)  # no plain number, as a side is none in an export
    assert torch.equal(linspace(-1.0, 1.0, side), torch.linspace(-1.0, 1.0, 1))


def test_a_grid_of_several_pictures_or_of_a_volume_stays_as_it_is() -> None:
    assert affine_grid(torch.zeros(2, 2, 3), [2, 3, 5, 8]) is None
    assert affine_grid(torch.zeros(1, 3, 4), [1, 3, 2, 5, 8]) is None


def test_a_number_of_steps_that_is_no_side_stays_as_it_is() -> None:
    assert linspace(-1.0, 1.0, 5) is None


def test_numbers_and_floats_need_no_floats() -> None:
    assert in_floats([torch.arange(3), 2]) is None
    assert in_floats([torch.zeros(3), 0.5]) is None


def _with_rows(x: Tensor) -> Tensor:
    h = x.shape[2]
    return x + (torch.arange(h) * (2 / (h - 1)) - 1).view(1, 1, h, 1)


def test_whole_numbers_times_a_fraction_of_a_side_are_floats() -> None:
    class Rows(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with TracedForms():
                return _with_rows(x)

    x, shapes = torch.rand(1, 3, 4, 6), ({2: torch.export.Dim("h", min=2)},)
    program = torch.export.export(Rows(), (x,), dynamic_shapes=shapes)
    products = [node for node in program.graph.nodes if node.target is torch.ops.aten.mul.Tensor]
    assert products
    assert all(node.args[0].meta["val"].is_floating_point() for node in products)
    larger = torch.rand(1, 3, 9, 6)
    assert torch.allclose(program.module()(larger), _with_rows(larger))
