"""Operators of a TFLite graph as XNNPACK and LiteRT's GPU delegate both take them. No torch.

The GPU delegate takes no tensor of more than four dimensions and no RELU_0_TO_1. Every form is
exact.

- Values that are only moved (RESHAPE, TRANSPOSE, RESHAPE over more than four dimensions), as a
pixel
  shuffle is: one DEPTH_TO_SPACE or SPACE_TO_DEPTH where that is the same, else a transposition of
  as few dimensions as there are runs of values that stay together.
- A clamp to [0, 1]: RELU_N1_TO_1, then RELU, both moved before what only moves values. There the
  first is fused into a convolution's own operator, and the second by the runtimes, so that it costs
  no pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw

# Of a tensor, for XNNPACK and the GPU delegate; sides of blocks that shuffles are looked for.
MOST_DIMENSIONS = 4
_BLOCKS = (2, 3, 4, 8)
BLOCK_MOVES = ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH")
_MOVES = (*BLOCK_MOVES, "RESHAPE", "TRANSPOSE")
_FUSES = ("ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MUL", "SUB")
Reduced = tuple[tuple[int, ...], tuple[int, ...]]
"""Sizes and their order after a transposition, of the runs of values that stay together."""


def reform(model: tf.Model) -> None:
    """Writes the operators of every graph in the forms that this module names, in place."""
    for graph in model.subgraphs:
        for op in list(graph.operators):
            if tf.op_name(model, op) == "TRANSPOSE":
                _reform_move(model, graph, op)
        for op in list(graph.operators):
            if tf.op_name(model, op) == "RELU_0_TO_1":
                _reform_clamp(model, graph, op)


def reduced(sizes: Sequence[int], order: Sequence[int]) -> Reduced:
    """What a transposition does, in the fewest dimensions: equal results mean equal movements."""
    runs: list[list[int]] = []
    for axis in (axis for axis in order if sizes[axis] != 1):
        before = runs[-1][-1] if runs else None
        skipped = () if before is None else range(before + 1, axis)
        if before is not None and before < axis and all(sizes[a] == 1 for a in skipped):
            runs[-1].append(axis)
        else:
            runs.append([axis])
    rank = {run[0]: place for place, run in enumerate(sorted(runs))}
    ranks = tuple(rank[run[0]] for run in runs)
    return tuple(int(np.prod([sizes[a] for a in run])) for run in sorted(runs)), ranks


def _reform_move(model: tf.Model, graph: tf.Graph, op: Any) -> None:
    """RESHAPE, `op`, RESHAPE over many dimensions in a form of at most four, where there is one."""
    first, last = _only_writer(graph, int(op.inputs[0])), _only_reader(graph, int(op.outputs[0]))
    inner = (tf.tensor_shape(graph.tensors[int(t)]) for t in (op.inputs[0], op.outputs[0]))
    order = tf.constant(model, graph.tensors[int(op.inputs[1])])
    ends = [tf.op_name(model, one) for one in (first, last) if one is not None]
    if ends != ["RESHAPE", "RESHAPE"] or order is None:
        return
    sizes, _ = inner
    if len(sizes) <= MOST_DIMENSIONS or _only_reader(graph, int(op.inputs[0])) is not op:
        return
    source, target = int(first.inputs[0]), int(last.outputs[0])
    move = reduced(sizes, [int(axis) for axis in order])
    shape = tf.tensor_shape(graph.tensors[target])
    shuffle = _shuffle(tf.tensor_shape(graph.tensors[source]), shape, move)
    sorted_shape = None if shuffle else _shuffled_from(shape, move)
    if shuffle is not None:
        made = [block_move(model, *shuffle, source, target)]
    elif sorted_shape is not None:
        _reshape_to(model, graph, first, sorted_shape)
        block = shape[1] // sorted_shape[1]
        made = [first, block_move(model, "DEPTH_TO_SPACE", block, int(first.outputs[0]), target)]
    elif len(move[0]) <= MOST_DIMENSIONS:
        made = _short_move(model, graph, move, (first, op, last))
    else:
        return
    for old in (first, op):
        graph.operators.remove(old)
    place = graph.operators.index(last)
    graph.operators[place : place + 1] = made


def _shuffle(source: Sequence[int], target: Sequence[int], move: Reduced) -> tuple[str, int] | None:
    """The operator, and its block, that moves values of shapes [N, H, W, C] so; None: no such."""
    if len(source) != MOST_DIMENSIONS or len(target) != MOST_DIMENSIONS:
        return None
    larger = target[1] * target[2] > source[1] * source[2]
    name, small, large = (
        ("DEPTH_TO_SPACE", source, target) if larger else ("SPACE_TO_DEPTH", target, source)
    )
    block = large[1] // small[1]
    n, height, width, channels = (int(side) for side in small)
    if block < 2:
        return None
    rest = channels // block**2
    if tuple(large) != (n, height * block, width * block, rest) or rest * block**2 != channels:
        return None
    inside = (n, height, width, block, block, rest)
    outside = (n, height, block, width, block, rest)
    wanted = reduced(inside if larger else outside, (0, 1, 3, 2, 4, 5))
    return (name, block) if move == wanted else None


def _shuffled_from(target: Sequence[int], move: Reduced) -> tuple[int, ...] | None:
    """The shape [N, H, W, C] from which DEPTH_TO_SPACE would move values so; None: no such."""
    for block in _BLOCKS if len(target) == MOST_DIMENSIONS else ():
        n, height, width, channels = target
        if height % block or width % block:
            continue
        source = (n, height // block, width // block, channels * block**2)
        if _shuffle(source, target, move) is not None:
            return source
    return None


def block_move(model: tf.Model, name: str, block: int, source: int, target: int) -> Any:
    """A DEPTH_TO_SPACE or SPACE_TO_DEPTH operator, by name."""
    schema = tf.schema()
    kind = "DepthToSpaceOptions" if name == "DEPTH_TO_SPACE" else "SpaceToDepthOptions"
    options = getattr(schema, f"{kind}T")()
    options.blockSize = block
    op = operator(model, name, [source], [target])
    op.builtinOptions, op.builtinOptionsType = options, getattr(schema.BuiltinOptions, kind)
    return op


def spelled_move(
    model: tf.Model, graph: tf.Graph, name: str, block: int, source: int, target: int
) -> list[Any]:
    """A block move of one picture as RESHAPE, TRANSPOSE, RESHAPE, for who has no kernel for it."""
    _, height, width, channels = tf.tensor_shape(graph.tensors[source])
    if name == "DEPTH_TO_SPACE":
        sizes = (height, width, block, channels // block)
    else:
        sizes = (height // block, block, width // block, block * channels)
    opened, moved = _like(graph, source), _like(graph, source)
    for made in (opened, moved):
        graph.tensors[made].quantization = graph.tensors[source].quantization
    first, transpose, last = (
        operator(model, "RESHAPE", [source], [opened]),
        operator(model, "TRANSPOSE", [opened], [moved]),
        operator(model, "RESHAPE", [moved], [target]),
    )
    _reshape_to(model, graph, first, sizes)
    _reshape_to(model, graph, last, tf.tensor_shape(graph.tensors[target]))
    return _short_move(model, graph, (sizes, (0, 2, 1, 3)), (first, transpose, last))


def _short_move(model: tf.Model, graph: tf.Graph, move: Reduced, ops: Sequence[Any]) -> list[Any]:
    """RESHAPE, TRANSPOSE, RESHAPE over the fewest dimensions; one RESHAPE where nothing moves."""
    first, transpose, last = ops
    sizes, order = move
    if list(order) == sorted(order):
        last.inputs[0] = first.inputs[0]
        return [last]
    moved = tuple(sizes[axis] for axis in order)
    _reshape_to(model, graph, first, sizes)
    _set_shape(graph, int(transpose.outputs[0]), moved)
    axes = add_constant(model, graph, np.array(order, np.int32))
    transpose.inputs = [int(transpose.inputs[0]), axes]
    return [first, transpose, last]


def _reshape_to(model: tf.Model, graph: tf.Graph, op: Any, shape: Sequence[int]) -> None:
    """Gives a RESHAPE, which no other operator's result depends on, another shape; in place."""
    options = tf.schema().ReshapeOptionsT()
    options.newShape = np.array(shape, np.int32)
    op.builtinOptions, op.builtinOptionsType = options, tf.schema().BuiltinOptions.ReshapeOptions
    op.inputs = [int(op.inputs[0]), add_constant(model, graph, np.array(shape, np.int32))]
    _set_shape(graph, int(op.outputs[0]), shape)


def _set_shape(graph: tf.Graph, tensor: int, shape: Sequence[int]) -> None:
    graph.tensors[tensor].shape = np.array(shape, np.int32)
    graph.tensors[tensor].shapeSignature = None


def _reform_clamp(model: tf.Model, graph: tf.Graph, op: Any) -> None:
    """RELU_0_TO_1 as RELU_N1_TO_1 and RELU, behind what can fuse them.

    Only movements may lie between.
    """
    source = int(op.inputs[0])
    writer = _only_writer(graph, source)
    while writer is not None and tf.op_name(model, writer) in _MOVES and _alone(graph, source):
        source = int(writer.inputs[0])
        writer = _only_writer(graph, source)
    if not _alone(graph, source) or writer is None or not _can_fuse(model, writer):
        source = int(op.inputs[0])
        writer = None
    below, clamped = (_like(graph, source) for _ in range(2))
    relu = operator(model, "RELU", [below], [clamped])
    readers = [one for one in graph.operators if source in [int(t) for t in one.inputs]]
    place = graph.operators.index(readers[0])
    for reader in readers if writer is not None else ():
        reader.inputs = [clamped if int(t) == source else t for t in reader.inputs]
    if writer is not None:
        writer.outputs = [below if int(t) == source else t for t in writer.outputs]
        writer.builtinOptions.fusedActivationFunction = (
            tf.schema().ActivationFunctionType.RELU_N1_TO_1
        )
        graph.operators.insert(place, relu)
        _bypass(graph, op)
        return
    place = graph.operators.index(op)
    relu.outputs = op.outputs
    graph.operators[place : place + 1] = [operator(model, "RELU_N1_TO_1", [source], [below]), relu]


def unit_clamp(model: tf.Model, graph: tf.Graph, n: int) -> list[int]:
    """The operators, in order, of a clamp to [0, 1] that ends with operator `n`; or none.

    Of one operator, where what comes before it is fused.
    """
    if tf.op_name(model, graph.operators[n]) != "RELU":
        return []
    writers = [
        k
        for k, op in enumerate(graph.operators)
        if int(graph.operators[n].inputs[0]) in [int(t) for t in op.outputs]
    ]
    fused = tf.schema().ActivationFunctionType.RELU_N1_TO_1
    for k in writers:
        op = graph.operators[k]
        if not _alone(graph, int(op.outputs[0])):
            return []
        if tf.op_name(model, op) == "RELU_N1_TO_1":
            return [k, n]
        if int(getattr(op.builtinOptions, "fusedActivationFunction", 0) or 0) == fused:
            return [n]
    return []


def _can_fuse(model: tf.Model, op: Any) -> bool:
    options = op.builtinOptions
    return tf.op_name(model, op) in _FUSES and not getattr(options, "fusedActivationFunction", 1)


def _bypass(graph: tf.Graph, op: Any) -> None:
    """Removes an operator of one input and one output: what wrote its input writes its output."""
    source, target = int(op.inputs[0]), int(op.outputs[0])
    graph.operators.remove(op)
    for one in graph.operators:
        one.outputs = [target if int(t) == source else t for t in one.outputs]
        one.inputs = [target if int(t) == source else t for t in one.inputs]


def operator(model: tf.Model, name: str, inputs: Sequence[int], outputs: Sequence[int]) -> Any:
    """An operator without options; its code is registered where the model lacks it."""
    op, version = (
        tf.schema().OperatorT(),
        1 if name in (*BLOCK_MOVES, "RELU_N1_TO_1") else 2,
    )  # all that reference kernels know
    op.opcodeIndex = tw.operator_code(model, name, version)
    op.inputs, op.outputs = list(inputs), list(outputs)
    return op


def add_constant(model: tf.Model, graph: tf.Graph, value: tf.Array) -> int:
    """Adds an int32 constant to a graph and returns its index."""
    schema = tf.schema()
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.ascontiguousarray(value, np.int32).reshape(-1).view(np.uint8)
    model.buffers.append(buffer)
    tensor.shape, tensor.type = np.array(value.shape, np.int32), schema.TensorType.INT32
    tensor.buffer, tensor.name = len(model.buffers) - 1, f"constant{len(graph.tensors)}"
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _like(graph: tf.Graph, tensor: int) -> int:
    """A new tensor of the same shape and type, computed; its index."""
    schema, old = tf.schema(), graph.tensors[tensor]
    new = schema.TensorT()
    new.shape, new.type, new.buffer = old.shape, old.type, 0
    new.name = f"{tf.text(old.name)}_{len(graph.tensors)}"
    graph.tensors.append(new)
    return len(graph.tensors) - 1


def _only_writer(graph: tf.Graph, tensor: int) -> Any:
    return next((op for op in graph.operators if tensor in [int(t) for t in op.outputs]), None)


def _only_reader(graph: tf.Graph, tensor: int) -> Any:
    """The one operator that reads a tensor; None where there are several, or it is a result."""
    readers = [op for op in graph.operators if tensor in [int(t) for t in op.inputs]]
    outside = tensor in [int(t) for t in graph.outputs]
    return readers[0] if len(readers) == 1 and not outside else None


def _alone(graph: tf.Graph, tensor: int) -> bool:
    return _only_reader(graph, tensor) is not None
