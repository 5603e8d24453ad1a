"""Nearest x2 and a 3x3 convolution, as a 2x2 convolution at the low resolution.

Of the nine values that the kernel reads at the high resolution only four differ. So the four pixels
around each corner of the low resolution come from the same 2x2 pixels: one convolution of four
times the outputs at a quarter of the places, 4 products for an output instead of 9, a pixel
shuffle, and one row or column cut off on every side.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from iast_export.formats.onnx_graph import Array, GraphIndex, attribute
from iast_export.forms.doubled import EDGES_OF_ONE, Doubled, match_doubled
from iast_export.forms.edit import (
    Rewritten,
    add_constant,
    conv_bias,
    replace_node,
    rewrite_each,
    unused_name,
)

# Chosen: a kernel computes 16 outputs at a time, and fewer leave some of it idle already.
FEWEST_OUTPUTS = 16
# Which of two low-resolution pixels each of three taps falls on, for the pixels before and after a
# corner.
_TAPS = ((0, 0, 1), (0, 1, 1))


def fold_upsampling(model: onnx.ModelProto) -> Rewritten:
    """A copy with nearest x2, edges of 1 and a dense 3x3 as a convolution and a shuffle."""

    def build(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        found = _match(index, node)
        if found is None:
            return False
        stem, weight = unused_name(graph, f"{node.output[0]}_corners"), found.weight
        constants = [
            add_constant(graph, f"{node.input[1]}_corners", corner_weight(weight)),
            add_constant(graph, f"{node.input[1]}_corners_bias", conv_bias(index, node).repeat(4)),
        ]
        nodes = []
        source, repeats = found.resize.input[0], found.edges != "zeros"  # a reflection of 1 repeats
        if repeats:
            pads = add_constant(graph, f"{stem}_pads", np.array(EDGES_OF_ONE, np.int64))
            nodes.append(helper.make_node("Pad", [source, pads], [f"{stem}_edges"], mode="edge"))
            source = f"{stem}_edges"
        border = [0 if repeats else 1] * 4
        bounds = [
            add_constant(graph, f"{stem}_{key}", np.array(value, np.int64))
            for key, value in {"start": [1, 1], "end": [-1, -1], "axes": [2, 3]}.items()
        ]
        nodes += [
            helper.make_node(
                "Conv", [source, *constants], [stem], kernel_shape=[2, 2], pads=border
            ),
            helper.make_node("DepthToSpace", [stem], [f"{stem}_pixels"], blocksize=2, mode="CRD"),
            helper.make_node("Slice", [f"{stem}_pixels", *bounds], [node.output[0]]),
        ]
        replace_node(graph, node, nodes)
        return True

    return rewrite_each(model, "Conv", build)


def corner_weight(weight: Array) -> Array:
    """The kernels [4 * O, I, 2, 2] of the four pixels around a corner, in pixel shuffle's order.

    Args:
        weight: [O, I, 3, 3], for the high resolution.
    """
    outputs, inputs = weight.shape[:2]
    folded = np.zeros((outputs, 2, 2, inputs, 2, 2), np.float64)
    for a, b, i, j in np.ndindex(2, 2, 3, 3):
        folded[:, a, b, :, _TAPS[a][i], _TAPS[b][j]] += weight[:, :, i, j]
    return folded.reshape(4 * outputs, inputs, 2, 2).astype(np.float32)


def _match(index: GraphIndex, node: onnx.NodeProto) -> Doubled | None:
    found = match_doubled(index, node, _is_nearest)
    return found if found is not None and len(found.weight) >= FEWEST_OUTPUTS else None


def _is_nearest(resize: onnx.NodeProto) -> bool:
    modes = ("coordinate_transformation_mode", "half_pixel"), ("nearest_mode", "round_prefer_floor")
    rounding = tuple(attribute(resize, name, default) for name, default in modes)
    nearest = attribute(resize, "mode", "nearest") == "nearest"
    return nearest and rounding in (("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"))
