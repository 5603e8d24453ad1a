"""Graphs indexed, cleaned up and named: nothing needed is lost, equal models have equal bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir
import pytest
from onnx import helper, numpy_helper
from onnx_ir.passes.common import DeduplicateInitializersPass, RemoveUnusedNodesPass

from iast_export.errors import InputError, ToolError
from iast_export.formats import onnx_graph as g
from tests.rewrite_cases import model_of, picture, run, types, weight


def untidy() -> onnx.ModelProto:
    """Two convolutions by equal weights stored twice, and a branch that ends nowhere."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b"], ["left"], pads=[1] * 4),
        helper.make_node("Abs", ["x"], ["lost"]),
        helper.make_node("Conv", ["lost", "w3"], ["lost_too"], pads=[1] * 4),
        helper.make_node("Conv", ["left", "w2", "b"], ["right"], pads=[1] * 4),
        helper.make_node("Add", ["left", "right"], ["y"]),
    ]
    constants = {
        "w1": weight(3, 3),
        "w2": weight(3, 3),
        "w3": weight(3, 3, seed=1),
        "b": np.arange(3, dtype=np.float32),
        "never": np.zeros(2, np.float32),
    }
    return model_of(nodes, constants, {"x": 3})


def constants_of(model: onnx.ModelProto) -> list[str]:
    return [item.name for item in model.graph.initializer]


def test_an_index_knows_who_makes_and_who_reads_a_tensor() -> None:
    index = g.index_graph(untidy().graph)
    left = index.producer("left")
    assert left is not None and left.op_type == "Conv"
    assert index.producer("left", "Abs", "Add") is None and index.producer("x") is None
    assert [node.op_type for node in index.consumers["left"]] == ["Conv", "Add"]
    assert index.only_consumer("left") is None, "two read it"
    only = index.only_consumer("right")
    assert only is not None and only.op_type == "Add"
    assert index.only_consumer("y") is None, "a result is read outside"
    bias = index.constant(left, 2)
    assert bias is not None and bias.tolist() == [0.0, 1.0, 2.0]
    assert index.constant(left, 0) is None and index.constant(left, 3) is None


def test_a_node_that_reads_a_tensor_twice_is_one_reader() -> None:
    index = g.index_graph(
        model_of([helper.make_node("Mul", ["x", "x"], ["y"])], {}, {"x": 1}).graph
    )
    assert len(index.consumers["x"]) == 1


@pytest.mark.parametrize(
    ("name", "default", "value"),
    [("mode", "none", "edge"), ("axis", 0, 2), ("pads", [], [1, 2]), ("absent", "none", "none")],
)
def test_an_attribute_has_its_value_or_the_default(
    name: str, default: object, value: object
) -> None:
    node = helper.make_node("Any", ["x"], ["y"], mode="edge", axis=2, pads=[1, 2])
    found = g.attribute(node, name, default)
    assert (list(found) if isinstance(found, list) else found) == value


def test_pruning_keeps_what_the_result_needs_and_its_values() -> None:
    model = untidy()
    wanted = run(model, {"x": picture(3)})
    g.prune(model.graph)
    assert types(model) == ["Conv", "Conv", "Add"]
    assert constants_of(model) == ["w1", "w2", "b"]
    assert np.array_equal(run(model, {"x": picture(3)}), wanted)


def test_pooling_keeps_the_first_of_equal_constants_and_its_values() -> None:
    model = untidy()
    wanted = run(model, {"x": picture(3)})
    g.pool_initializers(model.graph)
    assert constants_of(model) == ["w1", "w3", "b", "never"]
    assert [list(node.input[1:]) for node in model.graph.node if node.op_type == "Conv"] == [
        ["w1", "b"],
        ["w3"],
        ["w1", "b"],
    ]
    assert np.array_equal(run(model, {"x": picture(3)}), wanted)


@pytest.mark.parametrize(
    "unlike",
    [
        np.zeros((1, 2), np.float32),
        np.zeros(2, np.int32),
        np.zeros(3, np.float32),
        np.array([0.0, -0.0], np.float32),
    ],
)
def test_constants_of_another_shape_type_or_bit_stay_apart(unlike: np.ndarray) -> None:
    constants = {"one": np.zeros(2, np.float32), "other": unlike}
    model = model_of([helper.make_node("Abs", ["x"], ["y"])], constants, {"x": 1})
    g.pool_initializers(model.graph)
    assert constants_of(model) == ["one", "other"]


def _pruned(model: onnx_ir.Model) -> None:
    RemoveUnusedNodesPass()(model)


def _pooled(model: onnx_ir.Model) -> None:
    DeduplicateInitializersPass(size_limit=1 << 30)(model)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(g.prune, _pruned), (g.pool_initializers, _pooled)], ids=["prune", "pool"]
)
def test_onnx_ir_keeps_the_same_operators_and_constants(
    ours: Callable[[onnx.GraphProto], None], theirs: Callable[[onnx_ir.Model], None]
) -> None:
    """Written here for the bytes (DESIGN.md); what is kept is what the library keeps."""
    model = untidy()
    other = onnx_ir.from_proto(model)
    theirs(other)
    ours(model.graph)
    kept = onnx_ir.to_proto(other)
    assert constants_of(model) == constants_of(kept)
    assert [list(node.input) for node in model.graph.node] == [
        list(node.input) for node in kept.graph.node
    ]


def test_stripping_leaves_computation_alone() -> None:
    model = untidy()
    bare = model.SerializeToString(deterministic=True)
    model.doc_string, model.domain, model.graph.doc_string = "a", "b", "c"
    model.graph.node[0].doc_string = model.graph.input[0].doc_string = "why"
    helper.set_model_props(model, {"author": "me"})
    model.graph.value_info.append(helper.make_empty_tensor_value_info("left"))
    g.strip(model)
    told = [model.doc_string, model.domain, model.graph.doc_string, model.graph.node[0].doc_string]
    assert not any(told) and not model.metadata_props and not model.graph.value_info
    again = onnx.ModelProto.FromString(bare)
    g.strip(again)
    assert again == model


def test_names_follow_from_operators_and_order_alone() -> None:
    one, two = untidy(), untidy()
    g.rename(two.graph, {"left": "%7", "right": "%9", "lost": "%8"})
    for model in (one, two):
        g.prune(model.graph)
        g.stable_names(model.graph)
    assert one.SerializeToString(deterministic=True) == two.SerializeToString(deterministic=True)
    assert [node.output[0] for node in one.graph.node] == ["conv_0", "conv_1", "y"]
    assert [node.name for node in one.graph.node] == ["conv_0", "conv_1", "y"]
    assert constants_of(one) == ["w1", "w2", "b"], "trained parameters keep their names"


def test_a_parameter_that_is_called_as_an_operator_would_be_keeps_its_name() -> None:
    constants = {"abs_0": np.arange(2, dtype=np.float32).reshape(1, 2, 1, 1)}
    constants["constant_1"] = np.float32([[[[1.0]], [[2.0]]]])
    constants["one"] = np.array(1.0, np.float32)
    nodes = [
        helper.make_node("Abs", ["x"], ["t"]),
        helper.make_node("Mul", ["t", "abs_0"], ["u"]),
        helper.make_node("Add", ["u", "constant_1"], ["v"]),
        helper.make_node("Sub", ["v", "one"], ["y"]),
    ]
    model = model_of(nodes, constants, {"x": 2})
    wanted = run(model, {"x": picture(2)})
    g.stable_names(model.graph)
    assert [node.output[0] for node in model.graph.node] == ["abs_0.", "mul_0", "add_0", "y"]
    assert constants_of(model) == ["abs_0", "constant_1", "constant_2"]
    assert np.array_equal(run(model, {"x": picture(2)}), wanted)


def test_constants_that_nobody_trained_are_numbered() -> None:
    constants = {"axes": np.array([2, 3]), "eps": np.array(1e-5, np.float32), "w": weight(1, 1, 1)}
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["m"]),
        helper.make_node("Add", ["m", "eps"], ["y"]),
    ]
    model = model_of(nodes, constants, {"x": 1})
    g.stable_names(model.graph)
    assert constants_of(model) == ["constant_0", "constant_1", "constant_2"]
    assert list(model.graph.node[0].input) == ["x", "constant_0"]


def test_an_edge_gets_its_name_and_a_tensor_inside_yields_it() -> None:
    nodes = [
        helper.make_node("Abs", ["x"], ["content"]),
        helper.make_node("Neg", ["content"], ["y"]),
    ]
    model = model_of(nodes, {}, {"x": 1})
    g.name_edges(model.graph, {"x": "content", "y": "stylized"})
    assert [(list(n.input), list(n.output)) for n in model.graph.node] == [
        (["content"], ["content.inside"]),
        (["content.inside"], ["stylized"]),
    ]
    assert (model.graph.input[0].name, model.graph.output[0].name) == ("content", "stylized")


def test_metadata_is_added_or_replaced_and_the_rest_kept() -> None:
    model = untidy()
    assert g.size_multiple_px(model) == 1
    for value in ("4", "8"):
        g.add_property(model, "size_multiple_px", value)
        g.add_property(model, "other", value)
    assert {item.key: item.value for item in model.metadata_props} == {
        "size_multiple_px": "8",
        "other": "8",
    }
    assert g.size_multiple_px(model) == 8


@pytest.mark.parametrize("value", ["", "0", "-4", "four", "4.0"])
def test_a_size_multiple_that_is_no_number_counts_as_not_said(value: str) -> None:
    model = untidy()
    g.add_property(model, "size_multiple_px", value)
    assert g.size_multiple_px(model) == 1


def test_saving_is_whole_and_the_same_each_time(tmp_path: Path) -> None:
    paths = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for path in paths:
        g.save_model(untidy(), path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    found = g.load_model(paths[0])
    assert found.graph == untidy().graph
    assert numpy_helper.to_array(found.graph.initializer[0]).shape == (3, 3, 3, 3)


def test_a_model_that_is_not_valid_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    broken = model_of([helper.make_node("Add", ["x", "nobody"], ["y"])], {}, {"x": 1})
    with pytest.raises(ToolError, match="the ONNX checker refuses the model"):
        g.save_model(broken, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_model_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(InputError, match=r"m\.onnx is missing"):
        g.load_model(path)
    path.write_bytes(b"not a model")
    with pytest.raises(InputError, match=r"m\.onnx"):
        g.load_model(path)
