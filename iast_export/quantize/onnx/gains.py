"""A convolution in INT8 whose filters are multiplied by gains when it runs: in their scales.

Levels and bias stay as they are, so that the kernel packs them once. The bias, in steps of the
input's scale times the filter's, is multiplied along with the filter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from iast_export.formats.onnx_graph import Array
from iast_export.quantize.onnx.layers import Emitter


class Filters(NamedTuple):
    """Levels [O, I, kH, kW], their scales [O] and the biases [O]."""

    int8: Array
    scales: Array
    int32: Array


def reordered(emitter: Emitter, gain: str, order: NDArray[np.int64], outputs: int) -> str:
    """Gains of the outputs in `order`: the given ones [O] where that is their own."""
    if np.array_equal(order, np.arange(outputs)):
        return gain
    places = emitter.constant(f"{gain}_order", order)
    return emitter.node("Gather", [gain, places], f"{gain}_of_outputs")


def scaled_filters(emitter: Emitter, result: str, filters: Filters, gain: str) -> Sequence[str]:
    """A kernel's levels, scales, zero points and biases; writes the product of scales and gains."""
    scales = emitter.constant(f"{result}_levels_scale", filters.scales.astype(np.float32))
    return [
        emitter.constant(f"{result}_levels", filters.int8),
        emitter.node("Mul", [scales, gain], f"{result}_levels_gained"),
        emitter.constant(f"{result}_levels_zero_point", np.zeros(len(filters.int8), np.int8)),
        emitter.constant(f"{result}_levels_bias", filters.int32),
    ]


def as_kernel(node: onnx.NodeProto) -> onnx.NodeProto:
    """A convolution as the operator that computes it in integers."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.op_type = "QLinearConv"
    return copy
