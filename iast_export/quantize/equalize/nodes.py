"""Both runtimes' graphs in one form with constants, in which scales of channels are followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

from iast_export.decide.read_litert import operator_type
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import Array, attribute, index_graph

Sizes = tuple[int | None, ...]
"""A tensor's shape; None: any size."""
_FILTER_AXES = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2)}
_UNBOUNDED = (0, 1)  # of TFLite's fused clamps: none, and ReLU


def filter_axes(name: str) -> tuple[int, ...]:
    """How a TFLite convolution's weight, also a depthwise one's, becomes [O, I, kH, kW]; or ()."""
    return _FILTER_AXES.get(name, ())


@dataclass(frozen=True)
class Node:
    """An operator.

    Attributes:
        type: as ONNX calls it.
        position: in its graph.
        inputs: tensors, constants among them; "" where one is left out.
        weight: of a convolution, [O, I / groups, kH, kW]; None where it is computed.
        bias: [O].
        axis: that channels lie along in what a convolution or block move reads and writes.
        axes: of a reduction or transposition, of a slice or concatenation those that it changes;
            None: unknown.
        keeps: a reduction keeps its axes with size 1.
        bounded: a clamp follows that no scale passes.
        mode: of a block move, `DCR` or `CRD`; of a pad, how it fills.
        number: its one number: epsilon, exponent or block.
    """

    type: str
    position: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weight: Array | None = None
    bias: Array | None = None
    axis: int = 1
    axes: tuple[int, ...] | None = None
    keeps: bool = True
    bounded: bool = False
    mode: str = ""
    number: float = 0.0


@dataclass(frozen=True)
class Nodes:
    """A tier's graph.

    Attributes:
        inputs, outputs: tensors that are fed and given.
        sizes: of tensors, as far as they are known.
        constants: by tensor.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sizes: Mapping[str, Sizes]
    constants: Mapping[str, Array] = field(default_factory=dict)

    def constant(self, node: Node, place: int) -> Array | None:
        """A constant input, or None."""
        return self.constants.get(node.inputs[place]) if place < len(node.inputs) else None


def nodes_of_onnx(graph: onnx.GraphProto) -> Nodes:
    """Those of an exported file."""
    index = index_graph(graph)
    held = [*graph.value_info, *_inferred(graph), *graph.input, *graph.output]
    sizes = {item.name: _dims(item) for item in held if item.type.tensor_type.HasField("shape")}
    sizes |= {name: tuple(value.shape) for name, value in index.constants.items()}
    return Nodes(
        tuple(_onnx_node(node, n, index.constants) for n, node in enumerate(graph.node)),
        tuple(item.name for item in graph.input),
        tuple(item.name for item in graph.output),
        sizes,
        index.constants,
    )


def _inferred(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    return list(onnx.shape_inference.infer_shapes(model, data_prop=True).graph.value_info)


def _dims(item: onnx.ValueInfoProto) -> Sizes:
    dims = item.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)


def _onnx_node(node: onnx.NodeProto, position: int, constants: Mapping[str, Array]) -> Node:
    def held(place: int) -> Array | None:
        return constants.get(node.input[place]) if place < len(node.input) else None

    facts: dict[str, Any] = {}
    kind = node.op_type
    if kind == "Conv":
        weight, bias = held(1), held(2)
        computed = len(node.input) > 2 and bool(node.input[2]) and bias is None
        plain = weight is not None and weight.ndim == 4 and not computed
        facts = {"weight": weight if plain else None, "bias": bias}
    elif kind.startswith("Reduce"):
        axes = held(1) if len(node.input) > 1 else attribute(node, "axes", None)
        facts = {"axes": _axes(axes), "keeps": bool(attribute(node, "keepdims", 1))}
    elif kind in ("GlobalAveragePool", "GlobalMaxPool"):
        kind, facts = "ReduceMean", {"axes": (2, 3)}
    elif kind == "Transpose":
        facts = {"axes": _axes(attribute(node, "perm", None))}
    elif kind in ("Concat", "Split"):
        facts = {"axes": (int(attribute(node, "axis", 0)),)}
    elif kind == "Slice":
        facts = {"axes": _axes(held(3))}
    elif kind == "Clip":
        facts = {"bounded": not _is_rectifier(held(1), node, held(2))}
    elif kind == "Pad":
        mode = str(attribute(node, "mode", "constant"))
        filled = held(2) if len(node.input) > 2 and node.input[2] else np.zeros(1)
        pads = held(1)
        zero = mode != "constant" or (filled is not None and not np.any(filled))
        facts = {"mode": mode, "bounded": not zero, "axes": _padded(pads)}
    elif kind == "DepthToSpace":
        block = float(attribute(node, "blocksize", 1))
        facts = {"mode": str(attribute(node, "mode", "DCR")), "number": block}
    elif kind == "SpaceToDepth":
        facts = {"mode": "DCR", "number": float(attribute(node, "blocksize", 1))}
    elif kind == "Pow":
        facts = {"number": _number(held(1))}
    elif kind == "InstanceNormalization":
        facts = {"number": float(attribute(node, "epsilon", 1e-5))}
    return Node(kind, position, tuple(node.input), tuple(node.output), **facts)


def _axes(value: Any) -> tuple[int, ...] | None:
    return None if value is None else tuple(int(one) for one in np.ravel(value))


def _padded(pads: Array | None) -> tuple[int, ...] | None:
    """The axes that a pad adds to or takes from."""
    if pads is None:
        return None
    both = np.asarray(pads).reshape(2, -1)
    return tuple(int(n) for n in np.flatnonzero(both.any(axis=0)))


def _is_rectifier(low: Array | None, node: onnx.NodeProto, high: Array | None) -> bool:
    given = len(node.input) > 2 and bool(node.input[2])
    unbounded = high is None or bool(np.all(np.isposinf(high)))
    return low is not None and not np.any(low) and (not given or (high is not None and unbounded))


def _number(value: Array | None) -> float:
    """The one number that a constant holds; 0 where it is none."""
    return float(value.ravel()[0]) if value is not None and value.size == 1 else 0.0


def nodes_of_litert(model: tf.Model, signature: tf.Signature) -> Nodes:
    """Those of a signature of a converted file, its tensors called by their places."""
    graph = model.subgraphs[signature.subgraph]
    names = [f"t{n}" for n in range(len(graph.tensors))]
    constants = {
        name: value
        for name, one in zip(names, graph.tensors, strict=True)
        if (value := tf.constant(model, one)) is not None
    }
    return Nodes(
        tuple(_litert_node(model, op, n, constants) for n, op in enumerate(graph.operators)),
        tuple(names[int(t)] for t in graph.inputs),
        tuple(names[int(t)] for t in graph.outputs),
        {name: tf.tensor_shape(one) for name, one in zip(names, graph.tensors, strict=True)},
        constants,
    )


_LITERT_TYPES = {
    "SQUARED_DIFFERENCE": "SquaredDifference",
    "RELU": "Relu",
    "LEAKY_RELU": "LeakyRelu",
    "PRELU": "PRelu",
    "ABS": "Abs",
    "NEG": "Neg",
    "SQUARE": "Square",
    "EXPAND_DIMS": "Reshape",
    "SQUEEZE": "Reshape",
    "MAXIMUM": "Max",
    "MINIMUM": "Min",
    "SPLIT": "Split",
}
_REDUCTIONS = ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")


def _litert_node(model: tf.Model, op: Any, position: int, constants: Mapping[str, Array]) -> Node:
    name = tf.op_name(model, op)
    options = op.builtinOptions
    inputs = tuple(f"t{int(t)}" if int(t) >= 0 else "" for t in op.inputs)

    def held(place: int) -> Array | None:
        return constants.get(inputs[place]) if place < len(inputs) else None

    kind = _LITERT_TYPES.get(name) or operator_type(name)
    fused = int(getattr(options, "fusedActivationFunction", 0) or 0)
    facts: dict[str, Any] = {"axis": 3, "bounded": fused not in _UNBOUNDED}
    if order := filter_axes(name):
        weight = held(1)
        computed = len(inputs) > 2 and inputs[2] != "" and held(2) is None
        plain = weight is not None and weight.dtype == np.float32 and not computed
        facts["weight"] = weight.transpose(order) if weight is not None and plain else None
        facts["bias"] = held(2)
    elif name in _REDUCTIONS:
        facts |= {"axes": _axes(held(1)), "keeps": bool(getattr(options, "keepDims", False))}
        kind = {"MEAN": "ReduceMean", "SUM": "ReduceSum"}.get(name, "ReduceMax")
    elif name == "TRANSPOSE":
        facts["axes"] = _axes(held(1))
    elif name == "CONCATENATION":
        facts["axes"] = (int(options.axis),)
    elif name == "SPLIT":
        axis = held(0)
        facts["axes"] = _axes(axis)
        inputs = inputs[1:]
    elif name in ("SLICE", "STRIDED_SLICE"):
        facts["axes"] = None
    elif name in ("PAD", "PADV2", "MIRROR_PAD"):
        pads, filled = held(1), held(2) if name == "PADV2" else np.zeros(1)
        facts["axes"] = _padded(None if pads is None else np.asarray(pads).T)
        facts["bounded"] = filled is None or bool(np.any(filled))
    elif name in ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH"):
        facts |= {"mode": "DCR", "number": float(options.blockSize)}
    elif name == "POW":
        facts["number"] = _number(held(1))
    elif kind == "Clip":
        facts["bounded"] = True
    return Node(kind, position, inputs, tuple(f"t{int(t)}" for t in op.outputs), **facts)
