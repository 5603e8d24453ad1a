"""Numbers of a size that Python reckons are found with their line; torch's own are free."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from iast_export.network.symbolic import fixed_number, sides_of

PICTURE = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(1))


class Drawn(nn.Module):
    def __init__(self, compute: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.compute = compute

    def forward(self, content: Tensor) -> Tensor:
        return self.compute(content)


def test_a_root_by_math_is_found_with_its_line() -> None:
    by_math = Drawn(lambda x: x / math.sqrt(x.shape[2] * x.shape[3]))
    found = fixed_number(by_math, (PICTURE,), 4)
    assert found.startswith("div (test_symbolic.py:") and "math.sqrt" in found


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x / (x.shape[2] * x.shape[3]) ** 0.5,
        lambda x: x * (2 / (x.shape[2] - 1)),
        lambda x: x * math.sqrt(x.shape[1]),
        lambda x: nn.functional.interpolate(x[:, :, ::2, ::2], scale_factor=2.0, mode="bilinear"),
        lambda x: x[:, :, : int(x.shape[2] / 2)],
        lambda x: nn.functional.avg_pool2d(x, x.shape[2:]),
        lambda x: x.view(1, 3, -1) @ x.view(1, 3, -1).transpose(1, 2) / x[0].numel(),
    ],
)
def test_what_an_export_follows_is_no_fixed_number(compute: Callable[[Tensor], Tensor]) -> None:
    assert fixed_number(Drawn(compute), (PICTURE,), 4) == ""


def test_where_values_are_wanted_nothing_is_told() -> None:
    assert fixed_number(Drawn(lambda x: x * float(x.mean())), (PICTURE,), 4) == ""


def test_a_kernel_of_the_pictures_size_is_found_with_its_line() -> None:
    pooled = Drawn(lambda x: nn.functional.avg_pool2d(x, x.shape[2] // 4))
    assert fixed_number(pooled, (PICTURE,), 4).startswith("avg_pool2d (test_symbolic.py:")


def test_int_is_replaced_only_where_a_side_would_be_lost() -> None:
    taken = Drawn(lambda x: x[:, :, : int(x.shape[2] / 2)])
    assert fixed_number(taken, (PICTURE,), 4, nullcontext()).startswith("slice (test_symbolic.py:")
    assert not isinstance(sides_of(taken, (PICTURE,), 4), nullcontext)
    followed = Drawn(lambda x: x[:, :, : x.shape[2] // 2])
    assert isinstance(sides_of(followed, (PICTURE,), 4), nullcontext)
