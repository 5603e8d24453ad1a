"""An exported ONNX graph as a `Network`, and its clamps moved to where they cost nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import onnx

from iast_export.decide.graph import Bounds, Network, Op, Shape, is_endless
from iast_export.decide.policy import ONNX
from iast_export.formats.onnx_graph import (
    Array,
    GraphIndex,
    attribute,
    index_graph,
    size_multiple_px,
)
from iast_export.forms.edit import with_edges
from iast_export.forms.large_kernels import unfolds
from iast_export.forms.modulation import gained, is_row, weight_of
from iast_export.specs import CONTENT


def read_onnx(
    model: onnx.ModelProto,
    shapes: Mapping[str, Shape] | None = None,
    file_names: Mapping[str, str] | None = None,
) -> Network:
    """A model's operators.

    Args:
        model: clamps moved (`pull_clamps`), if INT8 is to be decided on.
        shapes: of its tensors, where sizes matter.
        file_names: of tensors that the FP32 file calls otherwise.
    """
    graph = model.graph
    index = index_graph(graph)
    inputs = tuple(item.name for item in graph.input)
    return Network(
        "onnxruntime",
        tuple(
            _op(node, position, index, _mode_of_inputs(node, index, model) or _mode(node))
            for position, node in enumerate(graph.node)
        ),
        inputs,
        tuple(item.name for item in graph.output),
        shapes or {},
        file_names or {},
        tuple(name for name in inputs if name == CONTENT),
    )


def is_movement(node: onnx.NodeProto) -> bool:
    """Whether an operator only moves values, in a mode that exists for integers."""
    return ONNX.moves(node.op_type, _mode(node))


def moved_inputs(node: onnx.NodeProto) -> list[str]:
    """The inputs whose values a movement passes on."""
    return list(node.input) if node.op_type == "Concat" else list(node.input[:1])


def pull_clamps(graph: onnx.GraphProto) -> dict[str, str]:
    """Moves each clamp that follows movements of a convolution or sum to before them, in place.

    Clamping and moving commute, and before the movement the clamp folds into the quantization.

    Returns:
        For each tensor that is new, the tensor of the old graph that holds the same values.
    """
    same_values: dict[str, str] = {}
    for node in [node for node in graph.node if node.op_type in ONNX.clamps]:
        index = index_graph(graph)
        chain = list(_movements_before(index, node.input[0]))
        start = chain[-1].input[0] if chain else ""
        if index.producer(start, "Conv", "Add") is None or index.only_consumer(start) is None:
            continue
        clamped, result, first = f"{start}_clamped", node.output[0], chain[-1].output[0]
        same_values[clamped] = result
        rest = [item for item in graph.node if item.output[0] != result]
        for position, item in enumerate(rest):
            if item.output[0] == first:
                item.input[0] = clamped
                rest.insert(position, with_edges(node, [start, *node.input[1:]], clamped))
                break
        for item in rest:
            if item.output[0] == chain[0].output[0]:
                item.output[0] = result
        _set_nodes(graph, rest)
    return same_values


def _movements_before(index: GraphIndex, name: str) -> Iterator[onnx.NodeProto]:
    """Single-input movements that end in a tensor, last first, each read by nothing else."""
    node = index.producer(name)
    while node is not None and is_movement(node) and node.op_type != "Concat":
        if index.only_consumer(node.output[0]) is None:
            return
        yield node
        node = index.producer(node.input[0])


def _set_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    copies = [
        with_edges(node, node.input, node.output[0]) if node.input else node for node in nodes
    ]
    del graph.node[:]
    graph.node.extend(copies)


def _op(node: onnx.NodeProto, position: int, index: GraphIndex, mode: str) -> Op:
    return Op(
        name=node.output[0],
        type=node.op_type,
        inputs=_inputs(node, index),
        outputs=tuple(node.output),
        position=position,
        native=node.op_type,
        moved=tuple(name for name in moved_inputs(node) if name),
        bounds=_bounds(node, index),
        weight=_weight(node, index),
        groups=int(attribute(node, "group", 1)),
        stride=int(next(iter(attribute(node, "strides", [1])), 1)),
        mode=mode,
        detail=_detail(node, index),
    )


def _inputs(node: onnx.NodeProto, index: GraphIndex) -> tuple[str, ...]:
    """What is computed or fed; filters that gains multiply are weights all the same."""
    read = node.input[:1] if gained(index, node) is not None else node.input
    return tuple(name for name in read if name and name not in index.constants)


def _weight(node: onnx.NodeProto, index: GraphIndex) -> Shape:
    """(outputs, inputs per group, kernel height, kernel width) of constant weights."""
    weight = weight_of(index, node)
    if weight is not None:
        return tuple(weight.shape)
    held = index.constant(node, 1)
    if node.op_type == "ConvTranspose" and held is not None and held.ndim == 4:
        groups = max(1, int(attribute(node, "group", 1)))  # (inputs, outputs per group, ...)
        return (held.shape[1] * groups, held.shape[0] // groups, *held.shape[2:])
    if node.op_type in ("MatMul", "Gemm"):
        shape = next(
            (index.constants[name].shape for name in node.input if name in index.constants), ()
        )
        return (1, int(shape[-1]) if len(shape) > 1 else 1, 1, 1)
    return ()


def _bounds(node: onnx.NodeProto, index: GraphIndex) -> Bounds | None:
    """What a ReLU or a clip bounds values to."""
    if node.op_type == "Relu":
        return 0.0, None
    if node.op_type != "Clip":
        return None
    return _scalar(index.constant(node, 1)), _scalar(index.constant(node, 2))


def _scalar(value: Array | None) -> float | None:
    return None if value is None else float(np.ravel(value)[0])


def _mode(node: onnx.NodeProto) -> str:
    if node.op_type in ("Pad", "Resize"):
        return str(attribute(node, "mode", "constant" if node.op_type == "Pad" else "nearest"))
    if node.op_type == "Concat":
        return "channels" if attribute(node, "axis", 1) == 1 else "space"
    return ""


def _mode_of_inputs(node: onnx.NodeProto, index: GraphIndex, model: onnx.ModelProto) -> str:
    """What tells a convolution, a product or a sum apart from others."""
    if node.op_type == "Add":
        pairs = ((node.input[0], node.input[1]), (node.input[1], node.input[0]))
        return "row" if any(is_row(index, one, other) for one, other in pairs) else ""
    if node.op_type == "Pad":
        return "endless" if is_endless(index.constant(node, 2)) else ""
    if node.op_type == "Conv":
        return "blocks" if unfolds(model.graph, index, node, size_multiple_px(model)) else ""
    held = index.constant(node, 0) if node.op_type == "MatMul" else None
    return "head" if held is not None and len(held) == 1 else ""


def _detail(node: onnx.NodeProto, index: GraphIndex) -> str:
    """Attributes and constants that decide the cost: sides, axes and bounds, but no weights."""
    words = [
        f"{item.name}={onnx.helper.get_attribute_value(item)}"
        for item in sorted(node.attribute, key=lambda item: item.name)
    ]
    for name in node.input:
        value = index.constants.get(name)
        if value is not None and node.op_type == "Slice":
            words.append(str(value.shape))
        elif value is not None:
            words.append(
                str(value.tolist())
                if value.size <= 8 and value.dtype.kind == "i"
                else str(value.shape)
            )
    return " ".join(words)
