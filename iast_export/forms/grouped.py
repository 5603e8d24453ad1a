"""Grouped convolutions as dense ones with zeros: the form that integer kernels are fast in.

Both runtimes compute integers by products of matrices, and a grouped convolution hands them one
small matrix per group: in ONNX Runtime that gains nothing on float, in LiteRT little or less than
nothing. Multiplying by zeros costs less. In float it costs more, so FP32 keeps its groups
(`python -m benchmarks.rewrites --only groups` and `--only depthwise`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
import onnx

from iast_export.formats.onnx_graph import Array, GraphIndex, attribute
from iast_export.forms.edit import Rewritten, add_constant, conv_weight, rewrite_each

GroupForm = Literal["unchanged", "dense", "joined", "float"]
"""How a convolution computes in INT8: as it is, dense, as it is among integers alone, or not."""

# Fitted to 64 px on one thread: 16 to 256 channels, 2 to 128 groups, multipliers 1 to 4, kernels of
# 1 to 5.
# ONNX Runtime: what an output in float among integers costs, in channels that a dense INT8 one may
# read instead: with kernels up to `_LARGE_KERNEL` places, with larger ones, per channel of a group.
_FLOAT_OUTPUT, _OF_LARGE_KERNEL, _FLOAT_INPUT = 128, 64, 3
_LARGE_KERNEL = 9
# LiteRT: channels of the dense kernel times those of a group up to which zeros pay, and channels of
# a group from which grouped INT8 beats float (DESIGN.md 34).
_MOST_ZEROS = 4096
_FEWEST_INPUTS = 8


def dense_weight(weight: Array, groups: int) -> Array:
    """A weight [O, I / groups, kH, kW] as a dense one [O, I, kH, kW] with zeros elsewhere."""
    outputs, inputs, height, width = weight.shape
    dense = np.zeros((groups, outputs // groups, groups, inputs, height, width), weight.dtype)
    for group, part in enumerate(weight.reshape(groups, -1, inputs, height, width)):
        dense[group, :, group] = part
    return dense.reshape(outputs, groups * inputs, height, width)


def pays_in_onnx(shape: Sequence[int], groups: int) -> bool:
    """Whether ONNX Runtime is faster at the dense one in INT8 than at the grouped one in float.

    An output of the dense one costs in proportion to the channels that it reads. One of the grouped
    one, in float among integers, costs as much as some hundred of them, and little more where a
    group has more.

    Args:
        shape: of the grouped weight, [O, I / groups, kH, kW].
    """
    outputs, inputs, height, width = shape
    fixed = _OF_LARGE_KERNEL if height * width > _LARGE_KERNEL else _FLOAT_OUTPUT
    return (
        _is_grouped(shape, groups)
        and max(outputs, groups * inputs) <= fixed + _FLOAT_INPUT * inputs
    )


def form_in_onnx(shape: Sequence[int], groups: int) -> GroupForm:
    """How ONNX Runtime computes a convolution fastest in INT8.

    One filter per channel is alone no faster in INT8 than in float; among integer convolutions it
    spares two conversions and two changes of layout, which cost more than itself. With a multiplier
    it is far slower.

    Args:
        shape: of the weight, [O, I / groups, kH, kW].
    """
    if pays_in_onnx(shape, groups):
        return "dense"
    return "unchanged" if groups == 1 else "joined" if groups == shape[0] else "float"


def form_in_litert(shape: Sequence[int], groups: int) -> GroupForm:
    """How LiteRT computes a convolution fastest in INT8.

    Integers are the better used the more channels a group has, and slower than float at fewer than
    8. One filter per channel alone gains nothing; among integers it spares two conversions.

    Args:
        shape: of the weight, [O, I / groups, kH, kW].
    """
    inputs = shape[1]
    if not _is_grouped(shape, groups):
        return "joined" if groups > 1 else "unchanged"
    if groups * inputs * max(inputs, _FEWEST_INPUTS) <= _MOST_ZEROS:
        return "dense"
    return "unchanged" if inputs >= _FEWEST_INPUTS else "float"


def _is_grouped(shape: Sequence[int], groups: int) -> bool:
    """Whether a convolution has groups, and is no depthwise one of one output per channel."""
    outputs, inputs = shape[:2]
    return groups > 1 and (outputs > groups or inputs > 1)


def dense_groups(model: onnx.ModelProto, kept: Collection[str] = ()) -> Rewritten:
    """A copy in which grouped convolutions are dense where that pays in INT8 (`pays_in_onnx`).

    Args:
        kept: first outputs of convolutions to leave as they are.
    """

    def build(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        weight = conv_weight(index, node)
        groups = int(attribute(node, "group", 1))
        if weight is None or node.output[0] in kept or not pays_in_onnx(weight.shape, groups):
            return False
        node.input[1] = add_constant(graph, f"{node.input[1]}_dense", dense_weight(weight, groups))
        next(item for item in node.attribute if item.name == "group").i = 1
        return True

    return rewrite_each(model, "Conv", build)
