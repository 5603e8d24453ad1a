"""FP16 on the CPU: what overflows on given pictures, and what a GPU's arithmetic makes of them.

FP16 ends at 65,504. Two things pass it: a value, such as a square before a normalization, and a sum
while it is taken, such as that of a convolution, whose result may be small again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.reports.half import LARGEST
from iast_export.runtimes.half_ranges import Overflow, partial_sums
from iast_export.runtimes.litert import LiteRtSession, open_litert
from iast_export.runtimes.session import Array


def find_overflows(
    data: bytes, signature: str, feeds: Iterable[Mapping[str, Array]]
) -> tuple[Overflow, ...]:
    """The operators of a signature whose values or sums pass FP16's largest number, in graph order.

    Args:
        data: of an FP32 file.
        signature: its key.
        feeds: inputs of pictures, as `Session.run` takes them.

    Raises:
        InputError: it is no model, no such signature, or a feed that does not fit.
        ToolError: the runtime failed.
    """
    alone = tf.extract_signature(tf.parse(data), signature)
    session = open_litert(_exposed(alone), signature)
    peaks: dict[int, tuple[float, bool]] = {}
    for fed in feeds:
        values = session.invoke(session.prepared(fed))
        for n, op in enumerate(alone.subgraphs[0].operators):
            found = _peak(alone, op, values)
            if found[0] > peaks.get(n, (LARGEST, False))[0] or not np.isfinite(found[0]):
                peaks[n] = found
    graph = alone.subgraphs[0]
    return tuple(
        Overflow(
            tf.text(graph.tensors[int(graph.operators[n].outputs[0])].name),
            tf.op_name(alone, graph.operators[n]),
            *found,
        )
        for n, found in sorted(peaks.items())
    )


def _exposed(model: tf.Model) -> bytes:
    """The model with every computed or fed float tensor as an output, named by its index."""
    shown = deepcopy(model)
    graph, definition = shown.subgraphs[0], shown.signatureDefs[0]
    definition.outputs = []
    written = {int(t) for op in graph.operators for t in op.outputs}
    graph.outputs = sorted(t for t in written if tf.dtype_name(graph.tensors[t]) == "float32")
    for t in graph.outputs:
        entry = tf.schema().TensorMapT()
        entry.name, entry.tensorIndex = _key(t), t
        definition.outputs.append(entry)
    return tw.serialize(shown)


def _key(tensor: int) -> str:
    return f"t{tensor:05d}"


def _peak(model: tf.Model, op: Any, values: Mapping[str, Array]) -> tuple[float, bool]:
    """The largest size that an operator reaches, and whether it does while it sums."""
    result = values.get(_key(int(op.outputs[0])))
    own = float(np.abs(result).max()) if result is not None and result.size else 0.0
    source = values.get(_key(int(op.inputs[0])))
    if source is None:
        return own, False
    apart = tuple(range(source.ndim - 1))
    known = {int(op.inputs[0]): (source.min(apart), source.max(apart))}
    summed = partial_sums(model, model.subgraphs[0], op, known)
    return (summed, True) if summed > own else (own, False)


def open_simulated(
    data: bytes, signature: str, threads: int = 1, where: object = "the model"
) -> LiteRtSession:
    """A signature of an FP32 or FP16 file on the CPU, with every value rounded to FP16.

    Constants and the result of every operator are; sums are taken in FP32, where a GPU may take
    them in FP16. Values beyond 65,504 become infinite, as there.

    Raises:
        InputError: it is no model, or no such signature.
        ToolError: LiteRT refuses it.
    """
    alone = tf.extract_signature(tf.parse(data, where), signature)
    _round_constants(alone)
    _round_results(alone)
    return open_litert(tw.serialize(alone), signature, threads, where)


def _round_constants(model: tf.Model) -> None:
    for tensor in model.subgraphs[0].tensors:
        values = tf.constant(model, tensor) if tf.dtype_name(tensor) == "float32" else None
        if values is not None:
            with np.errstate(over="ignore"):
                halved = values.astype(np.float16).astype(np.float32)
            model.buffers[tensor.buffer].data = halved.reshape(-1).view(np.uint8)


def _round_results(model: tf.Model) -> None:
    """Has every float result and float input go through FP16 before anything reads it, in place."""
    graph, made = model.subgraphs[0], []
    rounded: dict[int, int] = {}
    for tensor in [int(t) for t in graph.inputs]:
        made += _rounding(model, tensor, rounded)
    for op in graph.operators:
        op.inputs = [rounded.get(int(t), int(t)) for t in op.inputs]
        made.append(op)
        for tensor in [int(t) for t in op.outputs]:
            made += _rounding(model, tensor, rounded)
    graph.operators = made
    graph.outputs = [rounded.get(int(t), int(t)) for t in graph.outputs]
    for entry in model.signatureDefs[0].outputs:
        entry.tensorIndex = rounded.get(int(entry.tensorIndex), int(entry.tensorIndex))


def _rounding(model: tf.Model, tensor: int, rounded: dict[int, int]) -> list[Any]:
    """Two operators that round a float tensor, whose result `rounded` then names; or none."""
    schema, graph = tf.schema(), model.subgraphs[0]
    if tf.dtype_name(graph.tensors[tensor]) != "float32":
        return []
    kinds = (schema.TensorType.FLOAT32, schema.TensorType.FLOAT16, schema.TensorType.FLOAT32)
    ops, source = [], tensor
    for before, after in ((kinds[0], kinds[1]), (kinds[1], kinds[2])):
        new, options, op = schema.TensorT(), schema.CastOptionsT(), schema.OperatorT()
        new.shape, new.type, new.buffer = graph.tensors[tensor].shape, after, 0
        new.name = f"{tf.text(graph.tensors[tensor].name)}_{len(graph.tensors)}"
        graph.tensors.append(new)
        options.inDataType, options.outDataType = before, after
        op.builtinOptions, op.builtinOptionsType = options, schema.BuiltinOptions.CastOptions
        op.opcodeIndex = tw.operator_code(model, "CAST", 1)
        op.inputs, op.outputs = [source], [len(graph.tensors) - 1]
        ops.append(op)
        source = len(graph.tensors) - 1
    rounded[tensor] = source
    return ops
