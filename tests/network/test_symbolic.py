"""Fractions of a size that Python reckons are found with their line; torch's own are free."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from iast_export.network.symbolic import fixed_fraction

PICTURE = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(1))


class Drawn(nn.Module):
    def __init__(self, compute: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.compute = compute

    def forward(self, content: Tensor) -> Tensor:
        return self.compute(content)


def test_a_root_by_math_is_found_with_its_line() -> None:
    by_math = Drawn(lambda x: x / math.sqrt(x.shape[2] * x.shape[3]))
    found = fixed_fraction(by_math, (PICTURE,), 4)
    assert found.startswith("div (test_symbolic.py:") and "math.sqrt" in found


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x / (x.shape[2] * x.shape[3]) ** 0.5,
        lambda x: x * (2 / (x.shape[2] - 1)),
        lambda x: x * math.sqrt(x.shape[1]),
        lambda x: nn.functional.interpolate(x[:, :, ::2, ::2], scale_factor=2.0, mode="bilinear"),
        lambda x: x.view(1, 3, -1) @ x.view(1, 3, -1).transpose(1, 2) / x[0].numel(),
    ],
)
def test_what_an_export_follows_is_no_fixed_fraction(compute: Callable[[Tensor], Tensor]) -> None:
    assert fixed_fraction(Drawn(compute), (PICTURE,), 4) == ""


def test_where_values_are_wanted_nothing_is_told() -> None:
    assert fixed_fraction(Drawn(lambda x: x * float(x.mean())), (PICTURE,), 4) == ""
