"""Convolutions before an instance normalization: the same network, and every channel fills the levels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import helper
from torch import Tensor, nn

from iast_export import convert
from iast_export.calibrate import collect
from iast_export.export import export_tier, pseudo_photograph
from iast_export.observers import observe_litert, observe_onnx
from iast_export.quantize.equalize import (
    Equalization,
    equalize_onnx,
    learn_factors,
    see_channels,
    write_equalized_onnx,
)
from iast_export.quantize.equalize_norms import (
    Normalized,
    NormFactors,
    Spread,
    find_normalized,
    fingerprints,
    learn_norm_factors,
    see_normalized,
)
from iast_export.quantize.litert import quantize_litert
from iast_export.quantize.litert_weights import write_equalized_litert
from iast_export.quantize.onnx_qdq import quantize_onnx, tensors_to_calibrate
from iast_export.rewrites.large_kernels import block_weight, unfold_weight
from iast_export.runtimes import open_litert, open_onnx
from iast_export.specs import CONTENT, STYLIZED, Tier
from tests.joined_cases import psnr_db
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
    last = next(i for i, node in enumerate(cut.graph.node) if node.op_type == "InstanceNormalization")
    del cut.graph.node[last:]
    cut.graph.node[last - 1].output[0] = "y"
    return run(cut, {"x": x})


def spread(made: np.ndarray) -> Spread:
    axes = (0, 2, 3)
    found = made.min(axes), made.max(axes), made.std((2, 3)).min(0)
    return Spread(*(one.astype(np.float64) for one in found))


@pytest.mark.parametrize("relu", [False, True])
def test_the_network_stays_the_same_and_its_channels_fill_one_range(relu: bool) -> None:
    model, x = chain(relu), picture(3, 12, 12)
    tensor = "r" if relu else "a"
    assert find_normalized(model.graph) == [Normalized("a", tensor, not relu, pytest.approx(1e-5))]
    wanted, before = run(model, {"x": x}), values(model, x)
    found = learn_norm_factors([(model.graph, {tensor: spread(before)})])
    equalize_onnx(model.graph, Equalization(norms=found))
    assert np.abs(run(model, {"x": x}) - wanted).max() <= 1e-3 * np.abs(wanted).max()
    after = values(model, x)
    high, low = after.max((0, 2, 3)), after.min((0, 2, 3))
    assert np.ptp(before.max((0, 2, 3))) > 0.9 * before.max()
    assert np.allclose(high, high.max(), rtol=1e-3)
    assert np.allclose(low, 0.0 if relu else -high, rtol=1e-3)


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
    made = Equalization(norms=(factors,)).changed(blocks, np.ones(32, np.float32))
    assert made is not None and np.array_equal(made[0], blocks / 2) and (made[1] == 0.25).all()
    assert Equalization(norms=(factors,)).changed(other, None) is None


class Unlike(nn.Module):
    """Two normalized convolutions, channels of very unlike size and mean, without and with ReLU between."""

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


class Network:
    depths, size_multiple_px = (1,), 4
    code_shapes: Mapping[str, tuple[int, ...]] = {}

    def cut(self, depth: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            return Unlike().eval().requires_grad_(False)

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return ()


def test_int8_comes_closer_in_both_runtimes(tmp_path: Path) -> None:
    tier, feeds = Tier(1, 32), {CONTENT: pseudo_photograph(32, 32)}
    onnx_file, tflite = tmp_path / "a.onnx", tmp_path / "a.tflite"
    export_tier(Network(), tier, onnx_file)
    convert.convert_fp32(Network(), (tier,), tflite)
    wanted = open_onnx(onnx_file).run(feeds)[STYLIZED]
    seen = see_channels(onnx_file, [feeds]), see_normalized(onnx_file, [feeds])
    learned = learn_factors([seen[0]], [seen[1]])
    learned.save(tmp_path / "factors.json")
    assert Equalization.load(tmp_path / "factors.json") == learned
    assert [any(one.shifts) for one in learned.norms] == [True, False]
    gains = []
    for used in (Equalization(), learned):
        equal = tmp_path / "equal.onnx", tmp_path / "equal.tflite"
        write_equalized_onnx(onnx_file, equal[0], used)
        write_equalized_litert(tflite, equal[1], used)
        for session in (open_onnx(equal[0]), open_litert(equal[1])):
            assert np.abs(session.run(feeds)[STYLIZED] - wanted).max() < 1e-4
        ranges = collect(observe_onnx(equal[0], tensors_to_calibrate(equal[0])), [feeds])
        quantize_onnx(onnx_file, ranges, tmp_path / "q.onnx", factors=used)
        by_signature = {tier.signature: collect(observe_litert(equal[1], tier.signature), [feeds])}
        quantize_litert(tflite, "int8", by_signature, tmp_path / "q.tflite", factors=used)
        sessions = open_onnx(tmp_path / "q.onnx"), open_litert(tmp_path / "q.tflite")
        gains.append([psnr_db(wanted, one.run(feeds)[STYLIZED]) for one in sessions])
    assert all(after > before + 3 for before, after in zip(*gains, strict=True)), gains


def test_values_are_seen_without_outliers_and_over_all_pictures(tmp_path: Path) -> None:
    path, x = tmp_path / "a.onnx", picture(3, 450, 450)
    onnx.save(chain(), path)
    other = 3 * picture(3, 450, 450, seed=1)
    other[0, :, 80, 80] = 1e4
    _, seen = see_normalized(path, [{"x": x}, {"x": other}])
    made = [values(chain(), one) for one in (x, other)]
    assert np.allclose(seen["a"].deviation, made[0].std((0, 2, 3)), rtol=1e-4)
    assert (seen["a"].high < made[1].max((0, 2, 3)) / 100).all()
    assert (seen["a"].high > made[0].mean((0, 2, 3))).all()
