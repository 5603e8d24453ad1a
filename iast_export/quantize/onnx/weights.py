"""Other weights in an ONNX graph: those learned for INT8."""

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
