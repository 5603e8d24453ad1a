"""A signature of a .tflite file as a `Network`. No torch."""

from __future__ import annotations

from typing import Any

from iast_export.decide.graph import Bounds, Network, Op, Shape, is_endless
from iast_export.formats import tflite_file as tf
from iast_export.specs import CONTENT, STYLIZED

_TYPES = {
    "ADD": "Add",
    "AVERAGE_POOL_2D": "AveragePool",
    "BATCH_MATMUL": "MatMul",
    "BROADCAST_TO": "Expand",
    "CONCATENATION": "Concat",
    "CONV_2D": "Conv",
    "DEPTHWISE_CONV_2D": "Conv",
    "DEPTH_TO_SPACE": "DepthToSpace",
    "DIV": "Div",
    "ELU": "Elu",
    "EXP": "Exp",
    "FULLY_CONNECTED": "MatMul",
    "GELU": "Gelu",
    "HARD_SWISH": "HardSwish",
    "LEAKY_RELU": "LeakyRelu",
    "LOGISTIC": "Sigmoid",
    "MAXIMUM": "Clip",
    "MAX_POOL_2D": "MaxPool",
    "MEAN": "ReduceMean",
    "MINIMUM": "Clip",
    "MIRROR_PAD": "Pad",
    "MUL": "Mul",
    "PAD": "Pad",
    "PADV2": "Pad",
    "POW": "Pow",
    "PRELU": "PRelu",
    "RELU": "Relu",
    "RELU6": "Clip",
    "RELU_0_TO_1": "Clip",
    "RELU_N1_TO_1": "Clip",
    "RESHAPE": "Reshape",
    "RESIZE_BILINEAR": "Resize",
    "RESIZE_NEAREST_NEIGHBOR": "Resize",
    "RSQRT": "Rsqrt",
    "SLICE": "Slice",
    "SOFTMAX": "Softmax",
    "SPACE_TO_DEPTH": "SpaceToDepth",
    "SQRT": "Sqrt",
    "SQUARED_DIFFERENCE": "Sub",
    "STRIDED_SLICE": "Slice",
    "SUB": "Sub",
    "SUM": "ReduceSum",
    "TANH": "Tanh",
    "TRANSPOSE": "Transpose",
    "TRANSPOSE_CONV": "ConvTranspose",
}
_MODES = {
    "MIRROR_PAD": "reflect",
    "PAD": "constant",
    "PADV2": "value",
    "RESIZE_BILINEAR": "linear",
    "RESIZE_NEAREST_NEIGHBOR": "nearest",
}
_BOUNDS: dict[str, Bounds] = {
    "RELU": (0.0, None),
    "RELU6": (0.0, 6.0),
    "RELU_0_TO_1": (0.0, 1.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}
_FUSED = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}  # the schema's ActivationFunctionType


def read_litert(model: tf.Model, signature: tf.Signature) -> Network:
    """The graph of a signature, its tensors called by their places."""
    graph = model.subgraphs[signature.subgraph]
    layouts = _channels_first(model, graph)
    names = [tensor_name(i) for i in range(len(graph.tensors))]
    edges = (signature.inputs.get(CONTENT), signature.outputs.get(STYLIZED))
    return Network(
        "litert",
        read_operators(model, graph),
        tuple(names[int(t)] for t in graph.inputs),
        tuple(names[int(t)] for t in graph.outputs),
        {
            names[i]: _picture_shape(tf.tensor_shape(tensor), i in layouts)
            for i, tensor in enumerate(graph.tensors)
        },
        {names[i]: tf.text(tensor.name) or names[i] for i, tensor in enumerate(graph.tensors)},
        tuple(names[t] for t in edges if t is not None),
    )


def read_operators(model: tf.Model, graph: tf.Graph) -> tuple[Op, ...]:
    """The operators of a graph, in its order."""
    layouts = _channels_first(model, graph)
    return tuple(_op(model, graph, n, layouts) for n in range(len(graph.operators)))


def operator_type(name: str) -> str:
    """The ONNX type of a TFLite operator; its own name where there is none."""
    return _TYPES.get(name, name)


def tensor_name(index: int) -> str:
    """How a tensor of the graph is called in the `Network`."""
    return f"t{index}"


def tensor_index(name: str) -> int:
    """The tensor of the graph that a `Network`'s name stands for."""
    return int(name[1:])


def _picture_shape(shape: Shape, channels_first: bool) -> Shape:
    """[N, C, H, W] of a tensor."""
    if len(shape) != 4 or channels_first:
        return shape
    return shape[0], shape[3], shape[1], shape[2]


def _channels_first(model: tf.Model, graph: tf.Graph) -> set[int]:
    """Tensors behind a transposition to channels first, up to the one back."""
    found: set[int] = set()
    for op in graph.operators:
        flips = tf.op_name(model, op) == "TRANSPOSE" and _changes_layout(
            model, graph.tensors[int(op.inputs[1])]
        )
        if flips != any(int(t) in found for t in op.inputs):
            found.update(int(t) for t in op.outputs)
    return found


def _changes_layout(model: tf.Model, order: Any) -> bool:
    """Whether a transposition in that order moves channels from last to first, or back."""
    held = tf.constant(model, order)
    return held is not None and tuple(int(axis) for axis in held) in ((0, 3, 1, 2), (0, 2, 3, 1))


def _op(model: tf.Model, graph: tf.Graph, n: int, layouts: set[int]) -> Op:
    op = graph.operators[n]
    name = tf.op_name(model, op)
    given = [int(t) for t in op.inputs if t >= 0]
    computed = [t for t in given if not tf.buffer_bytes(model, graph.tensors[t])]
    constants = [tf.tensor_shape(graph.tensors[t]) for t in given if t not in computed]
    joins_constants = name == "CONCATENATION" and bool(constants)  # the tool has no scale for them
    source = tf.tensor_shape(graph.tensors[given[0]]) if given else ()
    weight, groups = _weight(name, source, constants)
    return Op(
        name=tensor_name(int(op.outputs[0])),
        type=operator_type(name),
        inputs=tuple(tensor_name(t) for t in computed),
        outputs=tuple(tensor_name(int(t)) for t in op.outputs),
        position=n,
        native=name,
        moved=tuple(
            tensor_name(t)
            for t in computed
            if tf.dtype_name(graph.tensors[t]) == "float32" and not joins_constants
        ),
        bounds=_bounds(name, op),
        weight=weight,
        groups=groups,
        stride=int(getattr(op.builtinOptions, "strideH", 1) or 1),
        mode=(
            "endless"
            if name == "PADV2" and is_endless(tf.constant(model, graph.tensors[given[2]]))
            else _mode(name, op, int(op.outputs[0]) in layouts)
        ),
        detail=f"{name} {constants} {_options(op)}",
    )


def _weight(name: str, source: Shape, constants: list[Shape]) -> tuple[Shape, int]:
    """(outputs, inputs per group, kernel height, kernel width) and the number of groups."""
    kernels = [shape for shape in constants if len(shape) == 4]
    if name in ("CONV_2D", "TRANSPOSE_CONV") and kernels:
        outputs, height, width, inputs = kernels[0]
        grouped = name == "CONV_2D" and source and inputs
        return (outputs, inputs, height, width), source[-1] // inputs if grouped else 1
    if name == "DEPTHWISE_CONV_2D" and kernels and source:
        _, height, width, channels = kernels[0]
        return (channels, 1, height, width), source[-1]
    if name == "FULLY_CONNECTED" and constants:
        return (constants[0][0], constants[0][-1], 1, 1), 1
    return (), 1


def _mode(name: str, op: Any, channels_first: bool) -> str:
    if name == "CONCATENATION":
        channels = 1 if channels_first else 3
        axis = int(getattr(op.builtinOptions, "axis", 0))
        return "channels" if axis in (channels, channels - 4) else "space"
    if (
        name in ("ADD", "CONV_2D", "DEPTHWISE_CONV_2D")
        and op.builtinOptions is not None
        and op.builtinOptions.fusedActivationFunction
    ):
        return "rectified"
    return _MODES.get(name, "")


def _bounds(name: str, op: Any) -> Bounds | None:
    """What an operator clamps its result to, by itself or fused."""
    fused = int(getattr(op.builtinOptions, "fusedActivationFunction", 0) or 0)
    return _BOUNDS.get(_FUSED.get(fused, "") if fused else name)


def _options(op: Any) -> str:
    """The options of an operator as text."""
    options = op.builtinOptions
    return "" if options is None else " ".join(f"{k}={v}" for k, v in sorted(vars(options).items()))
