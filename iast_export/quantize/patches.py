"""What the layers of a network read: moments of patches under integer convolutions.

Everything that this package decides about a layer's weights and biases follows from two means and
one matrix of second moments, so no activation is kept. The patches are a random sample of
positions, drawn from a fixed seed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from iast_export.decide.decide import decide_onnx
from iast_export.errors import InputError
from iast_export.formats.onnx_graph import (
    Array,
    GraphIndex,
    attribute,
    index_graph,
    load_model,
)
from iast_export.forms.edit import conv_bias
from iast_export.quantize.learned import Learned
from iast_export.quantize.observers import Feeds, observe_onnx
from iast_export.quantize.onnx.layers import Parameters
from iast_export.quantize.onnx.qdq import settled_parameters
from iast_export.quantize.ranges import RangeLike

# Places of a layer that are looked at in a picture; chosen for the time of calibration.
POSITIONS = 2048
MOST_INPUTS = 3000  # of one output: moments take its square, 72 MB here


@dataclass(frozen=True)
class Geometry:
    """How a convolution reads its input."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]


@dataclass(frozen=True)
class Layer:
    """An integer convolution of one file, or a group of it: tensors, constants, input scale.

    Attributes:
        output: name of its own result, before any clamp.
        weight: float32 [O, I, kH, kW].
        bias: float32 [O].
        group: which of the convolution's groups this is.
    """

    output: str
    source: str
    weight: Array
    bias: Array
    parameters: Parameters
    geometry: Geometry
    group: int = 0

    @property
    def name(self) -> str:
        """The output, and the group behind the first."""
        return f"{self.output}[{self.group}]" if self.group else self.output

    def read(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The channels of the source [1, C, H, W] that it reads."""
        inputs = self.weight.shape[1]
        return values[:, self.group * inputs : (self.group + 1) * inputs]


class Moments:
    """Sums over patches in float (x) and as INT8 sees them (q); K = I * kH * kW values each.

    Attributes:
        count: patches so far.
        float_sum, int8_sum: float64 [K].
        products: float64 [K, K], of q with itself.
    """

    def __init__(self, size: int) -> None:
        self.count = 0
        self.float_sum: NDArray[np.float64] = np.zeros(size)
        self.int8_sum: NDArray[np.float64] = np.zeros(size)
        self.products: NDArray[np.float64] = np.zeros((size, size))

    def update(self, patches: NDArray[np.float32], rounded: NDArray[np.float32]) -> None:
        """Adds patches [n, K] and the same as INT8 represents them."""
        self.count += len(patches)
        self.float_sum += patches.sum(0, dtype=np.float64)
        self.int8_sum += rounded.sum(0, dtype=np.float64)
        self.products += rounded.T @ rounded

    def merge(self, other: Moments) -> None:
        """Adds all that `other` has seen."""
        self.count += other.count
        self.float_sum += other.float_sum
        self.int8_sum += other.int8_sum
        self.products += other.products

    def second(self, centered: bool) -> NDArray[np.float64]:
        """Mean products [K, K], less those of the means where a bias takes up the mean error."""
        mean = self.int8_sum / self.count
        return self.products / self.count - (np.outer(mean, mean) if centered else 0.0)


def integer_layers(
    fp32_path: Path, ranges: Mapping[str, RangeLike], trim_sums: bool = True
) -> list[Layer]:
    """The convolutions of an FP32 file that are integers, but dilated and very large ones.

    Each group of one that is written as dense is a layer: it reads channels of its own. Depthwise
    ones of one output per channel are left out, as their few weights leave little to choose from.

    Raises:
        InputError: the file can't be read, or a range is missing.
    """
    model = load_model(fp32_path)
    decisions = decide_onnx(model)
    parameters = settled_parameters(decisions, Learned(ranges, trim_sums=trim_sums))
    index, layers = index_graph(model.graph), list[Layer]()
    for op, node in zip(decisions.network.ops, model.graph.node, strict=True):
        joined = decisions.policy.form_of(op) == "joined"
        if op.type != "Conv" or not decisions.is_integer(op) or joined:
            continue
        explicit = attribute(node, "auto_pad", "NOTSET") in ("NOTSET", "VALID")
        if list(attribute(node, "dilations", [1, 1])) != [1, 1] or not explicit:
            continue
        if index.constants[node.input[1]][0].size <= MOST_INPUTS:
            layers += _layers(index, node, parameters[decisions.root_of[node.input[0]]])
    return layers


def _layers(index: GraphIndex, node: onnx.NodeProto, parameters: Parameters) -> Iterator[Layer]:
    """One layer per group."""
    weight, groups = index.constants[node.input[1]], int(attribute(node, "group", 1))
    top, left, bottom, right = attribute(node, "pads", [0, 0, 0, 0])
    rows, columns = attribute(node, "strides", [1, 1])
    geometry = Geometry(weight.shape[2:], (rows, columns), (top, left, bottom, right))
    parts = zip(np.split(weight, groups), np.split(conv_bias(index, node), groups), strict=True)
    for group, (own, bias) in enumerate(parts):
        yield Layer(node.output[0], node.input[0], own, bias, parameters, geometry, group)


def patches(
    values: NDArray[np.float32], geometry: Geometry, most: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """At most `most` patches [n, C * kH * kW] of a tensor [1, C, H, W], at random positions."""
    top, left, bottom, right = geometry.pads
    padded = (
        np.pad(values[0], ((0, 0), (top, bottom), (left, right)))
        if any(geometry.pads)
        else values[0]
    )
    windows = np.lib.stride_tricks.sliding_window_view(padded, geometry.kernel, axis=(1, 2))
    windows = windows[:, :: geometry.strides[0], :: geometry.strides[1]]
    height, width = windows.shape[1:3]
    chosen = rng.choice(height * width, min(most, height * width), replace=False)
    found = windows[:, chosen // width, chosen % width]  # [C, n, kH, kW]
    return np.ascontiguousarray(found.swapaxes(0, 1)).reshape(len(chosen), -1)


def as_int8(values: NDArray[np.float32], parameters: Parameters) -> NDArray[np.float32]:
    """Values as their 8 bits represent them."""
    levels = np.clip(np.rint(values / parameters.scale) + parameters.zero_point, 0, 255)
    rounded: NDArray[np.float32] = ((levels - parameters.zero_point) * parameters.scale).astype(
        np.float32
    )
    return rounded


def observe_patches(
    fp32_path: Path,
    layers: Iterable[Layer],
    feeds: Iterable[Feeds],
    threads: int = 1,
    most: int = POSITIONS,
) -> dict[str, Moments]:
    """Moments of every layer's patches over all feeds, by the layer's name.

    Args:
        fp32_path: the file that the layers are of.
        layers: from `integer_layers`.
        feeds: consumed one by one.
        most: patches of each layer and feed.

    Raises:
        InputError: no feed, or no layer.
    """
    by_source: dict[str, list[Layer]] = {}
    for layer in layers:
        by_source.setdefault(layer.source, []).append(layer)
    rng, found = np.random.default_rng(0), dict[str, Moments]()
    observe = observe_onnx(fp32_path, sorted(by_source), threads)
    for feed in feeds:
        for name, values in observe(feed):
            for layer in by_source[name]:
                x = patches(layer.read(values), layer.geometry, most, rng)
                moments = found.setdefault(layer.name, Moments(x.shape[1]))
                moments.update(x, as_int8(x, layer.parameters))
    if not found:
        raise InputError(
            f"{fp32_path}: no layer was observed",
            "give a calibration set with pictures, or leave FP32",
        )
    return found
