"""Cross-layer equalisation: channels that share one scale are made alike.

After Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019). Between
two convolutions with nothing but ReLU and movements between them, channel c of the first may be divided by
s_c and the second's weights for it multiplied: the network stays the same. Nagel's s_c balances the weights
of both. Here weights have a scale per channel, while the tensor between has one for all, so s_c comes from
its values: it makes channels alike of which one would else take the levels of all others. Factors are
common to all tiers, which share their weights, and known by the content of the filters, as learned rounding
is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from iast_export.artifacts import read_json, write_json
from iast_export.errors import InputError
from iast_export.observers import Feeds, Observe
from iast_export.onnx_graph import (
    Array,
    GraphIndex,
    attribute,
    index_graph,
    load_model,
    prune,
    save_model,
)
from iast_export.quantize.onnx_layers import filter_key
from iast_export.quantize.onnx_plan import is_movement
from iast_export.rewrites.edit import add_constant, conv_weight

UNLIKE = 4.0  # channels whose largest is less than this over their median are left as they are
_SHARE = 99.99
_SMALLEST, _LARGEST = 1e-2, 1e2
Factors = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """Two convolutions by their outputs, and the last tensor before any movement between them."""

    first: str
    second: str
    between: str


@dataclass(frozen=True)
class PairFactors:
    """Factors of one pair; its filters are known by `filter_key` of their FP32 weights.

    Attributes:
        first: filters that are divided, with their biases, one factor each; "" where it is 1.
        second: filters whose weights are multiplied, column by column, or, depthwise, one factor each.
        factors: per channel.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    factors: tuple[float, ...]
    depthwise: bool


@dataclass(frozen=True)
class Equalization:
    """Pairs of convolutions with their factors."""

    pairs: tuple[PairFactors, ...] = ()

    @cached_property
    def rows(self) -> dict[str, float]:
        """What a filter and its bias are divided by."""
        return {k: s for pair in self.pairs for k, s in zip(pair.first, pair.factors, strict=True) if k}

    @cached_property
    def columns(self) -> dict[str, Factors]:
        """What a filter's weights are multiplied by, [I]."""
        found: dict[str, Factors] = {}
        for pair in self.pairs:
            s = np.asarray(pair.factors)
            found.update({k: s[[i]] if pair.depthwise else s for i, k in enumerate(pair.second) if k})
        return found

    def among(self, weights: Iterable[Array]) -> Equalization:
        """The pairs that are whole among the weights [O, I, kH, kW] of a file."""
        held = {filter_key(one) for weight in weights for one in weight} | {""}
        return Equalization(tuple(one for one in self.pairs if held.issuperset(one.first + one.second)))

    def save(self, path: Path) -> None:
        """Writes the factors as JSON."""
        write_json(path, {"schema_version": 1, "pairs": [asdict(one) for one in self.pairs]})

    @staticmethod
    def load(path: Path) -> Equalization:
        """Factors from `save`.

        Raises:
            InputError: missing, or altered beyond reading.
        """
        raw = read_json(path)
        try:
            return Equalization(
                tuple(
                    PairFactors(
                        tuple(one["first"]),
                        tuple(one["second"]),
                        tuple(float(s) for s in one["factors"]),
                        bool(one["depthwise"]),
                    )
                    for one in raw["pairs"]
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path} holds no factors: {error!r}", "run `iast-export calibrate` again"
            ) from error

    def changed(self, weight: Array, bias: Array | None) -> tuple[Array, Array | None] | None:
        """A convolution's weight [O, I, kH, kW] and bias after their factors; None where it has none."""
        keys = [filter_key(one) for one in weight] if self.pairs else []
        if not any(key in self.rows or key in self.columns for key in keys):
            return None
        one = np.ones(weight.shape[1])
        rows = np.array([self.rows.get(key, 1.0) for key in keys])
        columns = np.stack([self.columns.get(key, one) for key in keys])
        made = weight * columns[:, :, None, None] / rows[:, None, None, None]
        return made.astype(np.float32), None if bias is None else (bias / rows).astype(np.float32)


def find_pairs(graph: onnx.GraphProto) -> list[Pair]:
    """Every convolution that alone feeds another one, dense or depthwise, in the order of the graph."""
    index = index_graph(graph)
    pairs = []
    for node in graph.node:
        if conv_weight(index, node) is None:
            continue
        between, reader = node.output[0], _only_reader(index, node.output[0])
        while reader is not None and (reader.op_type == "Relu" or _keeps_channels(reader)):
            between = reader.output[0] if reader.op_type == "Relu" else between
            reader = _only_reader(index, reader.output[0])
        if reader is not None and column_maxima(index, reader) is not None:
            pairs.append(Pair(node.output[0], reader.output[0], between))
    return pairs


def _only_reader(index: GraphIndex, name: str) -> onnx.NodeProto | None:
    """The one node that reads a tensor's values; Shape reads its sides alone."""
    readers = [node for node in index.consumers.get(name, []) if node.op_type != "Shape"]
    return readers[0] if len(readers) == 1 and name not in index.outputs else None


Key = tuple[bytes, bytes]


def learn_factors(tiers: Sequence[tuple[onnx.GraphProto, Mapping[str, Factors]]]) -> Equalization:
    """Factors from the values of all tiers together; empty where channels are alike.

    s_c = sqrt(a_c / r_c), a_c the largest value of channel c, r_c its largest weight in the convolution
    that reads it; a depthwise one stays in float and carries all: s_c = a_c. Pairs that not every tier has
    alike are left alone, and so are filters that are not the only ones of their content.

    Args:
        tiers: graph, and by `Pair.between` the largest magnitude of each channel.
    """
    values: dict[Key, Factors] = {}
    weights: dict[Key, tuple[Array, Array]] = {}
    for graph, seen in tiers:
        index = index_graph(graph)
        for pair in find_pairs(graph):
            first, second = (index.constants[index.producers[n].input[1]] for n in (pair.first, pair.second))
            key = first.tobytes(), second.tobytes()
            weights[key] = first, second
            values[key] = np.maximum(values.get(key, 0.0), np.asarray(seen[pair.between], np.float64))
    graphs = [graph for graph, _ in tiers]
    fixed, copies = _fixed_pairs(graphs), _copies(graphs)
    pairs = []
    for key in (one for one in values if one in fixed and _unlike(values[one])):
        first, second = weights[key]
        depthwise = second.shape[1] == 1 and len(second) == len(first)
        keys, reading = ([filter_key(one) for one in weight] for weight in (first, second))
        if not depthwise and any(copies[k] > 1 and one.any() for k, one in zip(reading, second, strict=True)):
            continue
        limits = maxima(second, (0, 2, 3)) if not depthwise else 1.0 / np.maximum(values[key], 1e-12)
        s = settled(values[key] / np.maximum(limits, 1e-12))
        tied = [copies[k] > 1 for k in keys]
        if depthwise:
            tied = [one or copies[k] > 1 for one, k in zip(tied, reading, strict=True)]
        s[tied] = 1.0
        first_keys = tuple("" if copies[k] > 1 else k for k in keys)
        second_keys = tuple("" if copies[k] > 1 else k for k in reading)
        pairs.append(PairFactors(first_keys, second_keys, tuple(s.tolist()), depthwise))
    return Equalization(tuple(pairs))


def _fixed_pairs(graphs: Iterable[onnx.GraphProto]) -> set[Key]:
    """Pairs whose two weights lead to, and follow, the same ones in every tier, and are used once in each."""
    following: dict[bytes, set[bytes]] = {}
    leading: dict[bytes, set[bytes]] = {}
    for graph in graphs:
        index = index_graph(graph)
        held = {n.output[0]: w.tobytes() for n in graph.node if (w := conv_weight(index, n)) is not None}
        ends = [(pair.first, pair.second) for pair in find_pairs(graph)]
        uses = Counter(held.values())
        for way, others in ((following, dict(ends)), (leading, {b: a for a, b in ends})):
            for name, weight in held.items():
                other = held[others[name]] if name in others else b""
                way.setdefault(weight, set()).update({other} if uses[weight] == 1 else {other, b"twice"})
    return {
        (weight, other)
        for weight, others in following.items()
        for other in others
        if len(others) == 1 and other and leading[other] == {weight}
    }


def _copies(graphs: Iterable[onnx.GraphProto]) -> Counter[str]:
    """How often each filter occurs among the different weights of all tiers."""
    weights: dict[bytes, Array] = {}
    for graph in graphs:
        index = index_graph(graph)
        found = [w for node in graph.node if (w := conv_weight(index, node)) is not None]
        weights.update({one.tobytes(): one for one in found})
    return Counter(filter_key(one) for weight in weights.values() for one in weight)


def _unlike(values: Factors) -> bool:
    used = values[values > 0]
    return used.size > 1 and bool(used.max() > UNLIKE * np.median(used))


def equalize_onnx(graph: onnx.GraphProto, factors: Equalization) -> None:
    """Applies factors to an FP32 graph, in place."""
    index = index_graph(graph)
    for node in graph.node:
        weight = conv_weight(index, node)
        made = factors.changed(weight, index.constant(node, 2)) if weight is not None else None
        if made is not None:
            node.input[1] = add_constant(graph, f"{node.input[1]}_equalized", made[0])
            if made[1] is not None:
                node.input[2] = add_constant(graph, f"{node.input[2]}_equalized", made[1])


def write_equalized_onnx(source: Path, target: Path, factors: Equalization) -> None:
    """Writes an FP32 file with factors applied, all tensors of values by the same names."""
    model = load_model(source)
    equalize_onnx(model.graph, factors)
    prune(model.graph)
    save_model(model, target)


def largest_by_channel(observe: Observe, feeds: Iterable[Feeds]) -> dict[str, Factors]:
    """The largest magnitude of each channel, outliers left out, by tensor [N, C, H, W]."""
    largest: dict[str, Factors] = {}
    for feed in feeds:
        for name, values in observe(feed):
            seen = np.percentile(np.abs(values), _SHARE, axis=(0, 2, 3))
            largest[name] = np.maximum(largest.get(name, 0.0), seen)
    return largest


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


def settled(ratio: Factors) -> Factors:
    """Roots, of geometric mean 1 and within limits; a channel that is zero throughout keeps its scale."""
    used = ratio > 0
    roots = np.sqrt(np.where(used, ratio, 1.0))
    if used.any():
        roots = roots / np.exp(np.mean(np.log(roots[used])))
    return np.where(used, np.clip(roots, _SMALLEST, _LARGEST), 1.0)
