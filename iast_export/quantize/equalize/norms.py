"""Convolutions that lead to an instance normalization alone: scale and mean are free.

The normalization takes out each channel's mean and divides by its deviation, so a convolution's
filter may be multiplied and its bias moved, and the network stays the same. In INT8 all channels of
the result share one scale; one whose values are few levels wide is blown up by the division, and
its rounding with it. So each channel is moved to the middle and made as wide as the widest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from numpy.typing import NDArray

from iast_export.formats.onnx_graph import Array, GraphIndex, attribute, index_graph
from iast_export.forms.edit import conv_weight

_OUTSIDE = 0.005  # percent of a channel's values on either side that do not count
# Chosen, as the largest factor between layers: a channel a hundred times narrower than the widest
# is noise, and its weights stay far from float32's ends.
_LARGEST_GAIN = 100.0
# The normalization adds its epsilon to the variance, and a gain makes that part smaller: by 0.05 %
# of a channel at most where its variance is this many times epsilon, in every picture.
_VARIANCE_TO_EPSILON = 1000.0
Values = NDArray[np.float64]
Fingerprint = tuple[float, float, float]
# Relative: what float64 sums of one filter differ by in another order.
_SAME = 1e-6


@dataclass(frozen=True)
class Normalized:
    """A convolution before an instance normalization.

    Attributes:
        conv: its result.
        tensor: that, or its ReLU.
        moves: no ReLU lies between, so that a channel may be moved.
        epsilon: the largest of the normalizations.
        read: what the normalization reads: `tensor`, or what moves or averages its pixels.
        parts: how many channels, side by side, a pixel shuffle makes one of.
    """

    conv: str
    tensor: str
    moves: bool
    epsilon: float
    read: str
    parts: int = 1


@dataclass(frozen=True)
class ChannelSpread:
    """What values a tensor's channels take: bounds without outliers, least deviation [C]."""

    low: Values
    high: Values
    deviation: Values

    @staticmethod
    def of(values: Array) -> ChannelSpread:
        """Of a tensor [N, C, H, W]."""
        low, high = np.percentile(values, (_OUTSIDE, 100.0 - _OUTSIDE), axis=(0, 2, 3)).astype(
            np.float64
        )
        return ChannelSpread(low, high, values.std(axis=(2, 3), dtype=np.float64).min(axis=0))

    def joined(self, other: ChannelSpread) -> ChannelSpread:
        """Over both."""
        return ChannelSpread(
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
            np.minimum(self.deviation, other.deviation),
        )


@dataclass(frozen=True)
class NormFactors:
    """How the filters of one convolution are changed.

    Attributes:
        filters: those that are, by `fingerprints` of their FP32 weights.
        factors: what each filter and its bias are divided by.
        shifts: what is taken from each bias beforehand; without a bias, nothing is.
    """

    filters: tuple[Fingerprint, ...]
    factors: tuple[float, ...]
    shifts: tuple[float, ...]

    def found_among(self, prints: Values) -> NDArray[np.intp]:
        """Which filter each of `prints` [N, 3] is, -1 for none of these."""
        own = np.asarray(self.filters, np.float64).reshape(-1, 3)
        if not len(own):
            return np.full(len(prints), -1, np.intp)
        same = _are_same(prints, own)
        return np.where(same.any(1), same.argmax(1), -1)


NormTier = tuple[onnx.GraphProto, Mapping[str, ChannelSpread]]
"""A graph, and the values of the `tensor` and `read` of each `Normalized`."""


def find_normalized(graph: onnx.GraphProto) -> list[Normalized]:
    """Every convolution that only instance normalizations read.

    Through a ReLU at most, and through what moves pixels or averages them.
    """
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
        read, parts = _last_moved(index, tensor)
        readers = _readers(index, read)
        norms = [
            one
            for one in readers
            if one.op_type == "InstanceNormalization" and one.input[0] == read
        ]
        if norms and len(norms) == len(readers):
            epsilon = max(float(attribute(one, "epsilon", 1e-5)) for one in norms)
            found.append(Normalized(node.output[0], tensor, moves, epsilon, read, parts))
    return found


def _last_moved(index: GraphIndex, name: str) -> tuple[str, int]:
    """The last tensor of a chain that moves or averages pixels, and `Normalized.parts` on it."""
    parts = 1
    while len(readers := _readers(index, name)) == 1:
        block = _moved_block(index, readers[0], name)
        if not block or (block > 1 and parts > 1):
            break
        name, parts = readers[0].output[0], parts * block * block
    return name, parts


def _moved_block(index: GraphIndex, node: onnx.NodeProto, name: str) -> int:
    """Side of the blocks that a pixel shuffle makes, 1 of what keeps channels and their means.

    0 of anything else: zeros around a picture would not move with its channels.
    """
    if node.input[0] != name:
        return 0
    if node.op_type == "DepthToSpace" and attribute(node, "mode", "DCR") == "CRD":
        return int(attribute(node, "blocksize", 0))
    if node.op_type == "AveragePool":
        counts_pads = any(attribute(node, "pads", [])) and attribute(node, "count_include_pad", 0)
        return int(not counts_pads)
    if node.op_type == "Pad":
        return int(attribute(node, "mode", "constant") in ("edge", "reflect"))
    axes = index.constant(node, 3) if node.op_type == "Slice" else None
    spatial = axes is not None and all(int(axis) in (2, 3) for axis in axes.ravel())
    return int(spatial or node.op_type == "MaxPool")


def fingerprints(weight: Array) -> Values:
    """What filters of a weight [O, I, kH, kW] are known by, [O, 3]: sums over their largest.

    One runtime's file may hold a filter times a scale that was folded into it, or with its taps in
    other places and zeros between them, as of a first layer in blocks. None of that changes these
    sums.
    """
    flat = np.asarray(weight, np.float64).reshape(len(weight), -1)
    flat = flat / np.maximum(np.abs(flat).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return np.stack([np.abs(flat).sum(1), (flat**2).sum(1), flat.sum(1)], 1)


def _are_same(some: Values, others: Values) -> NDArray[np.bool_]:
    """Which fingerprints agree, [N, M], but for rounding to float32."""
    off = np.abs(some[:, None] - others[None]).max(axis=2)
    return np.asarray(off <= _SAME * np.maximum(some[:, None, 0], 1.0))


def _readers(index: GraphIndex, name: str) -> list[onnx.NodeProto]:
    """What reads a tensor's values; nothing where it is a result of the graph."""
    if name in index.outputs:
        return []
    return [node for node in index.consumers.get(name, []) if node.op_type != "Shape"]


def learn_norm_factors(tiers: Sequence[NormTier]) -> tuple[NormFactors, ...]:
    """Factors from the values of all tiers together.

    A convolution that leads elsewhere in any tier is left alone, and so are filters that could be
    taken for another one, and channels too flat to bear a gain (see `_VARIANCE_TO_EPSILON`).

    Args:
        tiers: from `equalize.see_channels`.
    """
    weights, found = _pooled(tiers)
    prints = {key: fingerprints(weight) for key, weight in weights.items()}
    every = np.concatenate([*prints.values(), np.empty((0, 3))])
    made = [
        _factors(prints[key], _are_same(prints[key], every).sum(1) == 1, *values)
        for key, values in found.items()
    ]
    return tuple(one for one in made if one.filters)


def _pooled(
    tiers: Sequence[NormTier],
) -> tuple[dict[bytes, Array], dict[bytes, tuple[ChannelSpread, Normalized]]]:
    """Every weight by its bytes, and all tiers' values of those that lead to normalizations."""
    weights: dict[bytes, Array] = {}
    found: dict[bytes, tuple[ChannelSpread, Normalized]] = {}
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
            if one is None or (key in found and found[key][1].parts != one.parts):
                elsewhere.add(key)
                continue
            own = _seen_of(one, seen)
            spread, other = found.get(key, (own, one))
            both = replace(
                one, moves=one.moves and other.moves, epsilon=max(one.epsilon, other.epsilon)
            )
            found[key] = spread.joined(own), both
    return weights, {key: values for key, values in found.items() if key not in elsewhere}


def _seen_of(one: Normalized, seen: Mapping[str, ChannelSpread]) -> ChannelSpread:
    """What a convolution's channels take; those that become one are seen together."""
    own, read = seen[one.tensor], seen[one.read]
    return ChannelSpread(
        own.low.reshape(-1, one.parts).min(1).repeat(one.parts),
        own.high.reshape(-1, one.parts).max(1).repeat(one.parts),
        read.deviation.repeat(one.parts),
    )


def _factors(
    prints: Values, unique: NDArray[np.bool_], spread: ChannelSpread, where: Normalized
) -> NormFactors:
    middle = (spread.low + spread.high) / 2 if where.moves else np.zeros_like(spread.low)
    half = np.maximum(spread.high - middle, middle - spread.low)
    bears = unique & (spread.deviation**2 >= _VARIANCE_TO_EPSILON * where.epsilon) & (half > 0)
    bears = bears.reshape(-1, where.parts).all(1).repeat(where.parts)
    factors = np.maximum(half[bears] / half[bears].max(initial=0.0), 1.0 / _LARGEST_GAIN)
    filters = tuple((float(a), float(b), float(c)) for a, b, c in prints[bears])
    return NormFactors(filters, tuple(factors.tolist()), tuple(middle[bears].tolist()))
