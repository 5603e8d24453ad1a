"""The second student: budgets, filtered strides, style on every path, depths that share."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.network.adapters import StyleNetwork
from iast_export.network.iast2 import IAST2, IAST2Config, StridedConv, binomial

TINY = IAST2Config(
    width=8,
    stem_width=8,
    coarse_width=8,
    skip_rank=4,
    encoder_widths=(8, 8, 8, 8),
    encoder_hidden=16,
)


def made(config: IAST2Config = TINY, *, block_norm: bool = False) -> IAST2:
    """A network from a seed whose coarse branch and palette already say something."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        net = IAST2(config, block_norm=block_norm).eval()
    return net.requires_grad_(False)


@pytest.fixture(scope="module")
def net() -> IAST2:
    return made()


def picture(height: int = 32, width: int = 48, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def multiply_adds(net: IAST2, depth: int) -> float:
    from torch.utils.flop_counter import FlopCounterMode

    module = net.cut(depth).to("meta")
    shapes = ((1, 3, 256, 256), *net.code_shapes.values())
    with FlopCounterMode(display=False) as counter:
        module(*[torch.empty(shape, device="meta") for shape in shapes])
    return float(counter.get_total_flops()) / 2


def test_the_default_network_fits_its_budgets() -> None:
    big = IAST2()
    assert sum(p.numel() for p in big.parameters()) <= 1_500_000
    assert multiply_adds(big, big.depths[0]) <= 1.2e9
    assert multiply_adds(big, big.depths[-1]) <= 3e9
    assert 4 * big.config.code_size <= 16 * 1024


def test_every_depth_costs_more_than_the_one_before() -> None:
    big = IAST2()
    costs = [multiply_adds(big, depth) for depth in big.depths]
    assert all(a < b for a, b in zip(costs, costs[1:], strict=False))


def test_it_fulfils_the_protocol(net: IAST2) -> None:
    assert isinstance(net, StyleNetwork)
    codes = net.encode_style(picture(64, 64))
    assert [tuple(c.shape) for c in codes] == list(net.code_shapes.values())


def test_the_code_has_a_place_of_its_own_for_every_site() -> None:
    slots = [TINY.slot(site) for site in TINY.sites]
    taken = [place for start, width in slots for place in range(start, start + 2 * width)]
    assert taken == list(range(TINY.code_size))
    with pytest.raises(KeyError):
        TINY.slot("exit_9")


def test_an_untrained_encoder_gives_the_code_that_changes_nothing() -> None:
    code = TINY.neutral_code()
    start, width = TINY.slot("palette")
    assert code[start : start + width].eq(1).all()
    assert code[start + width : start + 2 * width].eq(0).all()


@pytest.mark.parametrize(("length", "wanted"), [(1, [1.0]), (3, [0.25, 0.5, 0.25])])
def test_binomials(length: int, wanted: list[float]) -> None:
    assert binomial(length).tolist() == wanted


@pytest.mark.parametrize("kernel", [3, 4, 5])
@pytest.mark.parametrize("side", [8, 14])
def test_a_strided_layer_reflects_exactly_and_halves(kernel: int, side: int) -> None:
    torch.manual_seed(0)
    layer, x = StridedConv(2, 3, kernel), picture(side, side)[:, :2]
    leading = (kernel - 1) // 2
    padded = F.pad(x, (leading, kernel - 2 - leading) * 2, mode="reflect")
    wanted = F.conv2d(padded, layer.conv.weight, layer.conv.bias, stride=2)
    torch.testing.assert_close(layer(x), wanted)
    assert wanted.shape[2:] == (side // 2, side // 2)


def test_a_filtered_layer_is_deaf_to_the_pattern_that_would_alias() -> None:
    torch.manual_seed(0)
    stripes = (torch.arange(32) % 2).float().view(1, 1, 1, -1).expand(1, 3, 32, 32)
    heard = [
        (conv(stripes) - conv(torch.full_like(stripes, 0.5))).abs().mean()
        for conv in (StridedConv(3, 64, 3), StridedConv(3, 64, 5))
    ]
    assert heard[1] < 1e-6 < 0.01 < heard[0]


@pytest.mark.parametrize("depth", TINY.depths)
def test_a_cut_equals_the_supernet_and_owns_its_weights(net: IAST2, depth: int) -> None:
    content, codes = picture(), net.encode_style(picture(64, 64, seed=1))
    module = net.cut(depth)
    torch.testing.assert_close(
        module(content, *codes), net.share(depth)(content, *codes), atol=1e-5, rtol=1e-5
    )
    own = {p.data_ptr() for p in module.parameters()}
    assert not own & {p.data_ptr() for p in net.parameters()}
    assert len(module.blocks) == TINY.blocks[depth - 1]
    assert len(module.coarse_blocks) == TINY.coarse_blocks[depth - 1]


def test_depths_differ_and_an_unknown_one_is_refused(net: IAST2) -> None:
    content, codes = picture(), net.encode_style(picture(64, 64, seed=1))
    images = [net.cut(depth)(content, *codes) for depth in net.depths]
    assert not any(torch.allclose(a, b) for a, b in zip(images, images[1:], strict=False))
    with pytest.raises(ValueError, match="depth 9"):
        net.cut(9)


@pytest.mark.parametrize("depth", TINY.depths)
def test_without_strength_no_path_knows_the_style(net: IAST2, depth: int) -> None:
    module, none = net.cut(depth), torch.zeros(1, 1)
    one, other = (torch.randn(1, TINY.code_size) for _ in range(2))
    assert torch.equal(module(picture(), one, none), module(picture(), other, none))


@pytest.mark.parametrize("site", TINY.sites)
def test_every_site_reaches_the_picture(net: IAST2, site: str) -> None:
    depth = int(site[-1]) if site.startswith("exit") else TINY.depths[-1]
    start, width = TINY.slot(site)
    code = TINY.neutral_code()[None]
    changed = code.clone()
    changed[:, start : start + width] = 3.0
    module, full = net.share(depth), torch.ones(1, 1)
    before = module.parts(picture(), code, full).image
    assert not torch.allclose(before, module.parts(picture(), changed, full).image, atol=1e-5)


def test_the_skip_mixes_colors_as_the_style_says(net: IAST2) -> None:
    half, rank = torch.rand(1, 8, 4, 4), TINY.skip_rank
    zero = torch.zeros(1, rank, 1, 1)
    maps = []
    for gain in (torch.ones(1, rank, 1, 1), torch.arange(1.0, rank + 1).view(1, rank, 1, 1)):
        columns = [
            net.skip(F.one_hot(torch.tensor(c), 8).float().view(1, 8, 1, 1), gain, zero)
            - net.skip(torch.zeros(1, 8, 1, 1), gain, zero)
            for c in range(8)
        ]
        maps.append(torch.cat(columns, 0).flatten(1))
        assert torch.linalg.matrix_rank(maps[-1]) == rank
    off_diagonal = ~torch.eye(8, dtype=torch.bool)
    assert not torch.allclose(maps[0][off_diagonal], maps[1][off_diagonal])
    assert net.skip(half, torch.ones(1, rank, 1, 1), zero).shape == half.shape


def test_parts_that_are_left_out_leave_no_weight_behind() -> None:
    bare = made(replace(TINY, skip_rank=0, palette=0, coarse_blocks=(0, 0, 0, 0)))
    assert isinstance(bare.skip, nn.Conv2d)
    assert not any(name.startswith("coarse") for name, _ in bare.named_parameters())
    assert not {"skip", "palette", "coarse"} & set(bare.config.sites)
    assert (bare.size_multiple_px, made().size_multiple_px) == (4, 8)
    codes = bare.encode_style(picture(64, 64))
    assert bare.cut(4)(picture(20, 28), *codes).shape == (1, 3, 20, 28)


def test_a_cut_folds_the_blocks_normalization() -> None:
    net = made(block_norm=True)
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean, -1, 1)
        nn.init.uniform_(norm.running_var, 0.5, 2)
        nn.init.uniform_(norm.weight, -1, 1)
    content, code, full = picture(), torch.randn(1, net.config.code_size), torch.ones(1, 1)
    wanted = net.share(4)(content, code, full)
    for other in (net.cut(4), net.folded().cut(4)):
        torch.testing.assert_close(other(content, code, full), wanted, atol=1e-5, rtol=1e-5)
    assert set(net.folded().state_dict()) == set(IAST2(TINY).state_dict())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in net.cut(4).modules())
