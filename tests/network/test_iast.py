"""The IAST student: depths, exact padding and folding, budgets, the meaning of strength."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.network.adapters import StyleNetwork
from iast_export.network.iast import (
    IAST,
    FoldedFusion,
    Fusion,
    NetworkConfig,
    UpsampleConv,
    affine_of_statistics,
    pad_edges,
)

TINY = NetworkConfig(width=8, stem_width=8, encoder_widths=(8, 8, 8, 8), encoder_hidden=16)


@pytest.fixture(scope="module")
def net() -> IAST:
    torch.manual_seed(3)
    return IAST(TINY).eval()


def test_the_default_network_fits_its_budgets() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    big = IAST()
    assert sum(p.numel() for p in big.parameters()) <= 1_500_000
    module = big.cut(big.depths[-1]).to("meta")
    inputs = [torch.empty(s, device="meta") for s in ((1, 3, 256, 256), *big.code_shapes.values())]
    with FlopCounterMode(display=False) as counter:
        module(*inputs)
    assert counter.get_total_flops() / 2 <= 3e9
    assert len(big.depths) >= 4


def test_it_fulfils_the_protocol(net: IAST) -> None:
    assert isinstance(net, StyleNetwork)
    codes = net.encode_style(torch.rand(1, 3, 64, 64))
    assert [tuple(c.shape) for c in codes] == list(net.code_shapes.values())


def test_reflection_by_slices_equals_the_pad_operator() -> None:
    x = torch.rand(2, 3, 5, 7)
    assert torch.equal(pad_edges(x, reflect=True), F.pad(x, (1, 1, 1, 1), mode="reflect"))
    assert torch.equal(pad_edges(x, reflect=False), F.pad(x, (1, 1, 1, 1), mode="replicate"))
    assert torch.equal(
        pad_edges(x, reflect=True, trailing=False), F.pad(x, (1, 0, 1, 0), mode="reflect")
    )


def test_the_folded_upsampling_equals_resize_and_5x5_convolution() -> None:
    torch.manual_seed(0)
    up = UpsampleConv(4, 3)
    x = torch.rand(1, 4, 6, 5)
    resized = F.interpolate(
        F.pad(x, (1, 1, 1, 1), mode="replicate"), scale_factor=2, mode="nearest"
    )
    torch.testing.assert_close(up(x), F.conv2d(resized, up.weight, up.bias), atol=1e-5, rtol=1e-5)


def test_the_affine_gives_the_wanted_statistics() -> None:
    x = torch.randn(1, 4, 32, 32) * 3.0 + 1.0
    scale, shift = torch.rand(1, 4, 1, 1) + 0.5, torch.rand(1, 4, 1, 1)
    gain, offset = affine_of_statistics(x, scale, shift)
    y = gain * x + offset
    torch.testing.assert_close(y.mean((2, 3)), shift[..., 0, 0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        y.std((2, 3), unbiased=False), scale[..., 0, 0], atol=1e-3, rtol=1e-3
    )


@pytest.mark.parametrize("depth", TINY.depths)
def test_a_cut_equals_the_supernet_and_owns_its_weights(net: IAST, depth: int) -> None:
    content, codes = torch.rand(1, 3, 32, 48), net.encode_style(torch.rand(1, 3, 64, 64))
    module = net.cut(depth)
    torch.testing.assert_close(
        module(content, *codes), net.share(depth)(content, *codes), atol=1e-5, rtol=1e-5
    )
    own = {p.data_ptr() for p in module.parameters()}
    assert not own & {p.data_ptr() for p in net.parameters()}
    assert not any(p.requires_grad for p in module.parameters())
    assert len(module.blocks) == depth


def test_depths_differ_and_an_unknown_one_is_refused(net: IAST) -> None:
    content, codes = torch.rand(1, 3, 32, 32), net.encode_style(torch.rand(1, 3, 64, 64))
    assert not torch.allclose(net.cut(1)(content, *codes), net.cut(4)(content, *codes))
    with pytest.raises(ValueError, match="depth 9"):
        net.cut(9)


def test_without_strength_the_style_has_no_influence(net: IAST) -> None:
    content, none = torch.rand(1, 3, 32, 32), torch.zeros(1, 1)
    module = net.cut(4)
    one, other = (torch.randn(1, TINY.code_size) for _ in range(2))
    assert torch.equal(module(content, one, none), module(content, other, none))
    full = torch.ones(1, 1)
    assert not torch.allclose(module(content, one, full), module(content, other, full))


def test_the_gate_lies_between_photograph_and_style(net: IAST) -> None:
    f_c, f_cs = torch.randn(1, 8, 8, 8), torch.randn(1, 8, 8, 8)
    gate = net.fusion(f_c, f_cs, torch.ones(1, 1))
    attention, alpha = net.fusion.attention_and_strength(f_c, f_cs)
    assert gate.shape == (1, 1, 8, 8)
    torch.testing.assert_close(gate, alpha * (1 - attention))
    assert ((gate >= 0) & (gate <= 1)).all()


def test_the_maps_are_the_same_from_the_move_alone(net: IAST) -> None:
    nn.init.normal_(net.fusion.maps.weight)
    f_c, f_cs = torch.randn(1, 8, 8, 8), torch.randn(1, 8, 8, 8)
    with torch.no_grad():
        wanted = net.fusion.attention_and_strength(f_c, f_cs)
        for fusion in (net.fusion, FoldedFusion(net.fusion)):
            torch.testing.assert_close(
                fusion.of_move(f_c, f_cs - f_c), wanted, atol=1e-6, rtol=1e-5
            )
    assert isinstance(net.cut(2).fusion, FoldedFusion) and isinstance(net.fusion, Fusion)


def test_a_cut_folds_the_blocks_normalization() -> None:
    net = IAST(TINY, block_norm=True)
    for block in net.blocks:
        for norm in (block.norm1, block.norm2):
            nn.init.uniform_(norm.running_mean, -1, 1)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.weight, -1, 1)
    content, code = torch.rand(1, 3, 32, 32), torch.randn(1, net.config.code_size)
    with torch.no_grad():
        wanted = net.eval().share(4)(content, code, torch.ones(1, 1))
        made = net.cut(4)(content, code, torch.ones(1, 1))
        folded = net.folded().cut(4)(content, code, torch.ones(1, 1))
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(folded, wanted, atol=1e-5, rtol=1e-5)
    assert set(net.folded().state_dict()) == set(IAST(TINY).state_dict())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.cut(4).modules())


@pytest.mark.parametrize(("leading", "trailing"), [(1, True), (1, False), (2, True)])
@pytest.mark.parametrize("reflect", [True, False])
def test_padding_that_trains_has_the_gradient_of_its_slices(
    reflect: bool, leading: int, trailing: bool
) -> None:
    def gradient(pad: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        x = torch.arange(120.0).view(2, 2, 5, 6).requires_grad_()
        padded = pad(x)
        padded.backward(torch.arange(float(padded.numel())).view_as(padded))
        assert x.grad is not None
        return padded, x.grad

    given = {"reflect": reflect, "leading": leading, "trailing": trailing}
    with_own = gradient(lambda x: pad_edges(x, **given))
    size = (leading, int(trailing)) * 2
    mode = "reflect" if reflect else "replicate"
    for ours, theirs in zip(with_own, gradient(lambda x: F.pad(x, size, mode=mode)), strict=True):
        assert torch.equal(ours, theirs)
