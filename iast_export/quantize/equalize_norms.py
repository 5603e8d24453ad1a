"""Convolutions that lead to an instance normalization alone: any scale and any mean of a channel will do.

The normalization takes out each channel's mean and divides by its deviation, so a convolution's filter may be
multiplied and its bias moved, and the network stays the same. In INT8 all channels of the result share one
scale; one whose values are few levels wide is blown up by the division, and its rounding with it. So each
channel is moved to the middle and made as wide as the widest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from iast_export.observers import Feeds, observe_onnx
from iast_export.onnx_graph import GraphIndex, attribute, index_graph, load_model
from iast_export.quantize.onnx_layers import filter_key
from iast_export.rewrites.edit import conv_weight

_OUTSIDE = 0.005  # percent of a channel's values on either side that do not count
_LARGEST_GAIN = 100.0
# The normalization adds its epsilon to the variance, and a gain makes that part smaller: by 0.05 % of a
# channel at most where its variance is this many times epsilon, in every picture.
_VARIANCE_TO_EPSILON = 1000.0
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Normalized:
    """A convolution before an instance normalization.

    Attributes:
        conv: its result.
        tensor: what the normalization reads: that, or its ReLU.
        moves: no ReLU lies between, so that a channel may be moved.
        epsilon: the largest of the normalizations.
    """

    conv: str
    tensor: str
    moves: bool
    epsilon: float


@dataclass(frozen=True)
class Spread:
    """What values the channels of a tensor take: bounds without outliers, and the least deviation [C]."""

    low: Values
    high: Values
    deviation: Values

    def joined(self, other: Spread) -> Spread:
        """Over both."""
        return Spread(
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            np.minimum(self.deviation, other.deviation),
        )


@dataclass(frozen=True)
class NormFactors:
    """How the filters of one convolution are changed.

    Attributes:
        filters: by `filter_key` of their FP32 weights; "" for one that stays as it is.
        factors: what each filter and its bias are divided by.
        shifts: what is taken from each bias beforehand; without a bias, nothing is.
    """

    filters: tuple[str, ...]
    factors: tuple[float, ...]
    shifts: tuple[float, ...]


NormTier = tuple[onnx.GraphProto, Mapping[str, Spread]]
"""A graph, and the values of its `Normalized.tensor`s."""


def find_normalized(graph: onnx.GraphProto) -> list[Normalized]:
    """Every convolution that only instance normalizations read, at most through a ReLU."""
    index = index_graph(graph)
    found = []
    for node in graph.node:
        if conv_weight(index, node) is None:
            continue
        tensor = node.output[0]
        readers = _readers(index, tensor)
        moves = not (len(readers) == 1 and readers[0].op_type == "Relu")
        if not moves:
            tensor = readers[0].output[0]
            readers = _readers(index, tensor)
        norms = [one for one in readers if one.op_type == "InstanceNormalization" and one.input[0] == tensor]
        if norms and len(norms) == len(readers):
            epsilon = max(float(attribute(one, "epsilon", 1e-5)) for one in norms)
            found.append(Normalized(node.output[0], tensor, moves, epsilon))
    return found


def _readers(index: GraphIndex, name: str) -> list[onnx.NodeProto]:
    """What reads a tensor's values; nothing where it is a result of the graph."""
    if name in index.outputs:
        return []
    return [node for node in index.consumers.get(name, []) if node.op_type != "Shape"]


def see_normalized(fp32: Path, feeds: Iterable[Feeds], threads: int = 1) -> NormTier:
    """An FP32 file's graph and the values that `find_normalized` asks for, over the feeds.

    Raises:
        InputError: the file can't be read.
    """
    graph = load_model(fp32).graph
    names = sorted({one.tensor for one in find_normalized(graph)})
    seen: dict[str, Spread] = {}
    observe = observe_onnx(fp32, names, threads)
    for feed in feeds if names else ():
        for name, values in observe(feed):
            low, high = np.percentile(values, (_OUTSIDE, 100.0 - _OUTSIDE), axis=(0, 2, 3))
            deviation = values.std(axis=(2, 3), dtype=np.float64).min(axis=0)
            spread = Spread(low.astype(np.float64), high.astype(np.float64), deviation)
            seen[name] = seen[name].joined(spread) if name in seen else spread
    return graph, seen


def learn_norm_factors(tiers: Sequence[NormTier], copies: Mapping[str, int]) -> tuple[NormFactors, ...]:
    """Factors from the values of all tiers together.

    A convolution that leads elsewhere in any tier is left alone, and so are filters that are not the only
    ones of their content, and channels too flat to bear a gain (see `_VARIANCE_TO_EPSILON`).

    Args:
        tiers: from `see_normalized`.
        copies: how often each filter, by its key, occurs among the different weights of all tiers.
    """
    weights: dict[bytes, NDArray[np.float32]] = {}
    found: dict[bytes, tuple[Spread, bool, float]] = {}
    elsewhere: set[bytes] = set()
    for graph, seen in tiers:
        index = index_graph(graph)
        before = {one.conv: one for one in find_normalized(graph)}
        for node in graph.node:
            weight = conv_weight(index, node)
            if weight is None:
                continue
            key, one = weight.tobytes(), before.get(node.output[0])
            weights[key] = weight
            if one is None:
                elsewhere.add(key)
                continue
            spread, moves, epsilon = seen[one.tensor], one.moves, one.epsilon
            if key in found:
                other = found[key]
                spread, moves, epsilon = other[0].joined(spread), other[1] and moves, max(other[2], epsilon)
            found[key] = spread, moves, epsilon
    return tuple(
        _factors([filter_key(one) for one in weights[key]], copies, *values)
        for key, values in found.items()
        if key not in elsewhere
    )


def _factors(
    keys: Sequence[str], copies: Mapping[str, int], spread: Spread, moves: bool, epsilon: float
) -> NormFactors:
    middle = (spread.low + spread.high) / 2 if moves else np.zeros_like(spread.low)
    half = np.maximum(spread.high - middle, middle - spread.low)
    bears = (spread.deviation**2 >= _VARIANCE_TO_EPSILON * epsilon) & (half > 0)
    bears &= np.array([copies[key] == 1 for key in keys])
    widest = half[bears].max(initial=0.0)
    factors = np.where(bears, np.maximum(half / (widest or 1.0), 1.0 / _LARGEST_GAIN), 1.0)
    shifts = np.where(bears, middle, 0.0)
    named = tuple(key if one else "" for key, one in zip(keys, bears, strict=True))
    return NormFactors(named, tuple(factors.tolist()), tuple(shifts.tolist()))
