"""Other weights in an ONNX graph: those learned for INT8, and bytes of their own."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import numpy_helper

from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.layers import with_learned


def adjust_onnx(
    graph: onnx.GraphProto, learned: Learned, kept: Collection[str] = frozenset()
) -> None:
    """Puts learned weights and corrected biases into an FP32 graph, in place.

    Args:
        kept: first outputs of convolutions that keep their own.
    """
    values = {item.name: item for item in graph.initializer}
    for node in graph.node:
        if node.op_type != "Conv" or node.input[1] not in values or node.output[0] in kept:
            continue
        weight = numpy_helper.to_array(values[node.input[1]])
        shift = learned.shifts.get(node.output[0])
        if shift is not None:
            given = node.input[2] if len(node.input) > 2 else ""
            bias = numpy_helper.to_array(values[given]) + shift if given else shift
            name = f"{node.output[0]}_corrected_bias"
            graph.initializer.append(numpy_helper.from_array(bias.astype(np.float32), name))
            node.input[:] = [*node.input[:2], name]
        rounded = with_learned(weight, learned.filters)
        if not np.array_equal(rounded, weight):
            name = f"{node.input[1]}_rounded"
            if name not in values:
                graph.initializer.append(numpy_helper.from_array(rounded, name))
                values[name] = graph.initializer[-1]
            node.input[1] = name


# Where operators read an int8 weight and its zero point.
_WEIGHTS = {"DequantizeLinear": (0, 2), "QLinearConv": (3, 5)}


def own_weights(graph: onnx.GraphProto) -> None:
    """Gives every int8 weight a zero point of its own, and its own bytes; in place.

    Where two share one, ONNX Runtime fails to load the model under session.x64quantprecision: it
    names the unsigned form after the signed one and finds the name taken the second time.
    """
    values = {item.name: item for item in graph.initializer}
    seen: set[str] = set()
    for node in graph.node:
        at, at_zero = _WEIGHTS.get(node.op_type, (0, len(node.input)))
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


def _copied(graph: onnx.GraphProto, constant: onnx.TensorProto, name: str) -> str:
    copy = onnx.TensorProto()
    copy.CopyFrom(constant)
    copy.name = name
    graph.initializer.append(copy)
    return name
