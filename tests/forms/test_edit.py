"""Editing a graph: in the place of a node, under names that nobody has, in a copy."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from iast_export.formats.onnx_graph import GraphIndex, index_graph
from iast_export.forms import edit
from tests.rewrite_cases import model_of, picture, run, types, weight


def chain() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Abs", ["x"], ["a"]),
        helper.make_node("Neg", ["a"], ["b"]),
        helper.make_node("Mul", ["a", "b"], ["y"]),
    ]
    return model_of(nodes, {}, {"x": 2})


def test_a_node_is_replaced_where_it_stood() -> None:
    model = chain()
    wanted = run(model, {"x": picture(2)})
    two = [helper.make_node("Neg", ["a"], ["c"]), helper.make_node("Identity", ["c"], ["b"])]
    edit.replace_node(model.graph, model.graph.node[1], two)
    assert types(model) == ["Abs", "Neg", "Identity", "Mul"]
    assert np.array_equal(run(model, {"x": picture(2)}), wanted)


def test_readers_of_a_removed_node_read_what_stands_for_it() -> None:
    model = chain()
    edit.remove_node(model.graph, model.graph.node[1], "a")
    assert types(model) == ["Abs", "Mul"] and list(model.graph.node[1].input) == ["a", "a"]
    assert np.array_equal(run(model, {"x": picture(2)}), picture(2) ** 2)


def test_new_names_are_nobody_elses() -> None:
    model = chain()
    first = edit.add_constant(model.graph, "w", np.zeros(2, np.float32))
    second = edit.add_constant(model.graph, "w", np.ones(2, np.float32))
    assert (first, second) == ("w", "w_1")
    assert edit.unused_name(model.graph, "b") == "b_1", "b is made by a node"
    assert edit.unused_name(model.graph, "x") == "x_1" and edit.unused_name(model.graph, "z") == "z"


def test_each_rewrite_sees_what_earlier_ones_made_in_a_copy() -> None:
    seen: list[list[str]] = []

    def build(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        seen.append([one.op_type for one in graph.node])
        if node.op_type == "Neg":
            return False
        edit.replace_node(graph, node, [helper.make_node("Relu", ["x"], list(node.output))])
        return True

    model = chain()
    made = edit.rewrite_each(model, ("Abs", "Neg"), build)
    assert made.places == ("a",)
    assert types(made.model) == ["Relu", "Neg", "Mul"] and types(model) == ["Abs", "Neg", "Mul"]
    assert seen == [["Abs", "Neg", "Mul"], ["Relu", "Neg", "Mul"]]


def test_what_a_rewrite_left_without_readers_is_gone() -> None:
    def build(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        edit.replace_node(graph, node, [helper.make_node("Identity", ["a"], list(node.output))])
        return True

    assert types(edit.rewrite_each(chain(), "Mul", build).model) == ["Abs", "Identity"]


@pytest.mark.parametrize(
    ("inputs", "constants", "is_weight"),
    [
        (["x", "w"], ("w",), True),
        (["x", "w", "b"], ("w", "b"), True),
        (["x", "w", ""], ("w",), True),
        (["x", "w", "b"], ("w",), False),
        (["x", "w"], (), False),
    ],
)
def test_a_weight_counts_only_where_all_of_a_convolution_is_constant(
    inputs: list[str], constants: tuple[str, ...], is_weight: bool
) -> None:
    known = {"w": weight(2, 2), "b": np.ones(2, np.float32)}
    node = helper.make_node("Conv", inputs, ["y"])
    held = {name: known[name] for name in constants}
    index = index_graph(model_of([node], held, {"x": 2}).graph)
    assert (edit.conv_weight(index, node) is not None) == is_weight


def test_a_convolution_without_a_bias_has_zeros() -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"])
    index = index_graph(model_of([node], {"w": weight(5, 2)}, {"x": 2}).graph)
    assert edit.conv_bias(index, node).tolist() == [0.0] * 5
    assert edit.conv_weight(index, None) is None
    other = helper.make_node("MatMul", ["x", "w"], ["y"])
    assert edit.conv_weight(index, other) is None


@pytest.mark.parametrize(
    ("attributes", "stride", "plain"),
    [
        ({}, 1, True),
        ({"strides": [2, 2]}, 2, True),
        ({"strides": [2, 1]}, 2, False),
        ({"dilations": [2, 2]}, 1, False),
        ({"auto_pad": "SAME_UPPER"}, 1, False),
        ({"auto_pad": "VALID", "strides": [1, 1]}, 1, True),
    ],
)
def test_strides_are_plain_without_dilation_and_with_explicit_padding(
    attributes: dict[str, object], stride: int, plain: bool
) -> None:
    node = helper.make_node("Conv", ["x", "w"], ["y"], **attributes)
    assert edit.plain_strides(node, stride) == plain
