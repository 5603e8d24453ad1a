"""Cross-layer equalisation: the same network, ranges alike, and only between convolutions that are alone."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from benchmarks.quantization.equalize import Pair, by_values, by_weights, equalize, find_pairs
from tests.rewrite_cases import model_of, picture, run, weight


def chain(group: int = 1, clip: bool = False) -> onnx.ModelProto:
    """conv, ReLU, reflection, conv; the first convolution's channels are of very unlike size."""
    first = weight(8, 3) * np.logspace(-1.5, 1.5, 8, dtype=np.float32)[:, None, None, None]
    held = {
        "v": first,
        "b": first[:, 0, 0, 0].copy(),
        "w": weight(8, 8 // group),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "low": np.float32(0),
        "high": np.float32(1),
    }
    nodes = [
        helper.make_node("Conv", ["x", "v", "b"], ["a"]),
        helper.make_node("Clip", ["a", "low", "high"], ["r"])
        if clip
        else helper.make_node("Relu", ["a"], ["r"]),
        helper.make_node("Pad", ["r", "pads"], ["p"], mode="reflect"),
        helper.make_node("Conv", ["p", "w"], ["y"], group=group),
    ]
    return model_of(nodes, held, {"x": 3})


def largest(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.node.append(helper.make_node("Identity", ["r"], ["kept"]))
    copy.graph.node[3].output[0] = "unused"
    copy.graph.node[-1].output[0] = "y"
    return np.asarray(np.abs(run(copy, {"x": x})).max(axis=(0, 2, 3)), np.float64)


@pytest.mark.parametrize("group", [1, 8])
@pytest.mark.parametrize("rule", ["weights", "values"])
def test_the_network_stays_the_same_and_its_channels_become_alike(group: int, rule: str) -> None:
    model, x = chain(group), picture(3, 12, 12)
    wanted, before = run(model, {"x": x}), largest(model, x)
    pairs = find_pairs(model.graph)
    assert pairs == [Pair("a", "y", "r")]
    factors = (
        by_weights(model.graph, pairs) if rule == "weights" else by_values(model.graph, pairs, {"r": before})
    )
    equalize(model.graph, pairs, factors)
    got = run(model, {"x": x})
    assert np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max()
    after = largest(model, x)
    assert after.max() / after.min() < 0.2 * before.max() / before.min()


def test_a_clip_does_not_let_scales_through() -> None:
    assert not find_pairs(chain(clip=True).graph)


def test_a_channel_that_is_always_zero_keeps_its_scale() -> None:
    model = chain()
    pairs = find_pairs(model.graph)
    factors = by_values(model.graph, pairs, {"r": np.array([0.0, 1, 2, 3, 4, 5, 6, 7])})
    assert factors["a"][0] == 1 and np.isfinite(factors["a"]).all()
