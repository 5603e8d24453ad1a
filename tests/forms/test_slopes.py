"""PReLUs of one slope are LeakyReLUs of the same values; others stay what they are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from iast_export.forms.slopes import SharedSlope, share_slopes
from tests.forms.test_litert_forms import picture


@pytest.mark.parametrize("channels", [1, 6])
@pytest.mark.parametrize("slope", [0.25, -0.5, 1.75, 0.0])
def test_one_slope_for_all_channels_is_a_leaky_rectifier(channels: int, slope: float) -> None:
    layer, x = nn.PReLU(channels, slope), picture(6, 5, 7) - 0.5
    module = nn.Sequential(nn.Sequential(layer))
    assert share_slopes(module) == 1
    assert isinstance(module[0][0], SharedSlope)  # type: ignore[index]
    torch.testing.assert_close(module(x), layer(x))
    assert module[0][0].weight is layer.weight  # type: ignore[index]


def test_slopes_that_differ_stay_per_channel() -> None:
    layer = nn.PReLU(2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.1, 0.2]))
    module = nn.Sequential(layer)
    assert share_slopes(module) == 0 and module[0] is layer
