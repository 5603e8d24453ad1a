"""Convolutions before an instance normalization: the same network, and every channel fills the
levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import helper
from torch import Tensor, nn

from iast_export.forms.large_kernels import block_weight, unfold_weight
from iast_export.quantize.equalize.channels import Channels, Layer
from iast_export.quantize.equalize.factors import Equalization, equalize_onnx, see_channels
from iast_export.quantize.equalize.nodes import Node
from iast_export.quantize.equalize.norms import (
    ChannelSpread,
    Normalized,
    NormFactors,
    find_normalized,
    fingerprints,
    learn_norm_factors,
)
from iast_export.specs import RUNTIMES
from tests.equalize_cases import both_ways
from tests.rewrite_cases import model_of, picture, run, weight

CHANNELS = 8


def chain(relu: bool = False, also: bool = False, epsilon: float = 1e-5) -> onnx.ModelProto:
    """conv, perhaps ReLU, normalization, conv; channels of very unlike size and mean."""
    sizes = np.logspace(-0.2, 1.5, CHANNELS, dtype=np.float32)
    held = {
        "v": weight(CHANNELS, 3) * sizes[:, None, None, None],
        "b": np.linspace(0.5, 9, CHANNELS, dtype=np.float32),
        "scale": np.ones(CHANNELS, np.float32),
        "shift": np.zeros(CHANNELS, np.float32),
        "w": weight(CHANNELS, CHANNELS),
    }
    x = "r" if relu else "a"
    nodes = [
        helper.make_node("Conv", ["x", "v", "b"], ["a"]),
        *([helper.make_node("Relu", ["a"], ["r"])] if relu else []),
        helper.make_node("InstanceNormalization", [x, "scale", "shift"], ["n"], epsilon=epsilon),
        *([helper.make_node("Add", ["n", x], ["m"])] if also else []),
        helper.make_node("Conv", ["m" if also else "n", "w"], ["y"]),
    ]
    return model_of(nodes, held, {"x": 3})


def values(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    """What the normalization reads."""
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    last = next(
        i for i, node in enumerate(cut.graph.node) if node.op_type == "InstanceNormalization"
    )
    del cut.graph.node[last:]
    cut.graph.node[last - 1].output[0] = "y"
    return run(cut, {"x": x})


def spread(made: np.ndarray) -> ChannelSpread:
    axes = (0, 2, 3)
    found = made.min(axes), made.max(axes), made.std((2, 3)).min(0)
    return ChannelSpread(*(one.astype(np.float64) for one in found))


@pytest.mark.parametrize("relu", [False, True])
def test_the_network_stays_the_same_and_its_channels_fill_one_range(relu: bool) -> None:
    model, x = chain(relu), picture(3, 12, 12)
    tensor = "r" if relu else "a"
    assert find_normalized(model.graph) == [
        Normalized("a", tensor, not relu, pytest.approx(1e-5), tensor)
    ]
    wanted, before = run(model, {"x": x}), values(model, x)
    found = learn_norm_factors([(model.graph, {tensor: spread(before)})])
    equalize_onnx(model.graph, Equalization(norms=found))
    assert np.abs(run(model, {"x": x}) - wanted).max() <= 1e-3 * np.abs(wanted).max()
    after = values(model, x)
    high, low = after.max((0, 2, 3)), after.min((0, 2, 3))
    assert np.ptp(before.max((0, 2, 3))) > 0.9 * before.max()
    assert np.allclose(high, high.max(), rtol=1e-3)
    assert np.allclose(low, 0.0 if relu else -high, rtol=1e-3)


MOVES: dict[str, tuple[onnx.NodeProto, int]] = {
    "averages": (helper.make_node("AveragePool", ["a"], ["m"], kernel_shape=[2, 2]), CHANNELS),
    "largest": (helper.make_node("MaxPool", ["a"], ["m"], kernel_shape=[2, 2]), CHANNELS),
    "reflections": (helper.make_node("Pad", ["a", "pads"], ["m"], mode="reflect"), CHANNELS),
    "parts": (helper.make_node("Slice", ["a", "one", "nine", "sides"], ["m"]), CHANNELS),
    "shuffled": (
        helper.make_node("DepthToSpace", ["a"], ["m"], blocksize=2, mode="CRD"),
        CHANNELS // 4,
    ),
    "shuffled otherwise": (
        helper.make_node("DepthToSpace", ["a"], ["m"], blocksize=2, mode="DCR"),
        CHANNELS // 4,
    ),
    "zeros": (helper.make_node("Pad", ["a", "pads"], ["m"]), CHANNELS),
    "averages with zeros": (
        helper.make_node(
            "AveragePool", ["a"], ["m"], kernel_shape=[2, 2], pads=[1] * 4, count_include_pad=1
        ),
        CHANNELS,
    ),
}
_STAYING = ("shuffled otherwise", "zeros", "averages with zeros")


def moved_chain(kind: str) -> onnx.ModelProto:
    """conv, what moves or averages its pixels, normalization, conv."""
    model, (node, channels) = chain(), MOVES[kind]
    held = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
    nodes = list(model.graph.node)
    norm = helper.make_node("InstanceNormalization", ["m", "scale", "shift"], ["n"])
    held |= {"scale": held["scale"][:channels], "shift": held["shift"][:channels]}
    held["w"] = np.ascontiguousarray(held["w"][:, :channels])
    held |= {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "sides": np.array([2, 3])}
    held |= {"one": np.array([1, 1]), "nine": np.array([9, 9])}
    return model_of([nodes[0], node, norm, nodes[-1]], held, {"x": 3})


@pytest.mark.parametrize("kind", [one for one in MOVES if one not in _STAYING])
def test_what_moves_or_averages_pixels_may_lie_between(kind: str) -> None:
    model, x, parts = moved_chain(kind), picture(3, 12, 12), 4 if "shuffled" in kind else 1
    (one,) = find_normalized(model.graph)
    assert (one.tensor, one.read, one.parts) == ("a", "m", parts)
    wanted, read = run(model, {"x": x}), spread(values(model, x))
    seen = {"a": spread(values(chain(), x)), "m": read}
    (found,) = learn_norm_factors([(model.graph, seen)])
    assert len(found.filters) == CHANNELS and len(set(found.factors)) == CHANNELS // parts
    equalize_onnx(model.graph, Equalization(norms=(found,)))
    assert np.abs(run(model, {"x": x}) - wanted).max() <= 1e-3 * np.abs(wanted).max()


@pytest.mark.parametrize("kind", _STAYING)
def test_zeros_and_other_orders_of_channels_keep_a_convolution_as_it_is(kind: str) -> None:
    assert not find_normalized(moved_chain(kind).graph)


def test_what_is_read_elsewhere_too_is_left_alone() -> None:
    assert not find_normalized(chain(also=True).graph)
    one, other, x = chain(), chain(also=True), picture(3, 12, 12)
    seen = {"a": spread(values(one, x))}
    assert learn_norm_factors([(one.graph, seen)])
    assert not learn_norm_factors([(one.graph, seen), (other.graph, {})])


def test_tiers_are_seen_together() -> None:
    one, other, x = chain(), chain(), picture(3, 12, 12)
    small, large = spread(values(one, x)), spread(values(one, 2 * x))
    pooled = learn_norm_factors([(one.graph, {"a": small}), (other.graph, {"a": large})])
    assert pooled == learn_norm_factors([(one.graph, {"a": small.joined(large)})])


def test_flat_channels_and_filters_that_could_be_others_stay_as_they_are() -> None:
    model, x = chain(epsilon=1e-3), picture(3, 12, 12)
    held = {item.name: onnx.numpy_helper.to_array(item).copy() for item in model.graph.initializer}
    held["v"][6] = -2 * held["v"][7][:, ::-1]  # another sign
    held["w"][0] = 0
    held["w"][0, :3] = 3 * held["v"][5]  # the same taps again, in another convolution
    for item in model.graph.initializer:
        item.CopyFrom(onnx.numpy_helper.from_array(held[item.name], item.name))
    seen = spread(values(model, x))
    (found,) = learn_norm_factors([(model.graph, {"a": seen})])
    flat = seen.deviation < 1.0
    assert flat.any() and not flat[5:].any()
    places = found.found_among(fingerprints(held["v"]))
    assert [bool(one >= 0) for one in places] == [not flat[i] and i != 5 for i in range(CHANNELS)]


def test_a_filter_is_known_with_a_scale_folded_in_and_in_blocks() -> None:
    one, other = weight(8, 3, 9), weight(8, 3, 9, seed=1)
    factors = NormFactors(tuple(map(tuple, fingerprints(one).tolist())), (2.0,) * 8, (0.5,) * 8)
    blocks = unfold_weight(block_weight(np.float32(255) * one, 2), 2)
    assert blocks.shape == (32, 12, 5, 5)
    assert factors.found_among(fingerprints(blocks)).tolist() == [i // 4 for i in range(32)]
    assert (factors.found_among(fingerprints(other)) == -1).all()
    bias = np.ones(32, np.float32)
    first, second = (
        Layer(Node("Conv", 0, ("x",), ("y",), one, bias[: len(one)]), None, np.arange(len(one)))
        for one in (blocks, other)
    )
    made = Equalization(norms=(factors,)).changed(first, lambda ids: np.ones(len(ids)))
    assert made is not None and np.array_equal(made[0], blocks / 2) and (made[1] == 0.25).all()
    assert Equalization(norms=(factors,)).changed(second, lambda ids: np.ones(len(ids))) is None


class Unlike(nn.Module):
    """Two normalized convolutions, channels of very unlike size and mean, without and with ReLU
    between."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.norm1, self.norm2 = (nn.InstanceNorm2d(8, affine=True) for _ in range(2))
        self.last = nn.Conv2d(8, 3, 3, padding=1)
        for conv in (self.first, self.second):
            sizes = torch.logspace(-0.3, 1.7, 8)
            conv.weight.data *= sizes[:, None, None, None]
            conv.bias.data = 3 * sizes

    def forward(self, content: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.first(content)))
        return self.last(F.relu(self.norm2(F.relu(self.second(x))))).sigmoid()


def test_int8_comes_closer_in_both_runtimes(tmp_path: Path) -> None:
    plain, made = both_ways(Unlike, tmp_path)
    assert [any(one.shifts) for one in made.factors.norms] == [True, False]
    made.factors.save(tmp_path / "factors.json")
    assert Equalization.load(tmp_path / "factors.json") == made.factors
    for runtime in RUNTIMES:
        assert made.changed[runtime] < 1e-4
        assert made.db[runtime] > plain.db[runtime] + 3


def test_values_are_seen_without_outliers_and_over_all_pictures(tmp_path: Path) -> None:
    path, x = tmp_path / "a.onnx", picture(3, 450, 450)
    onnx.save(chain(), path)
    other = 3 * picture(3, 450, 450, seed=1)
    other[0, :, 80, 80] = 1e4
    _, (_, seen) = see_channels(path, [{"x": x}, {"x": other}], Channels())
    made = [values(chain(), one) for one in (x, other)]
    assert np.allclose(seen["a"].deviation, made[0].std((0, 2, 3)), rtol=1e-4)
    assert (seen["a"].high < made[1].max((0, 2, 3)) / 100).all()
    assert (seen["a"].high > made[0].mean((0, 2, 3))).all()
