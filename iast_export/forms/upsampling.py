"""Nearest x2 and a 3x3 convolution, as a 2x2 convolution at the low resolution.

Of the nine values that the kernel reads at the high resolution only four differ. So the four pixels
around each corner of the low resolution come from the same 2x2 pixels: one convolution of four
times the outputs at a quarter of the places, 4 products for an output instead of 9, a pixel
shuffle, and one row or column cut off on every side.
"""

from __future__ import annotations

from dataclasses import dataclass

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

# Chosen: a kernel computes 16 outputs at a time, and fewer leave some of it idle already.
FEWEST_OUTPUTS = 16
# Which of two low-resolution pixels each of three taps falls on, for the pixels before and after a
# corner.
_TAPS = ((0, 0, 1), (0, 1, 1))
_EDGES = [0, 0, 1, 1, 0, 0, 1, 1]


@dataclass(frozen=True)
class _Upsampled:
    """What is doubled, and whether edges are repeated (as by a reflection of 1) or zero."""

    source: str
    repeats: bool


def fold_upsampling(model: onnx.ModelProto) -> Rewritten:
    """A copy with nearest x2, edges of 1 and a dense 3x3 as a convolution and a shuffle."""

    def build(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        found = _match(index, node)
        if found is None:
            return False
        stem, weight = (
            unused_name(graph, f"{node.output[0]}_corners"),
            index.constants[node.input[1]],
        )
        constants = [
            add_constant(graph, f"{node.input[1]}_corners", corner_weight(weight)),
            add_constant(graph, f"{node.input[1]}_corners_bias", conv_bias(index, node).repeat(4)),
        ]
        nodes = []
        source = found.source
        if found.repeats:
            pads = add_constant(graph, f"{stem}_pads", np.array(_EDGES, np.int64))
            nodes.append(helper.make_node("Pad", [source, pads], [f"{stem}_edges"], mode="edge"))
            source = f"{stem}_edges"
        border = [0 if found.repeats else 1] * 4
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


def _match(index: GraphIndex, node: onnx.NodeProto) -> _Upsampled | None:
    weight = conv_weight(index, node)
    if weight is None or weight.shape[2:] != (3, 3) or len(weight) < FEWEST_OUTPUTS:
        return None
    if not plain_strides(node) or attribute(node, "group", 1) != 1:
        return None
    border = list(attribute(node, "pads", [0] * 4))
    pad = index.producer(node.input[0], "Pad")
    repeats = pad is not None and border == [0] * 4 and _is_edge_of_one(index, pad)
    if not repeats and border != [1] * 4:
        return None
    doubled = pad.input[0] if pad is not None and repeats else node.input[0]
    resize = index.producer(doubled, "Resize")
    alone = (
        index.only_consumer(node.input[0]) is not None and index.only_consumer(doubled) is not None
    )
    if resize is None or not alone or not _is_nearest_x2(index, resize):
        return None
    return _Upsampled(resize.input[0], repeats)


def _is_edge_of_one(index: GraphIndex, pad: onnx.NodeProto) -> bool:
    pads = index.constant(pad, 1)
    fits = pads is not None and pads.tolist() == _EDGES and not any(pad.input[2:])
    return fits and attribute(pad, "mode", "constant") in ("edge", "reflect")


def _is_nearest_x2(index: GraphIndex, resize: onnx.NodeProto) -> bool:
    scales = index.constant(resize, 2)
    if scales is None or scales.tolist() != [1.0, 1.0, 2.0, 2.0]:
        return False
    modes = ("coordinate_transformation_mode", "half_pixel"), ("nearest_mode", "round_prefer_floor")
    rounding = tuple(attribute(resize, name, default) for name, default in modes)
    nearest = attribute(resize, "mode", "nearest") == "nearest"
    return nearest and rounding in (("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"))
