"""Bilinear x2 and a 3x3 convolution, as one convolution at the low resolution: for integers.

Every pixel of the high resolution is a sum of low ones with fixed shares, so the kernel of each of
the four pixels that stand for one is a kernel on the low resolution: one convolution of four times
the outputs at a quarter of the places, and a pixel shuffle. It computes as many products but no
doubled picture, which ONNX Runtime interpolates in float and rounds once more. Float gains nothing:
its convolutions read what was interpolated in their own order of channels.

With edges repeated that is all. With a reflection or zeros the outermost pixels differ: they are
computed as before, from what lies along two sides at once, and joined around the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper

from iast_export.formats.onnx_graph import Array, GraphIndex, attribute
from iast_export.forms.doubled import EDGES_OF_ONE, Doubled, match_doubled
from iast_export.forms.edit import (
    add_constant,
    conv_bias,
    replace_node,
    rewrite_each,
    unused_name,
)

# Chosen: such a layer costs an INT8 file five times its weights more, 370 kB at most; layers of
# more channels lie at low resolutions, where interpolation costs little (DESIGN.md 130).
MOST_WEIGHTS = 9 * 128 * 64
# Of pixels 2 i and 2 i + 1: shares of the pixels of the low resolution at i - 1, i and i + 1.
_SHARES = np.array([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])
_ROWS, _COLUMNS = 2, 3
# A slice to the end: beyond any side.
_END = 2**31


@dataclass(frozen=True)
class Folded:
    """A folded copy of a model.

    Attributes:
        model: the copy.
        places: first outputs of the convolutions that something else stands for now.
        names: of tensors that are new, the one of the given model with the same values, or whose
            values theirs are among.
    """

    model: onnx.ModelProto
    places: tuple[str, ...]
    names: Mapping[str, str]


@dataclass(frozen=True)
class _Fold:
    """A convolution behind bilinear x2, what it reads, and the clamp that alone reads it."""

    conv: onnx.NodeProto
    doubled: Doubled
    clamp: onnx.NodeProto | None


def fold_bilinear(model: onnx.ModelProto, kept: Collection[str] = ()) -> Folded:
    """A copy with bilinear x2, edges of 1 and a dense 3x3 as one convolution each.

    Args:
        model: an FP32 file.
        kept: first outputs of convolutions to leave as they are.
    """
    names: dict[str, str] = {}

    def build(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        found = None if node.output[0] in kept else _match(index, node)
        if found is None:
            return False
        folding = _Folding(graph, index, found)
        made = list(folding.nodes())
        replace_node(graph, node, made)
        if found.clamp is not None:
            graph.node.remove(found.clamp)
        names.update(folding.names)
        return True

    folded = rewrite_each(model, "Conv", build)
    return Folded(folded.model, folded.places, names)


def low_weight(weight: Array) -> Array:
    """The kernels [4 * O, I, 3, 3] on the low resolution, in pixel shuffle's order.

    Args:
        weight: [O, I, 3, 3], for the high resolution.
    """
    taps = _low_taps()
    exact = weight.astype(np.float64)
    folded: NDArray[np.float64] = np.einsum("oiyx,ayr,bxc->oabirc", exact, taps, taps)
    return folded.reshape(-1, *folded.shape[3:]).astype(np.float32)


def _low_taps() -> NDArray[np.float64]:
    """Shares [2, 3, 3] of low pixels in each tap, for the first and the second of two pixels."""
    shares = np.zeros((2, 3, 5))  # of i - 2 to i + 2
    for second, tap in np.ndindex(2, 3):
        half, odd = divmod(second + tap - 1, 2)
        shares[second, tap, half + 1 : half + 4] = _SHARES[odd]
    used: NDArray[np.float64] = shares[:, :, 1:4]
    return used


def _match(index: GraphIndex, node: onnx.NodeProto) -> _Fold | None:
    found = match_doubled(index, node, _is_bilinear)
    if found is None or found.weight.size > MOST_WEIGHTS:
        return None
    reader = index.only_consumer(node.output[0])
    clamps = reader is not None and reader.op_type in ("Relu", "Clip")
    return _Fold(node, found, reader if clamps else None)


def _is_bilinear(resize: onnx.NodeProto) -> bool:
    form = attribute(resize, "coordinate_transformation_mode", "half_pixel")
    linear = attribute(resize, "mode", "nearest") == "linear"
    return linear and form in ("half_pixel", "pytorch_half_pixel")


@dataclass
class _Folding:
    """The nodes that stand for one convolution behind bilinear x2."""

    graph: onnx.GraphProto
    index: GraphIndex
    found: _Fold
    names: dict[str, str] = field(default_factory=dict)
    stem: str = ""

    def nodes(self) -> Iterator[onnx.NodeProto]:
        """All of them, the last of which gives the result."""
        given = self.found.clamp or self.found.conv
        result, whole = given.output[0], self.found.doubled.edges == "edge"
        self.stem = unused_name(self.graph, f"{self.found.conv.output[0]}_low")
        yield from self._center(result if whole else f"{self.stem}_all")
        if not whole:
            for axis in (_ROWS, _COLUMNS):
                yield from self._sides(axis)
            yield from self._joined(result)

    def _center(self, result: str) -> Iterator[onnx.NodeProto]:
        """Everything as if edges were repeated."""
        conv = self.found.conv
        weight = low_weight(self.found.doubled.weight)
        edged, shuffled = f"{self.stem}_edged", f"{self.stem}_conv"
        inputs = [edged, self._constant("weight", weight)]
        inputs.append(self._constant("bias", conv_bias(self.index, conv).repeat(4)))
        pads = self._constant("edges", np.array(EDGES_OF_ONE))
        yield helper.make_node(
            "Pad", [self.found.doubled.resize.input[0], pads], [edged], mode="edge"
        )
        yield from self._conv(inputs, shuffled)
        yield helper.make_node("DepthToSpace", [shuffled], [result], blocksize=2, mode="CRD")

    def _sides(self, axis: int) -> Iterator[onnx.NodeProto]:
        """The first and last row or column of the result, from two pixels along each."""
        stem, source = (
            f"{self.stem}_{'rows' if axis == _ROWS else 'columns'}",
            self.found.doubled.resize,
        )
        first, last, low, high, cut = (
            f"{stem}_{part}" for part in ("first", "last", "low", "high", "cut")
        )
        yield self._slice(source.input[0], first, [axis], 0, 2)
        yield self._slice(source.input[0], last, [axis], -2, _END)
        yield helper.make_node("Concat", [first, last], [low], axis=axis)
        resize = onnx.NodeProto()
        resize.CopyFrom(source)
        resize.input[0], resize.output[0], resize.name = low, high, ""
        yield resize
        outer = self._constant(f"outer{axis}", np.array([0, 1, -2, -1]))
        yield helper.make_node("Gather", [high, outer], [cut], axis=axis)
        self.names |= {high: source.output[0], cut: source.output[0]}
        read, around = cut, {"pads": [1] * 4}
        if self.found.doubled.edges == "reflect":
            read, around = f"{stem}_edged", {}
            pads = self._constant("edges", np.array(EDGES_OF_ONE))
            yield helper.make_node("Pad", [cut, pads], [read], mode="reflect")
        own = [name for name in self.found.conv.input[1:] if name]
        strides = [3, 1] if axis == _ROWS else [1, 3]
        yield from self._conv([read, *own], stem, strides=strides, **around)

    def _conv(self, inputs: list[str], result: str, **how: Any) -> Iterator[onnx.NodeProto]:
        """A convolution, and the clamp that reads the given one."""
        clamp, given = self.found.clamp, self.found.conv.output[0]
        made = result if clamp is None else f"{result}_unclamped"
        yield helper.make_node("Conv", inputs, [made], kernel_shape=[3, 3], **how)
        self.names[made] = given
        if clamp is not None:
            copy = onnx.NodeProto()
            copy.CopyFrom(clamp)
            copy.input[0], copy.output[0], copy.name = made, result, ""
            yield copy
            self.names[result] = clamp.output[0]

    def _joined(self, result: str) -> Iterator[onnx.NodeProto]:
        """The outermost rows and columns around what lies within them."""
        rows, columns = f"{self.stem}_rows", f"{self.stem}_columns"
        inner, middle = f"{self.stem}_inner", f"{self.stem}_middle"
        yield self._slice(f"{self.stem}_all", inner, [_ROWS, _COLUMNS], 1, -1)
        ends = [f"{self.stem}_{name}" for name in ("left", "right", "top", "bottom")]
        yield self._slice(columns, f"{columns}_inner", [_ROWS], 1, -1)
        for name, source, axis, start in (
            (ends[0], f"{columns}_inner", _COLUMNS, 0),
            (ends[1], f"{columns}_inner", _COLUMNS, 1),
            (ends[2], rows, _ROWS, 0),
            (ends[3], rows, _ROWS, 1),
        ):
            yield self._slice(source, name, [axis], start, start + 1)
        yield helper.make_node("Concat", [ends[0], inner, ends[1]], [middle], axis=_COLUMNS)
        yield helper.make_node("Concat", [ends[2], middle, ends[3]], [result], axis=_ROWS)
        self.names[middle] = result

    def _slice(
        self, source: str, result: str, axes: list[int], start: int, end: int
    ) -> onnx.NodeProto:
        bounds = [
            self._constant(f"at{value}x{len(axes)}", np.array([value] * len(axes)))
            for value in (start, end)
        ]
        named = self._constant(f"axes{axes[0]}x{len(axes)}", np.array(axes))
        return helper.make_node("Slice", [source, *bounds, named], [result])

    def _constant(self, key: str, value: Array) -> str:
        """The name of a constant of this layer, added where it is not there."""
        name = f"{self.stem}_{key}"
        if all(item.name != name for item in self.graph.initializer):
            add_constant(self.graph, name, value)
        return name
