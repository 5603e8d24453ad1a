"""Other weights in a TFLite model: learned for INT8, scaled to be alike, dense for groups."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from iast_export.decide.decide import decide_litert
from iast_export.decide.policy import LITERT
from iast_export.decide.read_litert import read_operators, tensor_index
from iast_export.files.artifacts import write_atomic
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.formats.onnx_graph import Array
from iast_export.forms.grouped import dense_weight
from iast_export.forms.tflite_forms import operator
from iast_export.quantize.equalize.channels import Channels, Followed, Ids, Values, follow
from iast_export.quantize.equalize.factors import Equalization
from iast_export.quantize.equalize.nodes import filter_axes, nodes_of_litert
from iast_export.quantize.onnx.layers import with_learned


def replace_filters(
    model: tf.Model, filters: Mapping[str, Array], in_float: Collection[str] = ()
) -> None:
    """Puts learned weights in the place of the FP32 ones that they are known by, in place.

    Args:
        filters: float32 [I, kH, kW] by `filter_key`.
        in_float: results of convolutions asked to stay in float. A weight that any convolution
            computes with in float, asked or unasked, stays as it is in every signature.
    """
    done = {
        buffer
        for signature in (tf.signatures(model) if filters else [])
        for buffer in _float_weights(model, signature, in_float)
    }
    for graph in model.subgraphs:
        for op in graph.operators if filters else []:
            axes = filter_axes(tf.op_name(model, op))
            tensor = graph.tensors[int(op.inputs[1])] if axes else None
            if tensor is None or int(tensor.buffer) in done or tf.dtype_name(tensor) != "float32":
                continue
            data = tf.buffer_bytes(model, tensor)
            if data:
                own = np.frombuffer(data, np.float32).reshape(tensor.shape).transpose(axes)
                learned = np.ascontiguousarray(
                    with_learned(own, filters).transpose(np.argsort(axes))
                )
                model.buffers[int(tensor.buffer)].data = learned.reshape(-1).view(np.uint8)
                done.add(int(tensor.buffer))


def _float_weights(
    model: tf.Model, signature: tf.Signature, in_float: Collection[str]
) -> Iterator[int]:
    """The buffers that convolutions left in float read their weights from."""
    decisions = decide_litert(model, signature, in_float)
    graph = model.subgraphs[signature.subgraph]
    for op in decisions.network.ops:
        if not decisions.is_integer(op) and filter_axes(op.native):
            yield int(graph.tensors[int(graph.operators[op.position].inputs[1])].buffer)


def densify_litert(model: tf.Model, mark: str = "") -> None:
    """Writes grouped convolutions as dense ones where the policy says so, in place.

    A weight that signatures share is still stored once.

    Args:
        mark: how the names of the results begin that are computed in integers.
    """
    made: dict[tuple[int, int], int] = {}
    for graph in model.subgraphs:
        for one, op in zip(read_operators(model, graph), graph.operators, strict=True):
            marked = tf.text(graph.tensors[int(op.outputs[0])].name).startswith(mark)
            if not marked or LITERT.form_of(one) != "dense":
                continue
            tensor, groups = graph.tensors[int(op.inputs[1])], one.groups
            axes = filter_axes(tf.op_name(model, op))
            held = np.frombuffer(tf.buffer_bytes(model, tensor), np.float32).reshape(tensor.shape)
            dense = dense_weight(held.transpose(axes), groups).transpose(0, 2, 3, 1)
            key = int(tensor.buffer), groups
            if key not in made:
                made[key] = _new_buffer(model, dense)
            _read_weight(graph, op, 1, made[key], "dense", dense.shape)
            _as_convolution(model, op)


def _as_convolution(model: tf.Model, op: Any) -> None:
    """Makes a depthwise convolution, whose weight was replaced, a CONV_2D; in place."""
    if tf.op_name(model, op) == "CONV_2D":
        return
    schema, given = tf.schema(), op.builtinOptions
    options = schema.Conv2DOptionsT()
    for field in (
        "padding",
        "strideW",
        "strideH",
        "fusedActivationFunction",
        "dilationWFactor",
        "dilationHFactor",
    ):
        setattr(options, field, getattr(given, field))
    op.opcodeIndex = tw.operator_code(model, "CONV_2D")
    op.builtinOptions, op.builtinOptionsType = options, schema.BuiltinOptions.Conv2DOptions


def equalize_litert(model: tf.Model, factors: Equalization) -> int:
    """Applies factors to every signature of an FP32 model, in place; sharing stays.

    Returns:
        How many convolutions were changed.
    """
    channels = Channels()
    every = [
        (model.subgraphs[one.subgraph], follow(nodes_of_litert(model, one), channels))
        for one in (tf.signatures(model) if factors else [])
    ]
    factor_of, count = factors.of(channels), 0
    for graph, followed in every:
        operators = list(graph.operators)
        for layer in followed.layers:
            made = factors.changed(layer, factor_of)
            if made is None:
                continue
            op, count = operators[layer.node.position], count + 1
            order = filter_axes(tf.op_name(model, op))
            for place, value in enumerate((made[0].transpose(np.argsort(order)), made[1]), start=1):
                if value is not None:
                    _read_weight(graph, op, place, _new_buffer(model, value), "equalized")
        _correct(model, graph, followed, factor_of)
    return count


def _correct(
    model: tf.Model, graph: tf.Graph, followed: Followed, factor_of: Callable[[Ids], Values]
) -> None:
    """Lets operators read what they read per channel times factors, in place."""
    operators = list(graph.operators)
    ahead: dict[int, list[Any]] = {}
    made: dict[tuple[str, bytes], int] = {}
    for one in followed.corrections:
        values = one.values(factor_of).astype(np.float32)
        if np.all(values == 1):
            continue
        key, constant = (one.tensor, values.tobytes()), followed.graph.constants.get(one.tensor)
        if key not in made and constant is not None:
            product = np.asarray(constant * values)
            made[key] = _new_tensor(model, graph, product.shape, one.tensor, product)
        elif key not in made:
            source = tensor_index(one.tensor)
            shape = np.broadcast_shapes(tf.tensor_shape(graph.tensors[source]), values.shape)
            factor = _new_tensor(model, graph, values.shape, f"{one.tensor}_factors", values)
            made[key] = _new_tensor(model, graph, shape, one.tensor)
            multiply = operator(model, "MUL", [source, factor], [made[key]])
            multiply.builtinOptions = tf.schema().MulOptionsT()
            multiply.builtinOptionsType = tf.schema().BuiltinOptions.MulOptions
            ahead.setdefault(one.node.position, []).append(multiply)
        operators[one.node.position].inputs[one.place] = made[key]
    graph.operators = [n for i, op in enumerate(operators) for n in (*ahead.get(i, ()), op)]


def _new_tensor(
    model: tf.Model, graph: tf.Graph, shape: Sequence[int], name: str, value: Array | None = None
) -> int:
    """Adds a float tensor, with a value a constant, and returns its index."""
    tensor = tf.schema().TensorT()
    tensor.shape, tensor.type = list(shape), tf.schema().TensorType.FLOAT32
    tensor.name = f"{tf.text(graph.name)}/{name}_equalized_{len(graph.tensors)}"
    tensor.buffer = _new_buffer(model, value) if value is not None else 0
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def write_equalized_litert(source: Path, target: Path, factors: Equalization) -> None:
    """Writes an FP32 file with factors applied, all tensors of values by the same names."""
    model = tf.read_model(source)
    equalize_litert(model, factors)
    write_atomic(target, tw.serialize(model))


def _read_weight(
    graph: tf.Graph,
    op: Any,
    place: int,
    buffer: int,
    suffix: str,
    shape: Sequence[int] | None = None,
) -> None:
    """Gives an operator a constant of its own, as the one at `place` but for its values."""
    tensor = deepcopy(graph.tensors[int(op.inputs[place])])
    tensor.name, tensor.buffer = f"{tf.text(tensor.name)}_{suffix}", buffer
    if shape is not None:
        tensor.shape, tensor.shapeSignature = list(shape), None
    graph.tensors.append(tensor)
    op.inputs[place] = len(graph.tensors) - 1


def _new_buffer(model: tf.Model, value: Array) -> int:
    """Adds a constant and returns the index of its buffer."""
    buffer = tf.schema().BufferT()
    buffer.data = np.ascontiguousarray(value, np.float32).reshape(-1).view(np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1
