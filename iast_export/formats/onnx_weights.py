"""INT8 weights in an ONNX graph: each with bytes and a zero point of its own, where it is read.

ONNX Runtime keeps 8-bit products from saturating on x86 processors without VNNI
(session.x64quantprecision) by writing signed weights as unsigned ones. It names them after the
signed ones, so that it refuses a model where two share a zero point; and it looks for them in the
graph that reads them alone, so that branches with weights of the graph around them saturate.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import onnx

# Where operators read an int8 weight and its zero point.
_READ_AT = {"DequantizeLinear": (0, 2), "QLinearConv": (3, 5)}
_NOTHING: Mapping[str, onnx.TensorProto] = MappingProxyType({})


def own_weights(graph: onnx.GraphProto, outside: Mapping[str, onnx.TensorProto] = _NOTHING) -> None:
    """Gives every int8 weight a zero point of its own, and its own bytes; in place.

    Args:
        graph: with the graphs inside it, such as the branches of a dispatching model.
        outside: constants of the graphs around it, by name; what is read of them is copied.
    """
    own = {item.name: item for item in graph.initializer}
    values, seen = {**outside, **own}, set(outside) - set(own)
    for node in graph.node:
        for inside in _graphs_in(node):
            own_weights(inside, values)
        at, at_zero = _READ_AT.get(node.op_type, (0, len(node.input)))
        if at_zero >= len(node.input):
            continue
        weight, zero_point = values.get(node.input[at]), values.get(node.input[at_zero])
        if weight is None or zero_point is None or weight.data_type != onnx.TensorProto.INT8:
            continue
        if weight.name in seen:
            node.input[at] = _copied(graph, weight, f"{node.output[0]}_weight")
        if zero_point.name in seen:
            node.input[at_zero] = _copied(graph, zero_point, f"{node.input[at]}_zero_point")
        seen.update((node.input[at], node.input[at_zero]))


def with_weights_in_branches(data: bytes) -> bytes:
    """The same model, int8 weights that its branches read inside them; `data` if it has no branch.

    Bytes that are no model raise what protobuf raises.
    """
    model = onnx.load_from_string(data)
    if not any(_graphs_in(node) for node in model.graph.node):
        return data
    own_weights(model.graph)
    return bytes(model.SerializeToString())


def _graphs_in(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [item.g for item in node.attribute if item.type == onnx.AttributeProto.GRAPH]


def _copied(graph: onnx.GraphProto, constant: onnx.TensorProto, name: str) -> str:
    copy = onnx.TensorProto()
    copy.CopyFrom(constant)
    copy.name = name
    graph.initializer.append(copy)
    return name
