"""Where cross-layer equalization applies: a convolution, and those that lead to it alone.

Between them lie nothing but ReLU, movements that keep channels, and concatenations of channels:
what divides a channel before them divides it behind them as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
from numpy.typing import NDArray

from iast_export.decide.read_onnx import is_movement
from iast_export.formats.onnx_graph import Array, GraphIndex, attribute, index_graph
from iast_export.forms.edit import conv_weight

Factors = NDArray[np.float64]
Key = tuple[tuple[bytes | int, ...], bytes]
PairTier = tuple[onnx.GraphProto, Mapping[str, Factors]]
"""A graph, and the largest magnitude of each channel of its `tensors_to_see`."""


@dataclass(frozen=True)
class Branch:
    """A tensor that gives a convolution some of its channels.

    Attributes:
        scaled: it is a convolution's result that leads nowhere else, so that its channels may be
            divided.
    """

    tensor: str
    scaled: bool = True


@dataclass(frozen=True)
class Pair:
    """A convolution by its output, what it reads, and the last tensor before any movement between.

    Attributes:
        firsts: one convolution's result, or all that is joined, in the order of the channels.
    """

    firsts: tuple[Branch, ...]
    second: str
    between: str


@dataclass(frozen=True)
class Weights:
    """The weights of a pair.

    Attributes:
        firsts: of its branches, or how many channels one has that is not scaled.
        second: of the convolution that reads them.
    """

    pair: Pair
    firsts: tuple[Array | int, ...]
    second: Array

    @cached_property
    def key(self) -> Key:
        """What the pair is known by in every tier."""
        firsts = tuple(one if isinstance(one, int) else one.tobytes() for one in self.firsts)
        return firsts, self.second.tobytes()


def find_pairs(graph: onnx.GraphProto) -> list[Pair]:
    """Every convolution, dense or depthwise, that others alone lead to, in graph order."""
    index = index_graph(graph)
    pairs = []
    for node in graph.node:
        if column_maxima(index, node) is None:
            continue
        between, branches = _trace(index, node.input[0])
        often = Counter(branches)
        firsts = tuple(Branch(one.tensor, one.scaled and often[one] == 1) for one in branches)
        if any(one.scaled for one in firsts):
            pairs.append(Pair(firsts, node.output[0], between))
    return pairs


def tensors_to_see(graph: onnx.GraphProto) -> list[str]:
    """Names of the tensors whose channels decide on factors, sorted."""
    pairs = find_pairs(graph)
    kept = {one.tensor for pair in pairs for one in pair.firsts if not one.scaled}
    return sorted({pair.between for pair in pairs} | kept)


def _trace(index: GraphIndex, name: str) -> tuple[str, list[Branch]]:
    """The tensor that holds a tensor's channels before any movement, and where these come from."""
    tensor, between = name, ""
    while _is_read_once(index, tensor) and (node := index.producer(tensor)) is not None:
        if conv_weight(index, node) is not None:
            return between or tensor, [Branch(tensor)]
        if _joins_channels(index, node):
            return between or tensor, [one for part in node.input for one in _trace(index, part)[1]]
        if node.op_type == "Relu":
            between = between or tensor
        elif not _keeps_channels(node):
            break
        tensor = node.input[0]
    return between or tensor, [Branch(name, scaled=False)]


def _is_read_once(index: GraphIndex, name: str) -> bool:
    """Whether one node alone reads a tensor's values; Shape reads its sides."""
    readers = [node for node in index.consumers.get(name, []) if node.op_type != "Shape"]
    return len(readers) == 1 and name not in index.outputs


def _joins_channels(index: GraphIndex, node: onnx.NodeProto) -> bool:
    joins = node.op_type == "Concat" and attribute(node, "axis", 1) in (1, -3)
    return joins and not any(name in index.constants for name in node.input)


def _keeps_channels(node: onnx.NodeProto) -> bool:
    return node.op_type in ("MaxPool", "Pad", "Resize") and is_movement(node)


def column_maxima(index: GraphIndex, node: onnx.NodeProto) -> Factors | None:
    """Largest weight for each input channel of a dense or depthwise convolution."""
    weight = conv_weight(index, node)
    if weight is None:
        return None
    groups = int(attribute(node, "group", 1))
    if groups == 1:
        return maxima(weight, (0, 2, 3))
    return maxima(weight, (1, 2, 3)) if groups == len(weight) and weight.shape[1] == 1 else None


def maxima(weight: Array, axes: tuple[int, ...]) -> Factors:
    """Largest magnitudes over some axes."""
    return np.asarray(np.abs(weight).max(axis=axes), np.float64)


def weigh(tier: PairTier) -> list[Weights]:
    """The pairs of a tier with their weights."""
    graph, seen = tier
    index = index_graph(graph)

    def weight(name: str) -> Array:
        return index.constants[index.producers[name].input[1]]

    return [
        Weights(
            pair,
            tuple(
                weight(one.tensor) if one.scaled else len(seen[one.tensor]) for one in pair.firsts
            ),
            weight(pair.second),
        )
        for pair in find_pairs(graph)
    ]


def fixed_pairs(tiers: Sequence[PairTier]) -> set[Key]:
    """Pairs whose weights are used once in each tier, and by the same pair in all."""
    roles: dict[tuple[str, bytes], set[Key | None]] = {}
    for tier in tiers:
        index = index_graph(tier[0])
        held = {
            n.output[0]: w.tobytes()
            for n in tier[0].node
            if (w := conv_weight(index, n)) is not None
        }
        uses = Counter(held.values())
        found: dict[tuple[str, str], Key] = {}
        for one in weigh(tier):
            found[("second", one.pair.second)] = one.key
            found.update(
                {("first", branch.tensor): one.key for branch in one.pair.firsts if branch.scaled}
            )
        for name, weight in held.items():
            for role in ("first", "second"):
                key = found.get((role, name)) if uses[weight] == 1 else None
                roles.setdefault((role, weight), set()).add(key)
    keys = {key for some in roles.values() for key in some if key is not None}
    return {
        key
        for key in keys
        if roles["second", key[1]] == {key}
        and all(roles["first", one] == {key} for one in key[0] if isinstance(one, bytes))
    }
