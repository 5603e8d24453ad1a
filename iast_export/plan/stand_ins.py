"""Convolutions that stand for a group's neighbors, so that the quantizer takes it as usual.

A depthwise layer computes in integers only where integer convolutions read it, a hard-swish only
between two. The stand-ins are cut off again before anything is timed.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from iast_export.formats.onnx_graph import Array

BEFORE, BEHIND = "_stands_before", "_stands_behind"


def stand_before(graph: onnx.GraphProto) -> None:
    """Puts a convolution of one output per channel before a group, in place."""
    item = graph.input[0]
    name, channels = item.name, item.type.tensor_type.shape.dim[1].dim_value
    node, weight = _stand_in(f"{name}{BEFORE}", name, np.eye(channels))
    graph.node.insert(0, node)
    graph.initializer.append(weight)
    item.name = f"{name}{BEFORE}"


def stand_behind(graph: onnx.GraphProto) -> None:
    """Puts a convolution of one output per channel behind a group, in place."""
    item = graph.output[0]
    name, channels = item.name, item.type.tensor_type.shape.dim[1].dim_value
    node, weight = _stand_in(name, f"{name}{BEHIND}", np.ones((channels, channels)))
    graph.node.append(node)
    graph.initializer.append(weight)
    item.name = f"{name}{BEHIND}"


def _stand_in(source: str, result: str, matrix: Array) -> tuple[onnx.NodeProto, TensorProto]:
    values = matrix.astype(np.float32)[:, :, None, None]
    weight = numpy_helper.from_array(values, f"{result}_weight")
    return helper.make_node("Conv", [source, weight.name], [result]), weight
