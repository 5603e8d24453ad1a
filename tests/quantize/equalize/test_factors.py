"""Cross-layer equalization: the same network, channels alike, the same in every tier and in both
runtimes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import helper
from torch import Tensor, nn

from benchmarks.quantization.equalize import factors_by_weights
from iast_export.build import convert
from iast_export.errors import InputError
from iast_export.quantize.equalize.factors import (
    Equalization,
    PairFactors,
    equalize_onnx,
    learn_factors,
)
from iast_export.quantize.equalize.norms import NormFactors
from iast_export.quantize.equalize.pairs import Branch, Pair, find_pairs
from iast_export.quantize.litert.weights import equalize_litert
from iast_export.quantize.onnx.layers import filter_key
from iast_export.specs import RUNTIMES, Tier
from tests.equalize_cases import Network, both_ways
from tests.rewrite_cases import model_of, picture, run, weight


def chain(group: int = 1, clip: bool = False, spread: float = 1.5) -> onnx.ModelProto:
    """conv, ReLU, reflection, conv; the first convolution's channels are of very unlike size."""
    sizes = np.logspace(-spread, spread, 8, dtype=np.float32)
    first = weight(8, 3) * sizes[:, None, None, None]
    held = {
        "v": first,
        "b": first[:, 0, 0, 0].copy(),
        "w": weight(8, 8 // group),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "low": np.float32(0),
        "high": np.float32(1),
    }
    clamp = ("Clip", ["a", "low", "high"]) if clip else ("Relu", ["a"])
    nodes = [
        helper.make_node("Conv", ["x", "v", "b"], ["a"]),
        helper.make_node(*clamp, ["r"]),
        helper.make_node("Pad", ["r", "pads"], ["p"], mode="reflect"),
        helper.make_node("Conv", ["p", "w"], ["y"], group=group),
    ]
    return model_of(nodes, held, {"x": 3})


def largest(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    del cut.graph.node[2:]
    cut.graph.node[1].output[0] = "y"
    return np.asarray(np.abs(run(cut, {"x": x})).max(axis=(0, 2, 3)), np.float64)


@pytest.mark.parametrize("group", [1, 8])
@pytest.mark.parametrize("rule", ["values", "weights"])
def test_the_network_stays_the_same_and_its_channels_become_alike(group: int, rule: str) -> None:
    model, x = chain(group), picture(3, 12, 12)
    wanted, before = run(model, {"x": x}), largest(model, x)
    assert find_pairs(model.graph) == [Pair((Branch("a"),), "y", "r")]
    values = learn_factors([(model.graph, {"r": before})])
    equalize_onnx(model.graph, values if rule == "values" else factors_by_weights(model.graph))
    assert np.abs(run(model, {"x": x}) - wanted).max() <= 1e-5 * np.abs(wanted).max()
    after = largest(model, x)
    assert after.max() / after.min() < 0.2 * before.max() / before.min()


def test_channels_that_are_alike_are_left_alone() -> None:
    model = chain(spread=0.1)
    assert not learn_factors([(model.graph, {"r": largest(model, picture(3))})]).pairs


def test_a_clip_does_not_let_scales_through() -> None:
    assert not find_pairs(chain(clip=True).graph)


def test_dead_channels_keep_their_scale() -> None:
    model, dead = chain(), np.array([0.0, 1, 2, 3, 4, 5, 6, 700])
    factors = learn_factors([(model.graph, {"r": dead})]).pairs[0].factors
    assert factors[0] == 1 and np.isfinite(factors).all() and max(factors) > 2


def test_filters_that_are_not_unique_are_not_scaled() -> None:
    model = chain()
    held = {item.name: onnx.numpy_helper.to_array(item).copy() for item in model.graph.initializer}
    held["v"][1] = held["v"][0]
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(held["v"], "v"))
    values, x = largest(model, picture(3)), {"x": picture(3)}
    found = learn_factors([(model.graph, {"r": values})])
    assert found.pairs[0].factors[:2] == (1.0, 1.0) and found.pairs[0].first[:2] == ("", "")
    wanted = run(model, x)
    equalize_onnx(model.graph, found)
    assert np.abs(run(model, x) - wanted).max() <= 1e-5 * np.abs(wanted).max()


def test_tiers_are_seen_together_and_must_agree_on_what_follows() -> None:
    one, other = chain(), chain()
    values = largest(one, picture(3))
    pooled = learn_factors([(one.graph, {"r": values}), (other.graph, {"r": 2 * values})])
    assert pooled == learn_factors([(one.graph, {"r": 2 * values})])
    changed = onnx.numpy_helper.from_array(2 * weight(8, 8), "w")
    other.graph.initializer[2].CopyFrom(changed)
    assert not learn_factors([(one.graph, {"r": values}), (other.graph, {"r": values})]).pairs


def test_factors_are_kept_in_a_file_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    model = chain()
    found = learn_factors([(model.graph, {"r": largest(model, picture(3))})])
    found.save(tmp_path / "factors.json")
    assert Equalization.load(tmp_path / "factors.json") == found
    (tmp_path / "factors.json").write_text('{"pairs": [{"first": []}]}')
    with pytest.raises(InputError, match="run `iast-export calibrate` again"):
        Equalization.load(tmp_path / "factors.json")


class Unlike(nn.Module):
    """Reflection, a depthwise and a dense convolution, with channels of very unlike size."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.depthwise = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8)
        self.dense, self.last = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 3, 3, padding=1)
        sizes = torch.logspace(-1.2, 1.2, 8)
        self.first.weight.data *= sizes[:, None, None, None]
        self.depthwise.weight.data /= sizes.flip(0)[:, None, None, None]

    def forward(self, content: Tensor) -> Tensor:
        x = F.relu(self.first(F.pad(content, (1, 1, 1, 1), mode="reflect")))
        x = F.relu(self.depthwise(F.pad(x, (1, 1, 1, 1), mode="reflect")))
        return self.last(F.relu(self.dense(x))).sigmoid()


def test_int8_comes_closer_in_both_runtimes(tmp_path: Path) -> None:
    plain, made = both_ways(Unlike, tmp_path)
    assert len(made.factors.pairs) == 3
    for runtime in RUNTIMES:
        assert made.changed[runtime] < 1e-5
        assert made.db[runtime] > plain.db[runtime] + 1


def test_a_tflite_file_of_other_filters_is_left_as_it_is(tmp_path: Path) -> None:
    from iast_export.formats import tflite_file as tf

    tflite = tmp_path / "a.tflite"
    convert.convert_fp32(Network(Unlike), (Tier(1, 32),), tflite)
    model = chain()
    factors = learn_factors([(model.graph, {"r": largest(model, picture(3))})])
    assert factors.pairs and equalize_litert(tf.read_model(tflite), factors) == 0


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("pairs", "factors", [1.0]), ("pairs", "factors", ["2", "1"]), ("pairs", "factors", [0, 1]),
        ("pairs", "factors", [10**400, 1]), ("pairs", "first", "ab"),
        ("pairs", "first", [None, ""]),
        ("norms", "filters", [[1, 2]]), ("norms", "factors", [True]), ("norms", "factors", [-1.0]),
        ("norms", "shifts", []), ("norms", "shifts", [None]),
    ],
)  # fmt: skip
def test_factors_that_belong_to_nothing_are_refused(
    kind: str, key: str, value: object, tmp_path: Path
) -> None:
    path = tmp_path / "factors.json"
    pair = PairFactors(("a" * 64, ""), ("b" * 64, "c" * 64), (2.0, 1.0), True)
    Equalization((pair,), (NormFactors(((3.0, 2.0, 1.0),), (2.0,), (0.5,)),)).save(path)
    assert Equalization.load(path).pairs == (pair,)
    raw = json.loads(path.read_text())
    raw[kind][0][key] = value
    path.write_text(json.dumps(raw))
    with pytest.raises(InputError, match=r"holds no factors|more than 64 bits"):
        Equalization.load(path)


def test_factors_for_another_number_of_inputs_are_refused() -> None:
    weight = np.ones((1, 3, 1, 1), np.float32)
    found = Equalization((PairFactors(("x", "y"), (filter_key(weight[0]),), (2.0, 1.0), False),))
    with pytest.raises(InputError, match="2 factors for the 3 inputs"):
        found.changed(weight, None)
