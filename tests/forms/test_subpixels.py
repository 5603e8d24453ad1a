"""Transposed convolutions as convolutions and pixel shuffles: exact for every common form."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from iast_export.forms.subpixels import Subpixels, fold_transposed


def of(*args: Any, **kwargs: Any) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.ConvTranspose2d(8, *args, **kwargs)).eval()


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((4, 3, 2, 1), {"output_padding": 1}),
        ((4, 4, 2, 1), {}),
        ((4, 2, 2), {"bias": False}),
        ((4, 5, 2, 2), {"output_padding": 1}),
        ((8, 4, 2, 1), {"groups": 4}),
        ((8, 4, 2, 1), {"groups": 8}),
        ((4, 3, 3), {}),
        ((4, 8, 4, 2), {}),
        ((4, (4, 2), 2, (1, 0)), {}),
    ],
)
def test_the_values_are_those_of_the_transposed_one(args: Any, kwargs: Any) -> None:
    module, x = of(*args, **kwargs), torch.randn(1, 8, 5, 6)
    with torch.no_grad():
        wanted = module(x)
        assert fold_transposed(module) == 1 and isinstance(module[0], Subpixels)
        found = module(x)
    assert found.shape == wanted.shape and torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((4, 3, 1, 1), {}),
        ((4, 3, 2, 1), {}),
        ((4, 3, 2, 2), {"dilation": 2, "output_padding": 1}),
        ((4, 4, (2, 1), 1), {}),
        ((4, 1, 2), {"output_padding": 1}),
    ],
    ids=["stride of 1", "odd sides", "taps apart", "two strides", "mostly zeros"],
)
def test_what_would_not_pay_or_not_fit_stays(args: Any, kwargs: Any) -> None:
    module = of(*args, **kwargs)
    assert fold_transposed(module) == 0 and isinstance(module[0], nn.ConvTranspose2d)


def test_a_weight_that_is_computed_is_taken_as_it_is_now() -> None:
    module = of(4, 4, 2, 1)
    nn.utils.parametrizations.weight_norm(module[0])
    x = torch.randn(1, 8, 4, 4)
    with torch.no_grad():
        wanted = module(x)
        assert fold_transposed(module) == 1
        assert torch.allclose(module(x), wanted, atol=1e-5)
