"""A split in parts as slices, which move integers as they are, each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import onnx
from onnx import helper

from iast_export.formats.onnx_graph import GraphIndex, attribute
from iast_export.forms.edit import Rewritten, add_constant, replace_node, rewrite_each


def slice_splits(model: onnx.ModelProto) -> Rewritten:
    """A copy in which each Split of known sizes is one Slice for each part that is read."""
    sides = _sides(model)

    def build(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        sizes = _sizes(index, node, sides.get(node.input[0], ()))
        if sizes is None:
            return False
        axis = np.array([int(attribute(node, "axis", 0))], np.int64)
        axes = add_constant(graph, f"{node.output[0]}_axis", axis)
        slices = []
        bounds = pairwise(np.cumsum([0, *sizes]).astype(np.int64).reshape(-1, 1))
        for result, (start, end) in zip(node.output, bounds, strict=True):
            if result in index.consumers or result in index.outputs:
                ends = [add_constant(graph, f"{result}_bound", one) for one in (start, end)]
                slices.append(helper.make_node("Slice", [node.input[0], *ends, axes], [result]))
        replace_node(graph, node, slices)
        return True

    return rewrite_each(model, "Split", build)


def _sides(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """The shape of every tensor; 0 where a side is not known."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    return {
        item.name: tuple(dim.dim_value for dim in item.type.tensor_type.shape.dim)
        for item in (*graph.value_info, *graph.input)
    }


def _sizes(index: GraphIndex, node: onnx.NodeProto, shape: Sequence[int]) -> Sequence[int] | None:
    """The sizes of a split's parts; None where they are computed, or those of no known side."""
    given = index.constant(node, 1)
    if given is not None:
        return [int(size) for size in given.ravel()]
    axis, parts = int(attribute(node, "axis", 0)), len(node.output)
    side = shape[axis] if -len(shape) <= axis < len(shape) else 0
    largest = -(-side // parts)
    if (len(node.input) > 1 and node.input[1]) or not side:
        return None
    return [min(largest, max(0, side - i * largest)) for i in range(parts)]
