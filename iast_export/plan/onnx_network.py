"""An exported ONNX file as a `Network`: sizes fixed to a tier's square, shape arithmetic folded
away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from iast_export.formats.onnx_graph import GraphIndex, attribute, index_graph, load_model, prune
from iast_export.plan.graph import Network, Op, Shape
from iast_export.quantize.onnx.plan import Plan, make_plan
from iast_export.quantize.onnx.qdq import left_in_float
from iast_export.runtimes.onnx import open_onnx
from iast_export.specs import CONTENT, Tier


def read_onnx(
    path: Path, tier: Tier, code_shapes: Mapping[str, Sequence[int]]
) -> tuple[Network, onnx.ModelProto]:
    """The graph that the exporter plans over, at the tier's size, and the model that it came from.

    Clamps are moved as `make_plan` moves them, and an operator is `integer` where that plan says
    so.

    Raises:
        InputError: the file can't be read.
        ToolError: ONNX Runtime refuses the model.
    """
    model = load_model(path)
    plan = make_plan(model.graph, left_in_float(model))
    _fix_inputs(model, {CONTENT: (1, 3, *tier.shape_px), **code_shapes})
    _fold_shapes(model)
    inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    shapes = _shapes(inferred.graph)
    index = index_graph(model.graph)
    ops = tuple(_op(node, i, index, plan) for i, node in enumerate(model.graph.node))
    inputs = tuple(item.name for item in model.graph.input)
    return Network(
        "onnxruntime", ops, shapes, inputs, tuple(item.name for item in model.graph.output)
    ), model


def _fix_inputs(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]]) -> None:
    """Gives every input its fixed shape; inferred shapes are dropped."""
    del model.graph.value_info[:]
    for item in model.graph.input:
        item.CopyFrom(
            onnx.helper.make_tensor_value_info(
                item.name, onnx.TensorProto.FLOAT, list(shapes[item.name])
            )
        )


def _fold_shapes(model: onnx.ModelProto) -> None:
    """Replaces what only depends on sizes by its value, in place."""
    graph = model.graph
    known = {item.name for item in graph.initializer} | {""}
    folded = []
    for node in graph.node:
        if node.op_type in ("Shape", "Size") or all(name in known for name in node.input):
            folded.append(node)
            known.update(node.output)
    names = [name for node in folded for name in node.output if name]
    if not names:
        return
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    probe.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    feeds = {item.name: np.zeros(_dims(item), np.float32) for item in graph.input}
    values = open_onnx(probe.SerializeToString(), outputs=names).run(feeds)
    rest = [node for node in graph.node if not all(name in values for name in node.output)]
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(values[name]), name) for name in names
    )
    del graph.node[:]
    graph.node.extend(rest)
    prune(graph)


def _dims(item: onnx.ValueInfoProto) -> Shape:
    return tuple(dim.dim_value for dim in item.type.tensor_type.shape.dim)


def _shapes(graph: onnx.GraphProto) -> dict[str, Shape]:
    return {item.name: _dims(item) for item in (*graph.value_info, *graph.input, *graph.output)}


def _op(node: onnx.NodeProto, position: int, index: GraphIndex, plan: Plan) -> Op:
    constants = {name: value.shape for name, value in index.constants.items()}
    weight: Shape = ()
    if node.op_type in ("Conv", "ConvTranspose") and node.input[1] in constants:
        weight = tuple(constants[node.input[1]])
        if node.op_type == "ConvTranspose":  # (inputs, outputs per group, ...)
            groups = int(attribute(node, "group", 1))
            weight = (weight[1] * groups, weight[0] // groups, *weight[2:])
    elif node.op_type in ("MatMul", "Gemm"):
        shape = next((constants[name] for name in node.input if name in constants), ())
        weight = (1, int(shape[-1]) if len(shape) > 1 else 1, 1, 1)
    return Op(
        name=node.output[0],
        type=node.op_type,
        inputs=tuple(name for name in node.input if name and name not in index.constants),
        outputs=tuple(node.output),
        position=position,
        integer=plan.is_integer(node),
        weight=weight,
        groups=int(attribute(node, "group", 1)),
        stride=int(next(iter(attribute(node, "strides", [1])))),
        mode=_mode(node),
        detail=_detail(node, index),
    )


def _mode(node: onnx.NodeProto) -> str:
    if node.op_type in ("Pad", "Resize"):
        return str(attribute(node, "mode", "constant" if node.op_type == "Pad" else "nearest"))
    if node.op_type == "Concat":
        return "channels" if attribute(node, "axis", 1) == 1 else "space"
    return ""


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
