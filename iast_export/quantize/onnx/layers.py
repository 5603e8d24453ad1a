"""Integer layers as ONNX Runtime runs them best: parameters, and the nodes of one convolution.

The kernels for integers work on channels in groups: a convolution whose input channels are no
multiple of 4, or with 8 to 15 outputs, is widened by zeros (stem 320 -> 157 us, last layer 497 ->
312 us, measured), and a pixel shuffle behind a convolution is written as a transposition of whole
pixels, channels last, with the convolution's outputs sorted for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from iast_export.files.artifacts import sha256_bytes
from iast_export.formats.onnx_graph import Array

# ONNX Runtime's integer kernels (MLAS) multiply 4 bytes at a time and compute 16 outputs; from how
# many outputs on they are widened to that is chosen. 127 levels either way lie even about zero. A
# channel of zeros may have any scale; a bias of half of int32's end leaves as much to the sum.
INPUT_GROUP = 4
OUTPUT_GROUP = 16
SMALLEST_WIDENED = 8
WEIGHT_LEVELS = 127
_EMPTY_SCALE = np.float32(2.0**-13)
_LARGEST_BIAS = 2**30


UINT8_LEVELS, UINT16_LEVELS = 255, 65535


@dataclass(frozen=True)
class Parameters:
    """Scale and zero point of a tensor in uint8, or in uint16 with `levels` 65535."""

    scale: np.float32
    zero_point: int
    levels: int = UINT8_LEVELS

    @property
    def typed_zero_point(self) -> np.generic:
        """The zero point in the tensor's own type."""
        return (np.uint8 if self.levels == UINT8_LEVELS else np.uint16)(self.zero_point)


def activation_parameters(low: float, high: float, levels: int = UINT8_LEVELS) -> Parameters:
    """Parameters that cover [low, high] and 0, which is exact.

    A range of no width means a tensor that was zero throughout: its scale is 1, so that it stays
    exactly zero.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32((high - low) / levels)
    if scale < np.finfo(np.float32).tiny:
        return Parameters(np.float32(1.0), 0, levels)
    return Parameters(scale, int(np.clip(np.round(-low / float(scale)), 0, levels)), levels)


def quantize_weight(
    weight: Array, bias: Array, input_scale: np.float32
) -> tuple[Array, Array, Array]:
    """A convolution's weight in int8 per output channel, its scales, and its bias in int32.

    Weight and scales depend on the FP32 weight alone, so that networks which share a weight share
    its bytes. (Exception: a bias too large for int32 at that scale, which takes a channel whose
    weights are practically zero.)
    """
    largest = np.abs(weight).reshape(len(weight), -1).max(axis=1).astype(np.float32)
    scales = np.where(largest > 0, largest / np.float32(WEIGHT_LEVELS), _EMPTY_SCALE).astype(
        np.float32
    )
    needed = (np.abs(bias) / (float(input_scale) * _LARGEST_BIAS)).astype(np.float32)
    scales = np.maximum(scales, needed)
    levels = np.round(weight / scales[:, None, None, None])
    int8 = np.clip(levels, -WEIGHT_LEVELS, WEIGHT_LEVELS).astype(np.int8)
    bias_scales = scales.astype(np.float64) * float(input_scale)
    return int8, scales, np.round(bias / bias_scales).astype(np.int32)


def filter_key(one: Array) -> str:
    """What an output channel's weights are known by everywhere: a hash of float32 [I, kH, kW]."""
    return sha256_bytes(np.ascontiguousarray(one, np.float32).tobytes())


def with_learned(weight: Array, filters: Mapping[str, Array]) -> Array:
    """A weight [O, I, kH, kW] with the output channels in `filters` (by `filter_key`) replaced.

    Channel by channel, since a file may hold them in another order, as before a pixel shuffle in
    LiteRT.
    """
    if not filters:
        return weight
    return np.stack([filters.get(filter_key(one), one) for one in weight]).astype(np.float32)


@dataclass
class Emitter:
    """Collects the nodes and constants of the graph that is being written."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def constant(self, name: str, value: Array | Sequence[int] | np.generic) -> str:
        """Adds a constant and returns its name."""
        self.constants[name] = np.asarray(value)
        return name

    def node(self, op_type: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Adds an operator and returns its output's name."""
        self.nodes.append(
            helper.make_node(op_type, list(inputs), [output], name=output, **attributes)
        )
        return output

    def parameters(self, root: str, parameters: Parameters) -> tuple[str, str]:
        """Adds a tensor's scale and zero point and returns their names."""
        scale = self.constant(f"{root}_scale", np.float32(parameters.scale))
        return scale, self.constant(f"{root}_zero_point", parameters.typed_zero_point)


def widen_input(
    emitter: Emitter, name: str, output: str, channels: int, zero_point: np.generic
) -> tuple[str, int]:
    """The integer tensor with channels added up to a multiple of 4, and how many were added."""
    added = -channels % INPUT_GROUP
    if not added:
        return name, 0
    pads = emitter.constant(
        f"{output}_channel_pads", np.array([0, 0, 0, 0, 0, added, 0, 0], np.int64)
    )
    value = emitter.constant(f"{output}_pad_value", zero_point)
    return emitter.node("Pad", [name, pads, value], f"{output}_wide_input"), added


def widened_outputs(channels: int) -> int:
    """How many output channels to compute for the `channels` that are needed."""
    return OUTPUT_GROUP if SMALLEST_WIDENED <= channels < OUTPUT_GROUP else channels


def narrow_output(emitter: Emitter, name: str, output: str, channels: int) -> str:
    """The first `channels` channels."""
    values = {"start": 0, "end": channels, "axis": 1}
    bounds = [
        emitter.constant(f"{output}_{key}", np.array([value], np.int64))
        for key, value in values.items()
    ]
    return emitter.node("Slice", [name, *bounds], output)


def keep_layout(emitter: Emitter, name: str, output: str) -> str:
    """The same integers [N, C, H, W], behind a reshape that changes nothing.

    ONNX Runtime computes integer convolutions channels last and would carry that layout into the
    float operators behind them, whose kernels want channels first: it would transpose floats, four
    times the bytes. It does not move a transposition past this (9.8 -> 9.25 ms, measured).
    """
    shape = emitter.constant("same_shape", np.array([0, 0, 0, -1], np.int64))
    return emitter.node("Reshape", [name, shape], output)


def keep_sides(emitter: Emitter, name: str, output: str) -> str:
    """As `keep_layout`, where sides are fixed, so that ONNX Runtime would remove that reshape."""
    return dequantize_once(emitter, name, name, output)


def dequantize_once(emitter: Emitter, name: str, shape_of: str, output: str) -> str:
    """The floats of one DequantizeLinear, for several readers.

    ONNX Runtime copies a DequantizeLinear for each of its readers, but not the reader: here a
    Flatten, which moves nothing, and a reshape back to the sides of `shape_of`.
    """
    flat = emitter.node("Flatten", [name], f"{output}_flat", axis=2)
    sides = emitter.node("Shape", [shape_of], f"{output}_shape")
    return emitter.node("Reshape", [flat, sides], output)


def keep_float(emitter: Emitter, name: str, output: str) -> str:
    """The same floats, behind a reshape that ONNX Runtime does not see through.

    Between integers, it would quantize the weights of a float convolution by itself, which for the
    depthwise ones costs time and fidelity.
    """
    shape = emitter.node("Shape", [name], f"{output}_shape")
    return emitter.node("Reshape", [name, shape], output)


def hard_swish(emitter: Emitter, x: str, output: str) -> str:
    """x * clip(x + 3, 0, 6) / 6 of a dequantized tensor, as a sum and a product in integers.

    The sum's uint8 is the clip. Read with a sixth of its scale it is the gate, so nothing divides.
    """
    zero, three = emitter.constant("gate_zero_point", np.uint8(0)), np.uint8(WEIGHT_LEVELS)
    scales = {"sum": 6 / 255, "gate": 1 / 255, "three": 3 / WEIGHT_LEVELS}
    names = {
        key: emitter.constant(f"gate_{key}_scale", np.float32(value))
        for key, value in scales.items()
    }
    added = [emitter.constant("gate_three", three), names["three"], zero]
    emitter.node("DequantizeLinear", added, f"{output}_three")
    emitter.node("Add", [x, f"{output}_three"], f"{output}_sum")
    emitter.node("QuantizeLinear", [f"{output}_sum", names["sum"], zero], f"{output}_gate_q")
    gate = emitter.node(
        "DequantizeLinear", [f"{output}_gate_q", names["gate"], zero], f"{output}_gate"
    )
    return emitter.node("Mul", [x, gate], output)


def pixels_last_order(channels: int, block: int) -> NDArray[np.int64]:
    """The order of output channels that puts each pixel's channels side by side.

    From pixel shuffle's [channel, row, column] to [row, column, channel].
    """
    return np.arange(channels).reshape(-1, block, block).transpose(1, 2, 0).ravel()


def shuffle_pixels_last(emitter: Emitter, name: str, output: str, channels: int, block: int) -> str:
    """Pixel shuffle of [1, C * b * b, H, W] whose channels are in `pixels_last_order`.

    One transposition of whole pixels; the reshapes move nothing. A shape entry of 0 copies the
    input's side, so height and width stay dynamic.
    """

    def shape(key: str, values: Sequence[int]) -> str:
        return emitter.constant(f"{output}_{key}", np.array(values, np.int64))

    width = channels // (block * block)
    x = emitter.node("Transpose", [name], f"{output}_last", perm=[0, 2, 3, 1])
    x = emitter.node(
        "Reshape", [x, shape("rows", [0, 0, 0, block, block * width])], f"{output}_split"
    )
    x = emitter.node("Transpose", [x], f"{output}_moved", perm=[0, 1, 3, 2, 4])
    x = emitter.node("Reshape", [x, shape("columns", [0, 0, block, -1, width])], f"{output}_wide")
    x = emitter.node("Reshape", [x, shape("sides", [1, 1, -1, 0, width])], f"{output}_tall")
    x = emitter.node("Squeeze", [x, shape("axis", [1])], f"{output}_pixels")
    return emitter.node("Transpose", [x], output, perm=[0, 3, 1, 2])
