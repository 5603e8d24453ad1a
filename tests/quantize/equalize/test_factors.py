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
    equalize_onnx,
    learn_equalization,
)
from iast_export.quantize.equalize.learn import settled
from iast_export.quantize.equalize.norms import NormFactors
from iast_export.quantize.litert.weights import equalize_litert
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


def learned(folder: Path, *models: onnx.ModelProto) -> Equalization:
    """Factors of the tiers of a network, from one picture."""
    files = [(folder / f"{n}.onnx", [{"x": picture(3, 12, 12)}]) for n in range(len(models))]
    for model, (path, _) in zip(models, files, strict=True):
        onnx.save(model, str(path))
    return learn_equalization(files)


def assert_same(got: np.ndarray, wanted: np.ndarray) -> None:
    """But for rounding to float32."""
    assert np.abs(got - wanted).max() <= 1e-5 * np.abs(wanted).max()


def largest(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    del cut.graph.node[2:]
    cut.graph.node[1].output[0] = "y"
    return np.asarray(np.abs(run(cut, {"x": x})).max(axis=(0, 2, 3)), np.float64)


@pytest.mark.parametrize("group", [1, 8])
@pytest.mark.parametrize("rule", ["values", "weights"])
def test_the_network_stays_the_same_and_its_channels_become_alike(
    group: int, rule: str, tmp_path: Path
) -> None:
    model, x = chain(group), picture(3, 12, 12)
    wanted, before = run(model, {"x": x}), largest(model, x)
    made = learned(tmp_path, model) if rule == "values" else factors_by_weights(model.graph)
    equalize_onnx(model.graph, made)
    assert_same(run(model, {"x": x}), wanted)
    after = largest(model, x)
    assert after.max() / after.min() < 0.2 * before.max() / before.min()


def test_channels_that_are_alike_are_left_alone(tmp_path: Path) -> None:
    assert not learned(tmp_path, chain(spread=0.1))


def test_a_clip_does_not_let_scales_through(tmp_path: Path) -> None:
    assert not learned(tmp_path, chain(clip=True))


def test_dead_channels_keep_their_scale() -> None:
    factors = settled(np.array([0.0, 1, 2, 3, 4, 5, 6, 70000]))
    assert factors[0] == 1 and np.isfinite(factors).all() and factors.max() > 2


def test_filters_that_are_equal_have_one_factor(tmp_path: Path) -> None:
    model = chain()
    held = onnx.numpy_helper.to_array(model.graph.initializer[0]).copy()
    held[1] = held[0]
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(held, "v"))
    x = {"x": picture(3, 12, 12)}
    wanted, found = run(model, x), learned(tmp_path, model)
    equalize_onnx(model.graph, found)
    assert found
    assert_same(run(model, x), wanted)


def test_tiers_are_seen_together(tmp_path: Path) -> None:
    one, other = chain(), chain()
    other.graph.initializer[2].CopyFrom(onnx.numpy_helper.from_array(2 * weight(8, 8), "w"))
    alone, both = learned(tmp_path, one), learned(tmp_path, one, other)
    assert set(alone.channels) < set(both.channels)
    for model in (one, other):
        wanted = run(model, {"x": picture(3)})
        equalize_onnx(model.graph, both)
        assert_same(run(model, {"x": picture(3)}), wanted)
    filters = [onnx.numpy_helper.to_array(m.graph.initializer[-2]) for m in (one, other)]
    assert np.array_equal(*filters)


def test_factors_are_kept_in_a_file_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    found = learned(tmp_path, chain())
    found.save(tmp_path / "factors.json")
    assert Equalization.load(tmp_path / "factors.json") == found
    (tmp_path / "factors.json").write_text('{"channels": [{"first": []}]}')
    with pytest.raises(InputError, match="run `iast-export prepare` again"):
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
    assert made.factors.channels
    for runtime in RUNTIMES:
        assert made.changed[runtime] < 1e-5
        assert made.db[runtime] > plain.db[runtime] + 1


def test_a_tflite_file_of_other_filters_is_left_as_it_is(tmp_path: Path) -> None:
    from iast_export.formats import tflite_file as tf

    tflite = tmp_path / "a.tflite"
    convert.convert_fp32(Network(Unlike), (Tier(1, 32),), tflite)
    factors = learned(tmp_path, chain())
    assert factors and equalize_litert(tf.read_model(tflite), factors) == 0


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("norms", "filters", [[1, 2]]), ("norms", "factors", [True]), ("norms", "factors", [-1.0]),
        ("norms", "shifts", []), ("norms", "shifts", [None]),
    ],
)  # fmt: skip
def test_factors_that_belong_to_nothing_are_refused(
    kind: str, key: str, value: object, tmp_path: Path
) -> None:
    path = tmp_path / "factors.json"
    made = Equalization({"row:a": 2.0}, (NormFactors(((3.0, 2.0, 1.0),), (2.0,), (0.5,)),))
    made.save(path)
    assert Equalization.load(path) == made
    raw = json.loads(path.read_text())
    raw[kind][0][key] = value
    path.write_text(json.dumps(raw))
    with pytest.raises(InputError, match=r"holds no factors|more than 64 bits"):
        Equalization.load(path)


@pytest.mark.parametrize("value", [0, -1.0, "2", True, None, 10**400])
def test_a_factor_that_divides_nothing_is_refused(value: object, tmp_path: Path) -> None:
    path = tmp_path / "factors.json"
    path.write_text(json.dumps({"channels": {"row:a": value}, "norms": []}))
    with pytest.raises(InputError, match=r"holds no factors|more than 64 bits"):
        Equalization.load(path)
