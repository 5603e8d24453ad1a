"""How rewrites edit a graph: replace a node, add a constant, name what is new."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from iast_export.formats.onnx_graph import Array, GraphIndex, attribute, index_graph, prune


@dataclass(frozen=True)
class Rewritten:
    """A rewritten copy of a model.

    Attributes:
        model: the copy, equal to the original where nothing was recognized.
        places: first output of each operator that something else stands for now, in graph order.
    """

    model: onnx.ModelProto
    places: tuple[str, ...]


def copy_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model of its own, so that a rewrite changes nothing that it was given."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def replace_node(
    graph: onnx.GraphProto, at: onnx.NodeProto, nodes: Sequence[onnx.NodeProto]
) -> None:
    """Puts nodes in the place of one, which is known by its first output; in place."""
    position = next(i for i, node in enumerate(graph.node) if node.output[0] == at.output[0])
    rest = list(graph.node)
    rest[position : position + 1] = list(nodes)
    del graph.node[:]
    graph.node.extend(rest)


def with_edges(node: onnx.NodeProto, inputs: Sequence[str], output: str) -> onnx.NodeProto:
    """A copy of a node that reads and first writes other tensors, named after what it writes."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[:], copy.output[:] = list(inputs), [output, *node.output[1:]]
    copy.name = output
    return copy


def remove_node(graph: onnx.GraphProto, at: onnx.NodeProto, instead: str) -> None:
    """Removes a node whose readers read `instead` from now on; in place."""
    kept = [node for node in graph.node if node.output[0] != at.output[0]]
    for node in kept:
        node.input[:] = [instead if name == at.output[0] else name for name in node.input]
    del graph.node[:]
    graph.node.extend(kept)


def unused_name(graph: onnx.GraphProto, stem: str) -> str:
    """`stem`, or `stem` with a number, that no tensor of the graph has."""
    taken = {item.name for item in (*graph.initializer, *graph.input, *graph.output)}
    taken |= {name for node in graph.node for name in (*node.input, *node.output)}
    name, number = stem, 1
    while name in taken:
        name, number = f"{stem}_{number}", number + 1
    return name


def add_constant(graph: onnx.GraphProto, stem: str, value: Array) -> str:
    """Adds an initializer and returns its name."""
    name = unused_name(graph, stem)
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
    return name


def rewrite_each(
    model: onnx.ModelProto,
    op_types: str | Collection[str],
    build: Callable[[onnx.GraphProto, GraphIndex, onnx.NodeProto], bool],
) -> Rewritten:
    """A copy on whose nodes of some types `build` was tried; each sees what earlier ones made."""
    copy, places = copy_model(model), []
    index, wanted = (
        index_graph(copy.graph),
        {op_types} if isinstance(op_types, str) else set(op_types),
    )
    for name in [node.output[0] for node in copy.graph.node if node.op_type in wanted]:
        node = index.producer(name, *wanted)
        if node is not None and build(copy.graph, index, node):
            places.append(name)
            index = index_graph(copy.graph)
    prune(copy.graph)
    return Rewritten(copy, tuple(places))


def conv_weight(index: GraphIndex, node: onnx.NodeProto | None) -> Array | None:
    """The constant 4-D weight of a convolution whose bias, where it has one, is constant too."""
    weight = index.constant(node, 1) if node is not None and node.op_type == "Conv" else None
    if node is None or weight is None or weight.ndim != 4:
        return None
    if len(node.input) > 2 and node.input[2] and index.constant(node, 2) is None:
        return None
    return weight


def conv_bias(index: GraphIndex, node: onnx.NodeProto) -> Array:
    """The bias of a convolution, zeros where it has none."""
    bias = index.constant(node, 2)
    weight = index.constants[node.input[1]]
    return np.zeros(len(weight), weight.dtype) if bias is None else bias


def plain_strides(node: onnx.NodeProto, stride: int = 1) -> bool:
    """Whether a convolution has this stride, no dilation and explicit padding."""
    strides = list(attribute(node, "strides", [1, 1]))
    dilations = list(attribute(node, "dilations", [1, 1]))
    return (
        strides == [stride] * 2
        and dilations == [1, 1]
        and attribute(node, "auto_pad", "NOTSET") in ("NOTSET", "VALID")
    )
