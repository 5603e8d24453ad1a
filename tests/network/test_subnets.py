"""Cutting a tier's network: the packaged one and networks of one's own, right and wrong."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from iast_export.errors import InputError
from iast_export.network.iast import IAST, NetworkConfig
from iast_export.network.subnets import check_codes, cut, parity, plain_codes, probe_inputs
from iast_export.specs import Tier

TINY = NetworkConfig(
    width=8, stem_width=4, blocks=2, mid_site_after=1, encoder_widths=(4, 8), encoder_hidden=8
)


@pytest.fixture
def net() -> IAST:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return IAST(TINY)


class Affine(nn.Module):
    """The smallest style network: a gain and an offset per channel."""

    depths = (1,)
    size_multiple_px = 1
    code_shapes: Mapping[str, tuple[int, ...]] = {"gain": (1, 3), "strength": (1, 1)}

    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, content: Tensor, gain: Tensor, strength: Tensor) -> Tensor:
        return content * (gain.view(1, 3, 1, 1) * strength.view(1, 1, 1, 1)) + self.offset

    def cut(self, depth: int) -> nn.Module:
        return copy.deepcopy(self)

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return style.mean((2, 3)), torch.ones(1, 1)


def test_a_cut_is_a_new_static_network_that_leaves_the_supernet_alone(net: IAST) -> None:
    net.train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    module = cut(net, Tier(2, 256))
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.add_(1.0)
    assert not module.training and not any(p.requires_grad for p in module.parameters())
    assert net.training and all(p.requires_grad for p in net.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize("depth", TINY.depths)
def test_a_cut_computes_what_the_supernet_computes_at_that_depth(net: IAST, depth: int) -> None:
    net.eval()
    inputs = probe_inputs(net, 32, 20)
    assert parity(cut(net, Tier(depth, 64)), net.share(depth), inputs) < 1e-5


def test_depths_differ(net: IAST) -> None:
    assert parity(cut(net, Tier(1, 64)), cut(net, Tier(2, 64)), probe_inputs(net, 32, 32)) > 1e-4


def test_a_network_of_ones_own_is_cut_the_same_way() -> None:
    module = cut(Affine(), Tier(1, 64))
    content, gain, strength = probe_inputs(Affine(), 5, 7)
    assert torch.equal(module(content, gain, strength), content * gain.view(1, 3, 1, 1))


def test_a_depth_that_is_not_offered_is_refused(net: IAST) -> None:
    with pytest.raises(InputError, match=r"d4-256px: depth 4 is not one of \(1, 2\)"):
        cut(net, Tier(4, 256))


class _Itself(Affine):
    def cut(self, depth: int) -> nn.Module:
        return self


class _Shares(Affine):
    def cut(self, depth: int) -> nn.Module:
        return copy.copy(self)


class _NoModule(Affine):
    def cut(self, depth: int) -> Any:
        return lambda content: content


class _Shrinks(Affine):
    def forward(self, content: Tensor, gain: Tensor, strength: Tensor) -> Tensor:
        return content[:, :, :-1]


class _Doubles(Affine):
    def forward(self, content: Tensor, gain: Tensor, strength: Tensor) -> Tensor:
        return content.double()


class _Divides(Affine):
    def forward(self, content: Tensor, gain: Tensor, strength: Tensor) -> Tensor:
        return content / torch.zeros_like(content)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (_Itself, "returned the network itself"),
        (_Shares, "shares the tensor offset"),
        (_NoModule, "returned a function"),
        (_Shrinks, r"\[1, 3, 16, 17\] to \[1, 3, 15, 17\]"),
        (_Doubles, r"torch\.float64"),
        (_Divides, "gives NaN or infinity"),
    ],
)
def test_a_network_that_breaks_the_protocol_is_refused_by_what_it_did(
    wrong: type[Affine], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        cut(wrong(), Tier(1, 64))


@pytest.mark.parametrize(
    ("codes", "match"),
    [
        ((torch.ones(1, 3),), "1 codes, code_shapes names 2: gain, strength"),
        ((torch.ones(1, 4), torch.ones(1, 1)), r"gain is \[1, 4\]"),
        ((torch.ones(1, 3).double(), torch.ones(1, 1)), "float64"),
        ((torch.full((1, 3), torch.nan), torch.ones(1, 1)), "gain holds NaN"),
        ((torch.ones(1, 3), torch.zeros(1, 1)), "strength, 1 was needed"),
    ],
)
def test_codes_that_break_their_promise_are_refused(codes: tuple[Tensor, ...], match: str) -> None:
    with pytest.raises(InputError, match=match):
        check_codes(Affine.code_shapes, codes)


def test_probes_are_the_same_every_time_and_inside_the_value_range(net: IAST) -> None:
    first, second = probe_inputs(net, 16, 20), probe_inputs(net, 16, 20)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert first[0].shape == (1, 3, 16, 20)
    assert 0.0 <= float(first[0].min()) < float(first[0].max()) <= 1.0
    assert [tuple(code.shape) for code in plain_codes(net)] == list(net.code_shapes.values())


def test_parity_never_hides_nan_or_another_shape() -> None:
    content, gain, strength = probe_inputs(Affine(), 8, 8)
    with pytest.raises(InputError, match="NaN or infinity"):
        parity(Affine(), _Divides(), (content, gain, strength))
    with pytest.raises(InputError, match="can't be compared"):
        parity(Affine(), _Shrinks(), (content, gain, strength))
