"""Large kernels with few outputs or few inputs, as convolutions over blocks of pixels.

A convolution kernel computes 16 outputs at a time: a last layer of 9x9 with 3 outputs (of the
published style networks) throws 13 of 16 away, and took half of a network's time. Computed for a
block of b x b pixels at once it has b * b * 3 outputs, a kernel of 9 + b - 1 and stride b; a pixel
shuffle puts the pixels where they belong: more multiply-adds on paper, fewer in the machine
(measured 80 -> 22 ms in FP32, 131 -> 3.7 ms in INT8).

A first layer of 9x9 reads 3 channels at 81 places, and integer kernels pay by the place. With each
2 x 2 pixels side by side it reads 12 channels at 25 (28 -> 2.4 ms in INT8; float gains nothing by
it).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

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

# Outputs that a convolution kernel computes at a time with 512-bit registers. The rest is chosen:
# sides of blocks; a gain on paper of half, since shuffling costs too; first layers of RGB or RGBA,
# 5x5 or more (measured at 9x9: `python -m benchmarks.rewrites`).
OUTPUT_GROUP = 16
BLOCKS = (4, 2)
LEAST_GAIN = 1.5
AS_GOOD = 1.2  # the larger of two blocks keeps more registers busy
MOST_INPUTS = 4
SMALLEST_KERNEL = 5
_UNFOLDED = 2


def machine_cost(outputs: int, kernel: tuple[int, int], block: int = 1) -> float:
    """Multiply-adds per input channel and pixel that a kernel of 16 outputs at a time does."""
    height, width = (side + block - 1 for side in kernel)
    computed = -(-outputs * block * block // OUTPUT_GROUP) * OUTPUT_GROUP
    return computed * height * width / (block * block)


def best_block(outputs: int, kernel: tuple[int, int], blocks: Collection[int] = BLOCKS) -> int:
    """The largest of some block sides of about the least `machine_cost`; 1: none gains half."""
    costs = {block: machine_cost(outputs, kernel, block) for block in blocks}
    least = min(costs.values(), default=math.inf)
    if kernel == (1, 1) or machine_cost(outputs, kernel) < LEAST_GAIN * least:
        return 1
    return next(block for block, cost in costs.items() if cost <= AS_GOOD * least)


def is_shallow(shape: Sequence[int]) -> bool:
    """Whether a weight [O, I, kH, kW] is a large kernel over few channels, as in first layers."""
    return shape[1] <= MOST_INPUTS and min(shape[2:]) >= SMALLEST_KERNEL


def block_weight(weight: Array, block: int) -> Array:
    """A weight [O, I, kH, kW] for blocks: [O * b * b, I, kH + b - 1, kW + b - 1]."""
    outputs, inputs, height, width = weight.shape
    moved = np.zeros(
        (outputs, block, block, inputs, height + block - 1, width + block - 1), weight.dtype
    )
    for row in range(block):
        for column in range(block):
            moved[:, row, column, :, row : row + height, column : column + width] = weight
    return moved.reshape(outputs * block * block, *moved.shape[3:])


def unfold_weight(weight: Array, block: int) -> Array:
    """A weight [O, I, kH, kW] that reads blocks side by side: [O, b * b * I, kH / b, kW / b].

    The channels are in the order of ONNX's SpaceToDepth: row, column, channel.
    """
    outputs, inputs, height, width = weight.shape
    places = weight.reshape(outputs, inputs, height // block, block, width // block, block)
    moved = places.transpose(0, 3, 5, 1, 2, 4)
    return np.ascontiguousarray(moved.reshape(outputs, -1, height // block, width // block))


def block_large_kernels(model: onnx.ModelProto) -> Rewritten:
    """A copy in which convolutions with few outputs compute blocks of pixels where that pays."""

    def build(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        weight = _plain_weight(index, node)
        if weight is None or is_shallow(weight.shape):
            return False
        block = best_block(len(weight), weight.shape[2:])
        if block > 1:
            replace_node(graph, node, list(_blocked(graph, index, node, block)))
        return block > 1

    return rewrite_each(model, "Conv", build)


def unfold_shallow_kernels(
    model: onnx.ModelProto, multiple_px: int, kept: Collection[str] = ()
) -> Rewritten:
    """A copy in which large kernels on the picture itself read 2 x 2 pixels at once.

    Only where the picture's sides make whole blocks, so nothing is padded or cut.

    Args:
        model: whose only 4-D input of 3 or 4 channels is the picture.
        multiple_px: what the picture's sides are a multiple of.
        kept: first outputs of convolutions to leave as they are.
    """

    def build(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        dense = attribute(node, "group", 1) == 1
        if node.output[0] in kept or not dense or not unfolds(graph, index, node, multiple_px):
            return False
        replace_node(graph, node, list(_unfolded(graph, index, node)))
        return True

    return rewrite_each(model, "Conv", build)


def unfolds(
    graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto, multiple_px: int
) -> bool:
    """Whether a convolution, once dense, is a large kernel that can read 2 x 2 pixels at once."""
    weight = conv_weight(index, node)
    if weight is None or not is_shallow(weight.shape) or not plain_strides(node):
        return False
    fits = multiple_px % _UNFOLDED == 0 and _reads_picture(graph, index, node.input[0])
    pads = list(attribute(node, "pads", [0, 0, 0, 0]))
    whole = all(side % _UNFOLDED == 1 for side in weight.shape[2:])
    return fits and whole and not any(pad % _UNFOLDED for pad in pads)


def _plain_weight(index: GraphIndex, node: onnx.NodeProto) -> Array | None:
    """The weight of a dense convolution of stride 1."""
    weight = conv_weight(index, node)
    plain = weight is not None and plain_strides(node) and attribute(node, "group", 1) == 1
    return weight if plain else None


def _reads_picture(graph: onnx.GraphProto, index: GraphIndex, name: str) -> bool:
    """Whether a tensor is the picture, or the picture with an even frame around it."""
    node = index.producer(name, "Pad")
    if node is not None:
        pads = index.constant(node, 1)
        even = pads is not None and pads.size == 8 and not np.any((pads[:4] + pads[4:]) % _UNFOLDED)
        if not even or len(node.input) > 3:
            return False
        name = node.input[0]
    return name in {item.name for item in graph.input}


def _blocked(
    graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto, block: int
) -> Iterator[onnx.NodeProto]:
    weight, result = index.constants[node.input[1]], node.output[0]
    stem = unused_name(graph, f"{result}_blocks")
    inputs = [node.input[0], *_constants(graph, index, node, stem, block_weight(weight, block))]
    top, left, bottom, right = list(attribute(node, "pads", [0, 0, 0, 0]))
    pads = [
        top,
        left,
        bottom + block - 1,
        right + block - 1,
    ]  # for a block that the picture ends in
    kernel = [side + block - 1 for side in weight.shape[2:]]
    yield helper.make_node(
        "Conv", inputs, [stem], pads=pads, kernel_shape=kernel, strides=[block, block]
    )
    yield helper.make_node("DepthToSpace", [stem], [f"{stem}_pixels"], blocksize=block, mode="CRD")
    lost = np.array(
        [top + bottom - weight.shape[2] + 1, left + right - weight.shape[3] + 1], np.int64
    )
    yield helper.make_node("Shape", [node.input[0]], [f"{stem}_sides"], start=2)
    added = add_constant(graph, f"{stem}_lost", lost)
    yield helper.make_node("Add", [f"{stem}_sides", added], [f"{stem}_ends"])
    starts, axes = (
        add_constant(graph, f"{stem}_{key}", np.array(values, np.int64))
        for key, values in (("starts", (0, 0)), ("axes", (2, 3)))
    )
    yield helper.make_node("Slice", [f"{stem}_pixels", starts, f"{stem}_ends", axes], [result])


def _unfolded(
    graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto
) -> Iterator[onnx.NodeProto]:
    weight, result = index.constants[node.input[1]], node.output[0]
    pads = list(attribute(node, "pads", [0, 0, 0, 0]))
    stem = unused_name(graph, f"{result}_unfolded")
    wide = unfold_weight(block_weight(weight, _UNFOLDED), _UNFOLDED)
    inputs = [f"{stem}_source", *_constants(graph, index, node, stem, wide)]
    yield helper.make_node("SpaceToDepth", [node.input[0]], [inputs[0]], blocksize=_UNFOLDED)
    sides = [pad // _UNFOLDED for pad in pads]
    yield helper.make_node("Conv", inputs, [stem], pads=sides, kernel_shape=list(wide.shape[2:]))
    yield helper.make_node("DepthToSpace", [stem], [result], blocksize=_UNFOLDED, mode="CRD")


def _constants(
    graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto, stem: str, weight: Array
) -> Iterator[str]:
    """The names of the new weight and, where there is one, of the bias repeated to it."""
    yield add_constant(graph, f"{stem}_weight", weight)
    if len(node.input) > 2 and node.input[2]:
        bias = conv_bias(index, node)
        yield add_constant(graph, f"{stem}_bias", np.repeat(bias, len(weight) // len(bias)))
