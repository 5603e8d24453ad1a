"""Cross-layer equalisation of an FP32 graph, after Nagel et al., "Data-Free Quantization" (2019), section 4.1.

Between two convolutions with nothing but ReLU and movements between them, channel c of the first may be divided
by s_c and the second's weights for it multiplied: the network stays the same. Nagel's s_c makes the weights'
ranges equal and needs no picture. Weights have a scale per output channel here, so what could gain are the
ranges of the values between, and s_c may also come from those (`by_values`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from iast_export.onnx_graph import Array, GraphIndex, attribute, index_graph
from iast_export.quantize.onnx_plan import is_movement
from iast_export.rewrites.edit import conv_weight

_SMALLEST, _LARGEST = 1e-2, 1e2
_FACTORS = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Two convolutions by their outputs, and the tensor that the second reads first: after the ReLU."""

    first: str
    second: str
    between: str


def find_pairs(graph: onnx.GraphProto) -> list[Pair]:
    """Every convolution that alone feeds another one, dense or depthwise, in the order of the graph."""
    index = index_graph(graph)
    pairs = []
    for node in graph.node:
        if conv_weight(index, node) is None:
            continue
        between, reader = node.output[0], index.only_consumer(node.output[0])
        while reader is not None and (reader.op_type == "Relu" or _keeps_channels(reader)):
            between = reader.output[0] if reader.op_type == "Relu" else between
            reader = index.only_consumer(reader.output[0])
        if reader is not None and _column_maxima(index, reader) is not None:
            pairs.append(Pair(node.output[0], reader.output[0], between))
    return pairs


def by_weights(graph: onnx.GraphProto, pairs: list[Pair]) -> dict[str, _FACTORS]:
    """Nagel's factors, s_c = sqrt(r1_c / r2_c), by the pair's first output."""
    index, factors = index_graph(graph), {}
    for pair in pairs:
        weight = conv_weight(index, index.producers[pair.first])
        columns = _column_maxima(index, index.producers[pair.second])
        if weight is not None and columns is not None:
            factors[pair.first] = _settled(_maxima(weight, (1, 2, 3)) / np.maximum(columns, 1e-12))
    return factors


def by_values(
    graph: onnx.GraphProto, pairs: list[Pair], largest: Mapping[str, _FACTORS]
) -> dict[str, _FACTORS]:
    """Factors that share the burden: s_c = sqrt(a_c / r2_c), a_c the largest value of channel c between.

    A depthwise second convolution stays in float and carries all: s_c = a_c.

    Args:
        largest: by tensor, at least those `between`; of all tiers together where they share weights.
    """
    index, factors = index_graph(graph), {}
    for pair in pairs:
        columns = _column_maxima(index, index.producers[pair.second])
        values = np.asarray(largest[pair.between], np.float64)
        depthwise = attribute(index.producers[pair.second], "group", 1) != 1
        if columns is not None:
            ratio = np.square(values) if depthwise else values / np.maximum(columns, 1e-12)
            factors[pair.first] = _settled(ratio)
    return factors


def equalize(graph: onnx.GraphProto, pairs: list[Pair], factors: Mapping[str, _FACTORS]) -> None:
    """Moves the factors from each pair's first convolution to its second, in place."""
    held = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    nodes = {node.output[0]: node for node in graph.node}
    for pair in pairs:
        first, second, s = nodes[pair.first], nodes[pair.second], factors[pair.first]
        _put(graph, held, first, 1, held[first.input[1]] / s[:, None, None, None])
        if len(first.input) > 2 and first.input[2]:
            _put(graph, held, first, 2, held[first.input[2]] / s)
        grouped = attribute(second, "group", 1) != 1
        columns = s[:, None, None, None] if grouped else s[None, :, None, None]
        _put(graph, held, second, 1, held[second.input[1]] * columns)


def _put(
    graph: onnx.GraphProto, held: dict[str, Array], node: onnx.NodeProto, place: int, value: Array
) -> None:
    name = f"{node.output[0]}_equalized_{place}"
    held[name] = value.astype(np.float32)
    for number, item in enumerate(graph.initializer):
        if item.name == name:
            del graph.initializer[number]
            break
    graph.initializer.append(numpy_helper.from_array(held[name], name))
    node.input[place] = name


def _keeps_channels(node: onnx.NodeProto) -> bool:
    return node.op_type in ("MaxPool", "Pad", "Resize", "Slice") and is_movement(node)


def _column_maxima(index: GraphIndex, node: onnx.NodeProto) -> _FACTORS | None:
    """Largest weight for each input channel of a dense or depthwise convolution."""
    weight = conv_weight(index, node)
    if weight is None:
        return None
    groups = int(attribute(node, "group", 1))
    if groups == 1:
        return _maxima(weight, (0, 2, 3))
    return _maxima(weight, (1, 2, 3)) if groups == len(weight) and weight.shape[1] == 1 else None


def _maxima(weight: Array, axes: tuple[int, ...]) -> _FACTORS:
    return np.asarray(np.abs(weight).max(axis=axes), np.float64)


def _settled(ratio: _FACTORS) -> _FACTORS:
    """Roots, of geometric mean 1 and within limits; a channel that is zero throughout keeps its scale."""
    used = ratio > 0
    roots = np.sqrt(np.where(used, ratio, 1.0))
    if used.any():
        roots = roots / np.exp(np.mean(np.log(roots[used])))
    return np.where(used, np.clip(roots, _SMALLEST, _LARGEST), 1.0)
