"""Gains and offsets of channels behind a convolution: equal in filters and along rows, and in
integers without a float between them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from iast_export.decide.decide import decide_onnx
from iast_export.formats.onnx_graph import index_graph
from iast_export.forms.edit import Rewritten, copy_model
from iast_export.forms.modulation import fold_modulation
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.kernels import UINT8, UINT16, Kernels
from iast_export.quantize.onnx.qdq import quantize_onnx, tensors_to_calibrate
from iast_export.quantize.ranges import Range
from tests.rewrite_cases import int8_of, model_of, picture, rewritten_equally, run, types, weight

_CHANNELS = 8
_MADE_BY = {"Sigmoid": "Sigmoid", "": "Identity"}


def modulated(
    clamp: bool = False,
    gain: bool = True,
    offset: bool = True,
    sure: str = "",
    behind: str = "Conv",
    after: str = "",
    channels: int = _CHANNELS,
    shuffled: bool = False,
) -> onnx.ModelProto:
    """Conv `c` (ReLU), times gains, plus offsets (ReLU), and what reads that; gains and offsets
    come from the picture's means."""
    held = {
        "w": weight(channels, _CHANNELS),
        "b": weight(channels, 1, 1).ravel(),
        "wg": weight(channels, _CHANNELS, 1, seed=1),
        "wo": weight(channels, _CHANNELS, 1, seed=2),
        "w2": weight(4, channels // 4 if shuffled else channels),
        "sides": np.array([1, channels, 1, 1], np.int64),
    }
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["m"]),
        helper.make_node("Conv", ["m", "wg"], ["g0"]),
        helper.make_node(_MADE_BY[sure], ["g0"], ["g1"]),
        helper.make_node("Reshape", ["g1", "sides"], ["g"]),
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1] * 4),
    ]
    made = "c"
    if clamp:
        nodes.append(helper.make_node("Relu", [made], ["r"]))
        made = "r"
    if gain:
        nodes.append(helper.make_node("Mul", ["g", made], ["p"]))
        made = "p"
    if offset:
        nodes.append(helper.make_node("Conv", ["m", "wo"], ["o0"]))
        nodes.append(helper.make_node("Reshape", ["o0", "sides"], ["o"]))
        nodes.append(helper.make_node("Add", [made, "o"], ["s"]))
        made = "s"
    if after:
        nodes.append(helper.make_node(after, [made], ["a"]))
        made = "a"
    if shuffled:
        nodes.append(helper.make_node("DepthToSpace", [made], ["d"], blocksize=2, mode="CRD"))
        made = "d"
    reads = [made, "w2"] if behind == "Conv" else [made]
    edges = {"pads": [1] * 4} if behind == "Conv" else {}
    nodes.append(helper.make_node(behind, reads, ["y"], **edges))
    return model_of(nodes, held, {"x": _CHANNELS})


def folded(model: onnx.ModelProto, wanted: Collection[str] = ("c",)) -> Rewritten:
    made = fold_modulation(model, wanted)
    return Rewritten(made.model, tuple(made.results))


@settings(max_examples=25, deadline=None)
@given(
    clamp=st.booleans(),
    gain=st.booleans(),
    after=st.sampled_from(["", "Relu"]),
    sides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 99),
)
def test_values_are_equal(
    clamp: bool, gain: bool, after: str, sides: tuple[int, int], seed: int
) -> None:
    model = modulated(clamp, gain, sure="Sigmoid" if clamp else "", after=after)
    made = rewritten_equally(folded, model, {"x": picture(_CHANNELS, *sides, seed)})
    assert made.places == ("c",)
    assert types(made.model).count("Expand") == 1


def test_a_gain_alone_leaves_no_product_of_the_picture() -> None:
    made = rewritten_equally(folded, modulated(offset=False), {"x": picture(_CHANNELS)}).model
    products = [node for node in made.graph.node if node.op_type == "Mul"]
    index = index_graph(made.graph)
    assert products and all(index.constant(node, 0) is not None for node in products)


@pytest.mark.parametrize("clamp", [False, True])
def test_behind_a_rectifier_a_gain_must_be_sure_not_to_be_negative(clamp: bool) -> None:
    made = rewritten_equally(folded, modulated(clamp, sure=""), {"x": picture(_CHANNELS)})
    assert made.places == (() if clamp else ("c",))


def _per_pixel(model: onnx.ModelProto) -> None:
    """Gains of every pixel instead."""
    product = next(node for node in model.graph.node if node.op_type == "Mul")
    product.input[0] = "x"


def _read_twice(model: onnx.ModelProto) -> None:
    """What is to be multiplied is read by another too."""
    model.graph.node[-1].output[0] = "z"
    model.graph.node.append(helper.make_node("Add", ["z", "c"], ["y"]))


def _of_any_batch(model: onnx.ModelProto) -> None:
    """Gains for as many pictures as there are."""
    for node in model.graph.node:
        if node.op_type == "Reshape":
            node.op_type = "Identity"
            del node.input[1:]


@pytest.mark.parametrize("change", [_per_pixel, _read_twice, _of_any_batch])
def test_what_is_no_modulation_of_channels_stays(change: object) -> None:
    model = modulated()
    if change is _read_twice:
        model = modulated(channels=_CHANNELS)
        model.graph.node[-1].input[1] = "w"
    assert callable(change)
    change(model)
    assert not fold_modulation(model, ["c"]).results


def test_what_nobody_wants_stays() -> None:
    assert not fold_modulation(modulated(), []).results


def _of_pictures(quantized: onnx.ModelProto) -> list[str]:
    """Operators that compute with what convolutions in integers make, in floats."""
    index = index_graph(quantized.graph)
    floats = [n for n in quantized.graph.node if n.op_type == "DequantizeLinear"]
    made = [n for n in floats if index.constant(n, 0) is None and n.input[0].startswith("p")]
    return [one.op_type for n in made for one in index.consumers.get(n.output[0], [])]


@pytest.mark.parametrize("clamp", [False, True])
@pytest.mark.parametrize("after", ["", "Relu"])
@pytest.mark.parametrize("channels", [8, 16])
def test_integers_multiply_and_add_without_floats_between(
    clamp: bool, after: str, channels: int, tmp_path: Path
) -> None:
    model = modulated(clamp, sure="Sigmoid" if clamp else "", after=after, channels=channels)
    quantized, summary, psnr_db = int8_of(model, {"x": picture(8, 16, 24)}, tmp_path)
    assert psnr_db > 35
    assert summary.runtime_ops["QLinearConv"] == summary.quantized_ops["Conv"] == 4
    assert summary.runtime_ops["QLinearAdd"] == 1
    assert "Relu" not in summary.runtime_ops
    assert _of_pictures(quantized) == ["Add"], "which is one with the conversions around it"


def test_filters_with_gains_share_no_zero_point_with_others(tmp_path: Path) -> None:
    """Where two do, ONNX Runtime loads the file on processors with VNNI alone."""
    quantized, _, _ = int8_of(modulated(), {"x": picture(8, 16, 24)}, tmp_path)
    places = {"QLinearConv": 5, "DequantizeLinear": 2}
    weights = {i.name for i in quantized.graph.initializer if i.data_type == onnx.TensorProto.INT8}
    used = [
        node.input[places[node.op_type]]
        for node in quantized.graph.node
        if node.op_type in places and len(node.input) > 2
    ]
    own = [name for name in used if name in weights]
    assert len(own) == len(set(own)) == 4


def test_gains_of_every_sign_and_zero_are_exact(tmp_path: Path) -> None:
    model, feeds = modulated(offset=False), {"x": picture(8, 16, 24)}
    gain = np.array([-2.0, -0.5, 0.0, 1e-6, 0.25, 1.0, 1.5, 3.0], np.float32)
    for node in model.graph.node:
        if node.output[0] == "g":
            node.input[0] = "fixed"
    model.graph.node.insert(0, helper.make_node("Mul", ["held", "one"], ["fixed"]))
    model.graph.node.insert(0, helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0))
    model.graph.node.insert(1, helper.make_node("Sub", ["mean", "mean"], ["zero"]))
    model.graph.node.insert(2, helper.make_node("Exp", ["zero"], ["one"]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(gain, "held"))
    quantized, _, psnr_db = int8_of(model, feeds, tmp_path)
    assert psnr_db > 35
    assert types(quantized).count("QLinearConv") == 1


def test_a_pixel_shuffle_behind_it_takes_gains_in_its_own_order(tmp_path: Path) -> None:
    model = modulated(offset=False, channels=32, shuffled=True)
    quantized, _, psnr_db = int8_of(model, {"x": picture(8, 16, 24)}, tmp_path)
    assert psnr_db > 35
    assert "Gather" in types(quantized) and "DepthToSpace" not in types(quantized)


def test_who_reads_the_sides_alone_leaves_it_in_integers(tmp_path: Path) -> None:
    model = modulated()
    model.graph.node.insert(-1, helper.make_node("Shape", ["s"], ["side"], start=3, end=4))
    model.graph.node.insert(-1, helper.make_node("Cast", ["side"], ["width"], to=1))
    model.graph.node[-1].output[0] = "z"
    model.graph.node.append(helper.make_node("Mul", ["z", "width"], ["y"]))
    _, summary, _ = int8_of(model, {"x": picture(8, 16, 24)}, tmp_path)
    assert summary.runtime_ops["QLinearAdd"] == 1


def test_what_floats_read_stays_as_it_is(tmp_path: Path) -> None:
    model = modulated(behind="Tanh", channels=4)
    quantized, summary, _ = int8_of(model, {"x": picture(8, 16, 24)}, tmp_path)
    assert "QLinearAdd" not in summary.runtime_ops and "Expand" not in types(quantized)


@pytest.mark.parametrize(
    ("in_float", "kernels", "rows"), [((), UINT8, 1), (("c",), UINT8, 0), ((), UINT16, 0)]
)
def test_what_was_left_in_float_is_multiplied_there(
    in_float: tuple[str, ...], kernels: Kernels, rows: int, tmp_path: Path
) -> None:
    fp32, model = tmp_path / "fp32.onnx", modulated()
    onnx.save(model, str(fp32))
    learned = Learned(dict.fromkeys(tensors_to_calibrate(fp32), Range(-4.0, 4.0)))
    quantize_onnx(fp32, learned, tmp_path / "int8.onnx", in_float, kernels)
    made = onnx.load(str(tmp_path / "int8.onnx"))
    assert types(made).count("Expand") == rows
    assert np.isfinite(run(made, {"x": picture(8, 16, 24)})).all()


def test_the_ranges_of_products_sums_and_offsets_are_calibrated(tmp_path: Path) -> None:
    onnx.save(modulated(), str(tmp_path / "fp32.onnx"))
    assert {"p", "s", "o"} <= {*tensors_to_calibrate(tmp_path / "fp32.onnx")}


def test_a_sum_along_rows_is_decided_in_integers() -> None:
    made = fold_modulation(modulated(), ["c"])
    decisions = decide_onnx(copy_model(made.model), (), made.names)
    total = decisions.network.producers["s"]
    assert total.mode == "row" and decisions.is_integer(total)
    assert decisions.network.producers["p"].inputs == ("x",), "its filters are weights"
