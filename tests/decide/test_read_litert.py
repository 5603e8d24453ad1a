"""A TFLite signature is read in the same words as an ONNX graph, its tensors known by place."""

from __future__ import annotations

from functools import cache

from iast_export.decide.decide import decide_litert
from iast_export.decide.graph import Network, Op
from iast_export.decide.policy import LITERT
from iast_export.decide.read_litert import read_litert, tensor_index, tensor_name
from iast_export.formats import tflite_file as tf
from tests.litert_cases import foreign

KEY = "d1_32px"


@cache
def network() -> Network:
    model = tf.read_model(foreign()[1])
    return read_litert(model, tf.find_signature(model, KEY))


def of(native: str) -> list[Op]:
    return [op for op in network().ops if op.native == native]


def test_a_tensor_is_known_by_its_place_and_by_the_name_in_the_file() -> None:
    assert tensor_index(tensor_name(7)) == 7
    assert {network().file_name(name).split("/")[0] for name in network().producers} == {KEY}
    assert {network().file_name(name) for name in network().unit} == {
        f"{KEY}/content",
        f"{KEY}/stylized",
    }


def test_weights_are_told_as_in_onnx() -> None:
    depthwise = of("DEPTHWISE_CONV_2D")
    assert depthwise and all(op.type == "Conv" for op in depthwise)
    assert all(op.weight == (8, 1, 3, 3) and op.groups == 8 for op in depthwise)
    assert all(LITERT.form_of(op) == "joined" for op in depthwise)
    dense = [op for op in of("CONV_2D") if op.weight[2:] == (1, 1)]
    assert dense and all(op.weight[:2] == (8, 8) and op.groups == 1 for op in dense)


def test_shapes_are_told_channels_first() -> None:
    content = network().inputs[0]
    assert network().shapes[content] == (1, 3, 32, 32)


def test_a_fused_clamp_bounds_the_operator_that_it_is_fused_into() -> None:
    bounds = {op.bounds for op in of("CONV_2D")}
    assert (0.0, None) in bounds
    assert {op.bounds for op in of("SUB")} == {None}


def test_what_is_decided_speaks_of_the_operators_of_the_graph() -> None:
    model = tf.read_model(foreign()[1])
    decisions = decide_litert(model, tf.find_signature(model, KEY))
    graph = model.subgraphs[0]
    for op in decisions.network.ops:
        assert op.native == tf.op_name(model, graph.operators[op.position])
        assert decisions.is_integer(op) or decisions.reason(op)
