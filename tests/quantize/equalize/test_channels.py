"""Factors of channels pass through a network, whose results stay the same to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from benchmarks.fixtures import modulated
from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.build.tracing import example_codes, pseudo_photograph
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import load_model
from iast_export.quantize.equalize.channels import Channels, follow
from iast_export.quantize.equalize.factors import (
    Equalization,
    equalize_onnx,
    learn_equalization,
    see_channels,
    write_equalized_onnx,
)
from iast_export.quantize.equalize.learn import UNLIKE
from iast_export.quantize.equalize.nodes import nodes_of_litert, nodes_of_onnx
from iast_export.quantize.litert.weights import write_equalized_litert
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.onnx import open_onnx
from iast_export.specs import CONTENT, STYLIZED, Tier
from tests.rewrite_cases import model_of, picture, run, weight

TIER = Tier(1, 32)
node = helper.make_node
# Between a convolution of 8 channels, `a`, and one that reads `b`: nodes, and how many more
# constants; "kept" where no factor may pass.
VECTOR = np.linspace(0.5, 2.0, 8, dtype=np.float32).reshape(1, 8, 1, 1)
AXES = np.array([2, 3], np.int64)
CASES: dict[str, list[onnx.NodeProto]] = {
    "relu": [node("Relu", ["a"], ["b"])],
    "leaky": [node("LeakyRelu", ["a"], ["b"], alpha=0.2)],
    "layer scale": [node("Mul", ["a", "v"], ["b"])],
    "divided": [node("Div", ["a", "v"], ["b"])],
    "shifted": [node("Add", ["a", "v"], ["b"])],
    "one number": [node("Div", ["a", "two"], ["c"]), node("Sub", ["two", "c"], ["b"])],
    "residual": [node("Conv", ["a", "w8"], ["c"]),
                 node("Pad", ["c", "pads"], ["d"], mode="reflect"),
                 node("Add", ["a", "d"], ["b"])],
    "gate": [node("GlobalAveragePool", ["a"], ["c"]), node("Conv", ["c", "w1"], ["d"]),
             node("Sigmoid", ["d"], ["e"]), node("Mul", ["a", "e"], ["b"])],
    "normalized": [node("ReduceMean", ["a", "axes"], ["m"]), node("Sub", ["a", "m"], ["c"]),
                   node("Mul", ["c", "c"], ["d"]), node("ReduceMean", ["d", "axes"], ["e"]),
                   node("Add", ["e", "small"], ["f"]), node("Sqrt", ["f"], ["g"]),
                   node("Div", ["c", "g"], ["h"]), node("Mul", ["h", "v"], ["i"]),
                   node("Add", ["i", "v"], ["b"])],
    "by gain": [node("ReduceMean", ["a", "axes"], ["m"]), node("Mul", ["a", "a"], ["d"]),
                node("ReduceMean", ["d", "axes"], ["e"]), node("Mul", ["m", "m"], ["c"]),
                node("Sub", ["e", "c"], ["var"]), node("Relu", ["var"], ["r"]),
                node("Add", ["r", "small"], ["f"]), node("Sqrt", ["f"], ["s"]),
                node("Reciprocal", ["s"], ["g"]), node("Mul", ["g", "v"], ["gain"]),
                node("Mul", ["m", "gain"], ["h"]), node("Sub", ["v", "h"], ["offset"]),
                node("Mul", ["a", "gain"], ["i"]), node("Add", ["i", "offset"], ["b"])],
    "shuffled": [node("DepthToSpace", ["a"], ["c"], blocksize=2, mode="CRD"),
                 node("SpaceToDepth", ["c"], ["b"], blocksize=2)],
    "flat": [node("Reshape", ["a", "flat"], ["c"]), node("Relu", ["c"], ["d"]),
             node("Reshape", ["d", "square"], ["b"])],
    "map": [node("Conv", ["a", "w_one"], ["c"]), node("Sigmoid", ["c"], ["d"]),
            node("Pad", ["d", "pads"], ["e"], mode="edge"), node("Mul", ["a", "e"], ["b"])],
}  # fmt: skip
KEPT: dict[str, list[onnx.NodeProto]] = {
    "sigmoid": [node("Sigmoid", ["a"], ["b"])],
    "clip": [node("Clip", ["a", "low", "two"], ["b"])],
    "squared": [node("Mul", ["a", "a"], ["b"])],
    "channel mean": [node("ReduceMean", ["a", "one_axis"], ["c"]), node("Sub", ["a", "c"], ["b"])],
    "of the picture": [node("Conv", ["x", "v8"], ["c"]), node("Sigmoid", ["c"], ["d"]),
                       node("Mul", ["a", "d"], ["b"])],
}  # fmt: skip
ONE_GROUP = [
    node("Reshape", ["a", "one_group"], ["c"]),
    node("InstanceNormalization", ["c", "one", "none"], ["d"]),
    node("Reshape", ["d", "square"], ["e"]),
    node("Mul", ["e", "v"], ["f"]),
    node("LeakyRelu", ["f"], ["b"]),
]
CONSTANTS = {
    "v8": weight(8, 3),
    "w8": weight(8, 8),
    "w1": weight(8, 8, 1),
    "w_one": weight(1, 8),
    "w": weight(6, 8),
    "v": VECTOR,
    "two": np.float32(2.0),
    "small": np.float32(1e-3),
    "low": np.float32(0.0),
    "one_group": np.array([1, 1, -1], np.int64),
    "one": np.ones(1, np.float32),
    "none": np.zeros(1, np.float32),
    "axes": AXES,
    "one_axis": AXES[:1] - 1,
    "flat": np.array([1, 8, -1], np.int64),
    "square": np.array([1, 8, 10, 10], np.int64),
    "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
}


def between(nodes: list[onnx.NodeProto]) -> onnx.ModelProto:
    """A network with some nodes between two convolutions."""
    ends = [node("Conv", ["x", "v8"], ["a"]), node("Conv", ["b", "w"], ["y"])]
    every = [ends[0], *nodes, ends[1]]
    read = {name for one in every for name in one.input}
    model = model_of(every, {k: v for k, v in CONSTANTS.items() if k in read}, {"x": 3})
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    return model


def drawn(channels: Channels) -> Equalization:
    """Factors of every free channel, drawn."""
    roots = sorted({root for root in channels.known.values() if root})
    rng = np.random.default_rng(0)
    factors = dict(zip(roots, 2.0 ** rng.integers(-4, 5, len(roots)), strict=True))
    return Equalization({key: factors[root] for key, root in channels.known.items() if root})


@pytest.mark.parametrize("case", CASES)
def test_factors_pass_and_change_no_bit(case: str) -> None:
    model = between(CASES[case])
    wanted, channels = run(model, {"x": picture(3, 12, 12)}), Channels()
    followed = follow(nodes_of_onnx(model.graph), channels)
    first, last = followed.layers[0], followed.layers[-1]
    assert channels.roots(first.written).all()
    assert last.read is not None and channels.roots(last.read).all()
    equalize_onnx(model.graph, drawn(channels))
    assert np.array_equal(run(model, {"x": picture(3, 12, 12)}), wanted)


def test_channels_are_free_behind_a_normalization_of_one_group_and_not_before() -> None:
    model, channels = between(ONE_GROUP), Channels()
    wanted = run(model, {"x": picture(3, 12, 12)})
    first, last = follow(nodes_of_onnx(model.graph), channels).layers
    assert not channels.roots(first.written).any()
    assert last.read is not None and channels.roots(last.read).all()
    equalize_onnx(model.graph, drawn(channels))
    assert np.array_equal(run(model, {"x": picture(3, 12, 12)}), wanted)


@pytest.mark.parametrize("case", KEPT)
def test_what_reads_values_as_they_are_lets_no_factor_pass(case: str) -> None:
    model, channels = between(KEPT[case]), Channels()
    wanted = run(model, {"x": picture(3, 12, 12)})
    followed = follow(nodes_of_onnx(model.graph), channels)
    assert not channels.roots(followed.layers[0].written).any()
    equalize_onnx(model.graph, drawn(channels))
    assert np.array_equal(run(model, {"x": picture(3, 12, 12)}), wanted)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A small network with modulated blocks and unlike channels, for both runtimes."""
    folder, network = tmp_path_factory.mktemp("modulated"), modulated.small()
    export_tier(network, TIER, folder / "fp32.onnx")
    convert_fp32(network, (TIER,), folder / "fp32.tflite")
    return folder / "fp32.onnx", folder / "fp32.tflite"


def feeds() -> dict[str, np.ndarray]:
    codes = {name: value.numpy() for name, value in example_codes(modulated.small()).items()}
    return {CONTENT: pseudo_photograph(32, 32), **codes}


def test_factors_pass_through_codes_in_both_runtimes(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    onnx_file, litert_file = files
    channels, same = Channels(), tmp_path / "a.onnx"
    follow(nodes_of_onnx(load_model(onnx_file).graph), channels)
    factors = drawn(channels)
    write_equalized_onnx(onnx_file, same, factors)
    write_equalized_litert(litert_file, tmp_path / "a.tflite", factors)
    made, found = (open_onnx(path).run(feeds())[STYLIZED] for path in (same, onnx_file))
    assert np.array_equal(made, found)
    made, found = (
        open_litert(path, TIER.signature).run(feeds())[STYLIZED]
        for path in (tmp_path / "a.tflite", litert_file)
    )
    assert np.array_equal(made, found)
    products = [one for one in load_model(same).graph.node if one.output[0].endswith("_equalized")]
    assert {one.input[0] for one in products} >= {"mean", "gain_0", "keep_0", "gain_1", "keep_1"}
    before, after = (
        tf.operator_counts(tf.read_model(p)) for p in (litert_file, tmp_path / "a.tflite")
    )
    more = after[TIER.signature]["MUL"] - before[TIER.signature]["MUL"]
    assert more >= len(products)


def test_both_runtimes_have_the_same_channels(files: tuple[Path, Path]) -> None:
    onnx_file, litert_file = files
    model, found = tf.read_model(litert_file), []
    graphs = (
        nodes_of_onnx(load_model(onnx_file).graph),
        nodes_of_litert(model, tf.signatures(model)[0]),
    )
    for graph in graphs:
        channels = Channels()
        follow(graph, channels)
        found.append({key for key, root in channels.known.items() if root})
    assert len(found[0] & found[1]) > 0.8 * len(found[0])


def test_the_trunks_channels_become_alike(files: tuple[Path, Path], tmp_path: Path) -> None:
    made, alike = learn_equalization([(files[0], [feeds()])]), tmp_path / "alike.onnx"
    write_equalized_onnx(files[0], alike, made)
    before, after = (unlikeness(path) for path in (files[0], alike))
    trunk = [name for name in before if name.startswith("add")]
    assert len(trunk) > 3
    assert all(before[name] > UNLIKE for name in trunk)
    assert all(after[name] < 0.5 * before[name] for name in trunk), (before, after)


def unlikeness(path: Path) -> dict[str, float]:
    """The largest channel over the median, of each tensor."""
    seen, _ = see_channels(path, [feeds()], Channels())
    return {name: float(one.max() / np.median(one)) for name, one in seen.largest.items()}
