"""Adaptive instance normalization written out in arithmetic, as one InstanceNormalization.

One pass of a kernel instead of seven over the picture; its variance is computed around the mean.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import helper

from iast_export.formats.onnx_graph import GraphIndex, attribute, index_graph, prune
from iast_export.forms.edit import Rewritten, add_constant, copy_model, replace_node


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
    if (
        biased is None
        or epsilon is None
        or epsilon.size != 1
        or gain is None
        or gain.op_type != "Mul"
    ):
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
        if (
            less is not None
            and less.input[0] == found.gain
            and one is not None
            and np.all(one == 1)
        ):
            results.append((node, True))
    return results


def _batch_sizes(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model)
    items = (*inferred.graph.value_info, *inferred.graph.input)
    shapes = {item.name: item.type.tensor_type.shape.dim for item in items}
    return {name: shape[0].dim_value for name, shape in shapes.items() if len(shape) == 4}


def fuse_adaptive_normalization(model: onnx.ModelProto) -> Rewritten:
    """A copy in which adaptive instance normalization in arithmetic is InstanceNormalization.

    The operator takes scale and shift as inputs [C], so it serves one picture at a time: only
    tensors of batch 1 are rewritten.
    """
    copy, places = copy_model(model), []
    batch_sizes = _batch_sizes(model)
    for number, name in enumerate(
        [n.output[0] for n in copy.graph.node if n.op_type == "Reciprocal"]
    ):
        index = index_graph(copy.graph)
        reciprocal = index.producer(name, "Reciprocal")
        found = _match_statistics(index, reciprocal) if reciprocal is not None else None
        if found is None or batch_sizes.get(found.x) != 1:
            continue
        flat = replace(
            found, scale=_unshaped(index, found.scale), shift=_unshaped(index, found.shift)
        )
        for node, is_difference in _applications(index, found):
            replace_node(
                copy.graph, node, _normalization(copy.graph, flat, node, is_difference, number)
            )
            places.append(node.output[0])
    prune(copy.graph)
    return Rewritten(copy, tuple(places))


def _unshaped(index: GraphIndex, name: str) -> str:
    """The tensor before a reshape: it is reshaped again anyway."""
    node = index.producer(name, "Reshape")
    return node.input[0] if node is not None else name


def _normalization(
    graph: onnx.GraphProto,
    found: _Statistics,
    node: onnx.NodeProto,
    is_difference: bool,
    number: int,
) -> list[onnx.NodeProto]:
    stem = f"normalization_{number}_{node.output[0]}"
    flat = add_constant(graph, f"{stem}_shape", np.array([-1], np.int64))
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
