"""Exact rewrites of exported graphs into the operators that ONNX Runtime computes best.

Both keep the result (to float rounding), shorten the graph and leave anything that they don't
recognize as it is: edge padding by slices and concatenations becomes one Pad, and adaptive
instance normalization written out in arithmetic becomes one InstanceNormalization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import helper, numpy_helper

from iast_export.onnx_graph import Array, GraphIndex, attribute, index_graph, prune
from iast_export.rewrites.large_kernels import block_large_kernels
from iast_export.rewrites.narrow_heads import split_narrow_heads

_END = 2**31


def rewrite(model: onnx.ModelProto) -> None:
    """Applies every rewrite to the model's graph, in place."""
    fold_edge_pads(model.graph)
    fuse_adaptive_normalization(model)
    model.CopyFrom(block_large_kernels(split_narrow_heads(model)))


def _replace(graph: onnx.GraphProto, at: onnx.NodeProto, nodes: Sequence[onnx.NodeProto]) -> None:
    """Puts nodes in the place of the one that made their last output."""
    position = next(i for i, node in enumerate(graph.node) if node.output[0] == at.output[0])
    rest = list(graph.node)
    rest[position : position + 1] = list(nodes)
    del graph.node[:]
    graph.node.extend(rest)


def _add_constant(graph: onnx.GraphProto, name: str, value: Array) -> str:
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _slice_bounds(index: GraphIndex, node: onnx.NodeProto) -> tuple[int, int, int] | None:
    """Axis, start and end of a slice of step 1 along one axis."""
    values = [index.constant(node, position) for position in range(1, 5)]
    starts, ends, axes, steps = values
    if starts is None or ends is None or axes is None or starts.size != 1:
        return None
    if len(node.input) > 4 and (steps is None or int(steps.ravel()[0]) != 1):
        return None
    return int(axes.ravel()[0]), int(starts.ravel()[0]), int(ends.ravel()[0])


def _row(index: GraphIndex, name: str, source: str) -> tuple[int, int] | None:
    """Axis and position (from the end if negative) of the single row of `source` that `name` is."""
    node = index.producer(name, "Slice")
    bounds = _slice_bounds(index, node) if node is not None else None
    if node is None or bounds is None:
        return None
    axis, start, end = bounds
    if node.input[0] == source:
        single = end == start + 1 or (start == -1 and end > _END)
        return (axis, start) if single else None
    inner = index.producer(node.input[0], "Slice")
    inner_bounds = _slice_bounds(index, inner) if inner is not None else None
    if inner is None or inner_bounds is None or inner.input[0] != source:
        return None
    inner_axis, inner_start, inner_end = inner_bounds
    fits = inner_axis == axis and inner_end > _END and (start, end) == (0, 1)
    return (axis, inner_start) if fits else None


@dataclass(frozen=True)
class _Pad:
    source: str
    mode: str
    axis: int
    trailing: int


def _match_pad(index: GraphIndex, node: onnx.NodeProto) -> _Pad | None:
    """The one-pixel pad along one axis that a concatenation computes."""
    if node.op_type != "Concat" or len(node.input) not in (2, 3):
        return None
    source = node.input[1]
    rows = [_row(index, name, source) for name in node.input if name != source]
    first = rows[0] if rows else None
    if len(rows) != len(node.input) - 1 or first is None or first[0] != attribute(node, "axis", 0):
        return None
    axis, start = first
    if start not in (0, 1) or any(row != (axis, -1 - start) for row in rows[1:]):
        return None
    return _Pad(source, "reflect" if start else "edge", axis, len(rows) - 1)


def fold_edge_pads(graph: onnx.GraphProto) -> None:
    """Replaces one-pixel reflections and repetitions of height, then width, by one Pad, in place."""
    number = 0
    for node in list(graph.node):
        index = index_graph(graph)
        outer = _match_pad(index, node)
        middle = index.producer(outer.source, "Concat") if outer is not None else None
        inner = _match_pad(index, middle) if middle is not None else None
        if outer is None or inner is None or (inner.axis, outer.axis, inner.mode) != (2, 3, outer.mode):
            continue
        pads = np.array([0, 0, 1, 1, 0, 0, inner.trailing, outer.trailing], np.int64)
        constant = _add_constant(graph, f"edge_pads_{number}", pads)
        number += 1
        pad = helper.make_node("Pad", [inner.source, constant], [node.output[0]], mode=outer.mode)
        _replace(graph, node, [pad])
    prune(graph)


@dataclass(frozen=True)
class _Statistics:
    """gain = scale * rsqrt(var(x) + eps), offset = shift - mean(x) * gain."""

    x: str
    scale: str
    shift: str
    epsilon: float
    gain: str
    offset: str


def _is_spatial_mean(index: GraphIndex, node: onnx.NodeProto | None) -> bool:
    if node is None:
        return False
    axes = index.constant(node, 1)
    keeps = bool(attribute(node, "keepdims", 1))
    return axes is not None and sorted(int(axis) for axis in axes) == [2, 3] and keeps


def _variance_source(index: GraphIndex, name: str) -> tuple[str, str] | None:
    """x and mean(x), where `name` is relu(mean(x * x) - mean(x) * mean(x))."""
    relu = index.producer(name, "Relu")
    difference = index.producer(relu.input[0], "Sub") if relu is not None else None
    if difference is None:
        return None
    second = index.producer(difference.input[0], "ReduceMean")
    squared_mean = index.producer(difference.input[1], "Mul")
    square = index.producer(second.input[0], "Mul") if second is not None else None
    if square is None or squared_mean is None or not _is_spatial_mean(index, second):
        return None
    mean = index.producer(squared_mean.input[0], "ReduceMean")
    if mean is None or not _is_spatial_mean(index, mean):
        return None
    same = square.input[0] == square.input[1] == mean.input[0]
    return (mean.input[0], mean.output[0]) if same and len(set(squared_mean.input)) == 1 else None


def _match_statistics(index: GraphIndex, reciprocal: onnx.NodeProto) -> _Statistics | None:
    root = index.producer(reciprocal.input[0], "Sqrt")
    biased = index.producer(root.input[0], "Add") if root is not None else None
    gain = index.only_consumer(reciprocal.output[0])
    epsilon = index.constant(biased, 1) if biased is not None else None
    if biased is None or epsilon is None or epsilon.size != 1 or gain is None or gain.op_type != "Mul":
        return None
    source = _variance_source(index, biased.input[0])
    if source is None:
        return None
    x, mean = source
    scale = next((name for name in gain.input if name != reciprocal.output[0]), None)
    for product in index.consumers.get(gain.output[0], []):
        offset = index.only_consumer(product.output[0])
        if product.op_type != "Mul" or mean not in product.input or offset is None or scale is None:
            continue
        if offset.op_type == "Sub" and offset.input[1] == product.output[0]:
            eps = float(epsilon.ravel()[0])
            return _Statistics(x, scale, offset.input[0], eps, gain.output[0], offset.output[0])
    return None


def _applications(index: GraphIndex, found: _Statistics) -> list[tuple[onnx.NodeProto, bool]]:
    """Additions gain * x + offset, and (True) those of (gain - 1) * x + offset."""
    results = []
    for node in index.consumers.get(found.offset, []):
        product = next((name for name in node.input if name != found.offset), "")
        scaled = index.producer(product, "Mul")
        if node.op_type != "Add" or scaled is None or found.x not in scaled.input:
            continue
        factor = next((name for name in scaled.input if name != found.x), "")
        if factor == found.gain:
            results.append((node, False))
            continue
        less = index.producer(factor, "Sub")
        one = index.constant(less, 1) if less is not None else None
        if less is not None and less.input[0] == found.gain and one is not None and np.all(one == 1):
            results.append((node, True))
    return results


def _batch_sizes(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model)
    items = (*inferred.graph.value_info, *inferred.graph.input)
    shapes = {item.name: item.type.tensor_type.shape.dim for item in items}
    return {name: shape[0].dim_value for name, shape in shapes.items() if len(shape) == 4}


def fuse_adaptive_normalization(model: onnx.ModelProto) -> None:
    """Replaces adaptive instance normalization in arithmetic by InstanceNormalization, in place.

    The operator takes scale and shift as inputs [C], so it serves one picture at a time: only
    tensors of batch 1 are rewritten. Its variance is computed around the mean.
    """
    graph = model.graph
    batch_sizes = _batch_sizes(model)
    for number, reciprocal in enumerate([node for node in graph.node if node.op_type == "Reciprocal"]):
        index = index_graph(graph)
        found = _match_statistics(index, reciprocal)
        if found is None or batch_sizes.get(found.x) != 1:
            continue
        flat = replace(found, scale=_unshaped(index, found.scale), shift=_unshaped(index, found.shift))
        for node, is_difference in _applications(index, found):
            _replace(graph, node, _normalization(graph, flat, node, is_difference, number))
    prune(graph)


def _unshaped(index: GraphIndex, name: str) -> str:
    """The tensor before a reshape: it is reshaped again anyway."""
    node = index.producer(name, "Reshape")
    return node.input[0] if node is not None else name


def _normalization(
    graph: onnx.GraphProto, found: _Statistics, node: onnx.NodeProto, is_difference: bool, number: int
) -> list[onnx.NodeProto]:
    stem = f"normalization_{number}_{node.output[0]}"
    flat = _add_constant(graph, f"{stem}_shape", np.array([-1], np.int64))
    result = f"{stem}_result" if is_difference else node.output[0]
    nodes = [
        helper.make_node("Reshape", [found.scale, flat], [f"{stem}_scale"]),
        helper.make_node("Reshape", [found.shift, flat], [f"{stem}_shift"]),
        helper.make_node(
            "InstanceNormalization",
            [found.x, f"{stem}_scale", f"{stem}_shift"],
            [result],
            epsilon=found.epsilon,
        ),
    ]
    if is_difference:
        nodes.append(helper.make_node("Sub", [result, found.x], [node.output[0]]))
    return nodes
