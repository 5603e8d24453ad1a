"""The layer that makes the picture, in INT8: several of its columns at a time.

The integer kernel of ONNX Runtime computes outputs in groups of 16, best several groups at once, so
that a convolution of 12 outputs (three colors before a pixel shuffle of 2) leaves most of it idle.
Here one step of the kernel makes `columns` neighbors in a row: a wider kernel of the same weights
and zeros, with a stride. The results are the very same integers. They are also moved to their
places in longer runs than by a pixel shuffle (1024 px: convolution 9.3 -> 7.2 ms, moving 3.4 -> 1.5
ms, measured).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from iast_export.formats.onnx_graph import Array, attribute
from iast_export.quantize.onnx.layers import OUTPUT_GROUP, Emitter

# Chosen; 8-byte runs are what was measured (DESIGN.md 33).
_MOST_COLUMNS = 8
_FEWEST_BYTES = 8  # that a transposition should move at a time


@dataclass(frozen=True)
class PictureBlocks:
    """How a last layer is computed.

    Attributes:
        colors: channels of the picture.
        block: side of the pixel shuffle behind the convolution.
        columns: neighbors of a row that one step of the kernel makes.
    """

    colors: int
    block: int
    columns: int


def picture_blocks(node: onnx.NodeProto, channels: int, block: int) -> PictureBlocks | None:
    """The form for a convolution before a pixel shuffle of side `block`; None: it stays as it is.

    Convolutions of stride 1 with fewer output channels than a group of the kernel qualify.
    """
    plain = (
        list(attribute(node, "strides", [1, 1]))
        == list(attribute(node, "dilations", [1, 1]))
        == [1, 1]
    )
    explicit = attribute(node, "auto_pad", "NOTSET") in ("NOTSET", "VALID")
    if not plain or not explicit or channels % (block * block) or channels >= OUTPUT_GROUP:
        return None
    for columns in range(2, _MOST_COLUMNS + 1):
        full = channels * columns % OUTPUT_GROUP == 0 and channels * columns > OUTPUT_GROUP
        if full and columns * block >= _FEWEST_BYTES:
            return PictureBlocks(channels // (block * block), block, columns)
    return None


def repeat_outputs(values: Array, form: PictureBlocks) -> Array:
    """Values per output channel [O] as [O * columns]: by color, row, column, shuffled column."""
    by_pixel = values.reshape(form.colors, form.block, 1, form.block)
    shape = (form.colors, form.block, form.columns, form.block)
    return np.ascontiguousarray(np.broadcast_to(by_pixel, shape)).reshape(-1)


def widen_kernel(weight: Array, form: PictureBlocks) -> Array:
    """A weight [O, I, kH, kW] as [O * columns, I, kH, kW + columns - 1], a tap per column."""
    _, inputs, height, width = weight.shape
    sides = (form.colors, form.block)
    by_pixel = weight.reshape(*sides, form.block, inputs, height, width)
    wide = np.zeros(
        (*sides, form.columns, form.block, inputs, height, width + form.columns - 1), weight.dtype
    )
    for column in range(form.columns):
        wide[:, :, column, ..., column : column + width] = by_pixel
    return wide.reshape(-1, inputs, height, width + form.columns - 1)


def step_by_columns(
    node: onnx.NodeProto, kernel: tuple[int, ...], form: PictureBlocks
) -> onnx.NodeProto:
    """A copy of a convolution with the wide kernel; zeros on the right complete the last step."""
    top, left, bottom, right = list(attribute(node, "pads", [])) or [0, 0, 0, 0]
    changed = {
        "kernel_shape": [kernel[0], kernel[1] + form.columns - 1],
        "strides": [1, form.columns],
        "pads": [top, left, bottom, right + form.columns - 1],
    }
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    kept = [item for item in node.attribute if item.name not in changed]
    del copy.attribute[:]
    copy.attribute.extend(
        [*kept, *(helper.make_attribute(name, value) for name, value in changed.items())]
    )
    return copy


def place_pixels(
    emitter: Emitter, name: str, output: str, form: PictureBlocks, read: str, shrunk_px: int
) -> str:
    """The picture [1, colors, H * block, W * block] from the wide convolution's result.

    Args:
        emitter: writes the nodes.
        name: result [1, colors * block * columns * block, H, ceil(W / columns)].
        output: the picture's name.
        form: of the layer.
        read: the tensor [1, I, H', W'] that the convolution reads, for the picture's width.
        shrunk_px: W' - W.
    """

    def constant(key: str, values: list[int]) -> str:
        return emitter.constant(f"{output}_to_{key}", np.array(values, np.int64))

    block, run = form.block, form.columns * form.block
    x = emitter.node("Transpose", [name], f"{output}_last", perm=[0, 2, 3, 1])
    x = emitter.node(
        "Reshape", [x, constant("runs", [0, 0, 0, form.colors * block, run])], f"{output}_split"
    )
    x = emitter.node("Squeeze", [x, constant("batch", [0])], f"{output}_single")
    x = emitter.node(
        "Reshape", [x, constant("colors", [0, 0, form.colors, block, run])], f"{output}_colors"
    )
    x = emitter.node("Transpose", [x], f"{output}_moved", perm=[2, 0, 3, 1, 4])
    x = emitter.node("Reshape", [x, constant("rows", [0, 0, 0, -1])], f"{output}_rows")
    x = emitter.node("Reshape", [x, constant("sides", [1, form.colors, -1, 0])], f"{output}_sides")
    width = emitter.node("Shape", [read], f"{output}_width_read", start=3, end=4)
    if shrunk_px:
        width = emitter.node(
            "Sub", [width, constant("shrunk", [shrunk_px])], f"{output}_width_made"
        )
    width = emitter.node("Mul", [width, constant("block", [block])], f"{output}_width")
    return emitter.node("Slice", [x, constant("start", [0]), width, constant("axis", [3])], output)
