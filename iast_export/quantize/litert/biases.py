"""Biases in INT8, each at the scale of its own layer.

A bias counts steps of its input's scale times its filter's. Signatures share filters, and with them
a float bias, but not what they read: the quantizer gives some of them one array of integers all the
same, counted in the steps of whichever signature came last.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import Array

_BIAS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}
_ROUNDING = 1  # steps by which another's rounding may differ


def own_biases(fp32: tf.Model, quantized: tf.Model) -> int:
    """Counts every bias anew that was counted in other steps than its own; in place.

    Args:
        fp32: a model with the same layers in the same order.
        quantized: what the quantizer made.

    Returns:
        How many were.
    """
    count = 0
    for signature in tf.signatures(quantized):
        given = _biases(fp32, tf.find_signature(fp32, signature.key))
        for (_, wanted), (tensor, held) in zip(given, _biases(quantized, signature), strict=True):
            if wanted is None or held is None or held.dtype.kind != "i":
                continue
            ends = np.iinfo(held.dtype)
            steps = np.round(wanted / np.asarray(tensor.quantization.scale, np.float64))
            own = np.clip(steps, ends.min, ends.max)
            if np.abs(own - held).max() > _ROUNDING:
                buffer = tf.schema().BufferT()
                buffer.data = np.ascontiguousarray(own, held.dtype).reshape(-1).view(np.uint8)
                tensor.buffer = len(quantized.buffers)
                quantized.buffers.append(buffer)
                count += 1
    return count


def _biases(model: tf.Model, signature: tf.Signature) -> Iterator[tuple[Any, Array | None]]:
    """Each layer's bias and its values, if it has one that is constant."""
    graph = model.subgraphs[signature.subgraph]
    for op in graph.operators:
        place = _BIAS.get(tf.op_name(model, op))
        if place is None:
            continue
        index = int(op.inputs[place]) if place < len(op.inputs) else -1
        tensor = graph.tensors[index] if index >= 0 else None
        yield tensor, None if tensor is None else tf.constant(model, tensor)
