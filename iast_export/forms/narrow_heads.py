"""1x1 convolutions of one or two outputs, as products of a row and a matrix.

A convolution kernel computes 16 outputs for the price of one, and the layout by blocks of channels
that it wants costs more than itself: at 256x256 with 160 channels 11 ms, of which 6 to concatenate
and reorder its input. A row times [C, H * W] reads each value once, 0.5 ms for 80 channels. Where
the input is a concatenation, each part has its own product and the sums are added: nothing is
joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import onnx
from onnx import helper

from iast_export.formats.onnx_graph import Array, GraphIndex, attribute
from iast_export.forms.edit import (
    Rewritten,
    add_constant,
    conv_bias,
    conv_weight,
    plain_strides,
    replace_node,
    rewrite_each,
    unused_name,
)

# The maps of one and two outputs that were measured (see above); the fewest inputs are chosen.
MOST_OUTPUTS = 2
FEWEST_INPUTS = 8


def is_narrow_head(index: GraphIndex, node: onnx.NodeProto) -> bool:
    """A dense 1x1 convolution of stride 1 without padding, 8 or more inputs, 1 or 2 outputs."""
    weight = conv_weight(index, node)
    if weight is None or not plain_strides(node) or attribute(node, "group", 1) != 1:
        return False
    if any(attribute(node, "pads", [0])) or weight.shape[2:] != (1, 1):
        return False
    return len(weight) <= MOST_OUTPUTS and weight.shape[1] >= FEWEST_INPUTS


def split_narrow_heads(model: onnx.ModelProto) -> Rewritten:
    """A copy in which each narrow head is a sum of products of a row and a matrix."""
    channels = _channel_counts(model)

    def build(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        if not is_narrow_head(index, node):
            return False
        weight = index.constants[node.input[1]]
        parts = _parts(index, node, channels, weight.shape[1])
        replace_node(graph, node, list(_Head(graph, index, node).nodes(parts)))
        return True

    return rewrite_each(model, "Conv", build)


def _channel_counts(model: onnx.ModelProto) -> dict[str, int]:
    """Channels of every 4-D tensor that shape inference knows."""
    inferred = onnx.shape_inference.infer_shapes(model)
    items = (*inferred.graph.value_info, *inferred.graph.input)
    shapes = {item.name: item.type.tensor_type.shape.dim for item in items}
    return {name: shape[1].dim_value for name, shape in shapes.items() if len(shape) == 4}


def _parts(
    index: GraphIndex, node: onnx.NodeProto, channels: dict[str, int], wanted: int
) -> list[tuple[str, int]]:
    """The tensors that the input joins, and their channels; the input itself where unknown."""
    joined = index.producer(node.input[0], "Concat")
    names = list(joined.input) if joined is not None and attribute(joined, "axis", 0) == 1 else []
    widths = [channels.get(name, 0) for name in names]
    if names and all(widths) and sum(widths) == wanted:
        return list(zip(names, widths, strict=True))
    return [(node.input[0], wanted)]


class _Head:
    """The nodes that stand for one convolution."""

    def __init__(self, graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> None:
        self.graph, self.node = graph, node
        self.weight: Array = index.constants[node.input[1]]
        self.bias = conv_bias(index, node)
        self.stem = unused_name(graph, f"{node.output[0]}_rows")

    def nodes(self, parts: Sequence[tuple[str, int]]) -> Iterator[onnx.NodeProto]:
        stem, outputs = self.stem, len(self.weight)
        flat = add_constant(self.graph, f"{stem}_flat", np.array([0, 0, -1], np.int64))
        for number, (name, _) in enumerate(parts):
            yield helper.make_node("Reshape", [name, flat], [f"{stem}_pixels_{number}"])
        rows = [f"{stem}_{output}" for output in range(outputs)]
        for output, row in enumerate(rows):
            yield from self._row(output, row, [width for _, width in parts])
        if outputs > 1:
            yield helper.make_node("Concat", rows, [f"{stem}_joined"], axis=1)
        bias = add_constant(self.graph, f"{stem}_bias", self.bias.reshape(1, outputs, 1))
        joined = f"{stem}_joined" if outputs > 1 else rows[0]
        yield helper.make_node("Add", [joined, bias], [f"{stem}_biased"])
        yield from self._unflattened(parts[0][0])

    def _row(self, output: int, name: str, widths: Sequence[int]) -> Iterator[onnx.NodeProto]:
        """One output [N, 1, H * W]: a product for each part, and their sum."""
        bounds = pairwise(np.cumsum([0, *widths]).tolist())
        sums = ""
        for number, (start, end) in enumerate(bounds):
            values = self.weight[output : output + 1, start:end, 0, 0]
            row = add_constant(self.graph, f"{name}_weight_{number}", values)
            last = number == len(widths) - 1
            product = name if last and not sums else f"{name}_product_{number}"
            yield helper.make_node("MatMul", [row, f"{self.stem}_pixels_{number}"], [product])
            if sums:
                total = name if last else f"{name}_sum_{number}"
                yield helper.make_node("Add", [sums, product], [total])
                product = total
            sums = product

    def _unflattened(self, like: str) -> Iterator[onnx.NodeProto]:
        stem = self.stem
        front = add_constant(
            self.graph, f"{stem}_front", np.array([-1, len(self.weight)], np.int64)
        )
        yield helper.make_node("Shape", [like], [f"{stem}_sides"], start=2)
        yield helper.make_node("Concat", [front, f"{stem}_sides"], [f"{stem}_shape"], axis=0)
        yield helper.make_node(
            "Reshape", [f"{stem}_biased", f"{stem}_shape"], [self.node.output[0]]
        )
