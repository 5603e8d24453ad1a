"""Dead ranges of rectified sums: what is cut off, that it changes no sum, and what is left
alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from iast_export.decide.decide import decide_onnx
from iast_export.formats.onnx_graph import load_model
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.qdq import quantize_onnx
from iast_export.quantize.ranges import Range
from iast_export.quantize.rectified_sums import tighten
from tests.tiny_networks import tiny_onnx

VALUES = st.floats(-100, 100, allow_nan=False, width=32)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=20))
def test_clipping_to_the_tightened_ranges_changes_no_rectified_sum(
    pairs: list[tuple[float, float]],
) -> None:
    a, b = np.array(pairs, np.float64).T
    bounds = {"a": (a.min(), a.max()), "b": (b.min(), b.max())}
    tightened = tighten(bounds, [("a", "b")])
    assert all(low <= high for low, high in tightened.values())
    clipped = np.clip(a, *tightened["a"]) + np.clip(b, *tightened["b"])
    assert np.array_equal(np.maximum(clipped, 0), np.maximum(a + b, 0))


def test_only_the_negative_part_that_the_other_term_can_not_lift_is_cut() -> None:
    bounds = {"a": (-50.0, 9.0), "b": (-1.0, 1.5), "c": (-7.0, 7.0)}
    assert tighten(bounds, [("a", "b")]) == {"a": (-1.5, 9.0), "b": (-1.0, 1.5), "c": (-7.0, 7.0)}


def test_the_skip_and_the_pixel_shuffle_of_the_packaged_form_are_found() -> None:
    model = load_model(tiny_onnx("iast", 2, 32))
    decisions = decide_onnx(model)
    ((one, other),) = decisions.rectified
    places = [decisions.network.producers[name].position for name in (one, other)]
    made = {model.graph.node[place].input[1] for place in places}
    assert made == {"up.conv.weight", "skip.weight"}


@pytest.mark.parametrize(("last", "expected"), [("Relu", 1), ("Identity", 0)])
def test_a_sum_without_rectifier_keeps_its_ranges(last: str, expected: int) -> None:
    assert len(decide_onnx(_branches(last)).rectified) == expected


def test_the_written_scale_is_the_tightened_one(tmp_path: Path) -> None:
    source = tmp_path / "fp32.onnx"
    onnx.save(_branches("Relu"), source)
    ranges = {name: Range(-50.0, 1.0) for name in ("a", "b")} | {
        "sum_relu": Range(0, 2),
        "stylized": Range(0, 1),
    }
    quantize_onnx(source, Learned(ranges), tmp_path / "int8.onnx")
    values = {
        i.name: numpy_helper.to_array(i)
        for i in onnx.load(tmp_path / "int8.onnx").graph.initializer
    }
    readers = [
        n for n in onnx.load(tmp_path / "int8.onnx").graph.node if n.op_type == "QuantizeLinear"
    ]
    scales = sorted(
        float(values[node.input[1]]) for node in readers if node.output[0][:3] in ("a_q", "b_q")
    )
    assert scales == pytest.approx([2 / 255, 2 / 255])


def _branches(last: str) -> onnx.ModelProto:
    """content -> two convolutions -> their sum -> `last` -> a convolution."""
    rng = np.random.default_rng(0)
    shapes = {"wa": (8, 3, 1, 1), "wb": (8, 3, 1, 1), "wc": (4, 8, 1, 1)}
    weights = [
        numpy_helper.from_array(rng.normal(size=s).astype(np.float32), k) for k, s in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["content", "wa"], ["a"]),
        helper.make_node("Conv", ["content", "wb"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node(last, ["sum"], ["sum_relu"]),
        helper.make_node("Conv", ["sum_relu", "wc"], ["stylized"]),
    ]
    values = [
        helper.make_tensor_value_info("content", onnx.TensorProto.FLOAT, [1, 3, 8, 8]),
        helper.make_tensor_value_info("stylized", onnx.TensorProto.FLOAT, [1, 4, 8, 8]),
    ]
    graph = helper.make_graph(nodes, "branches", values[:1], values[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def test_a_sum_left_in_float_keeps_the_trimmed_ranges_of_its_integer_terms() -> None:
    path = tiny_onnx("iast", 2, 32)
    whole = decide_onnx(load_model(path))
    (name,) = [op.name for op in whole.network.ops if op.type == "Add" and whole.is_integer(op)]
    mixed = decide_onnx(load_model(path), [name])
    assert name not in mixed.integers
    assert mixed.rectified == whole.rectified != ()
