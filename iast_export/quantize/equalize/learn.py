"""Factors from values: what channels that share a scale are divided by, so that they are alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from iast_export.formats.onnx_graph import Array
from iast_export.quantize.equalize.channels import Channels, Followed, Ids, Layer, Scaled, Values
from iast_export.quantize.equalize.nodes import Node

# Largest channel over the median from which channels are made alike. Chosen between what was seen:
# at most 2 in the packaged network, which is left as it is, more in the AdaIN fixture, which gains
# (benchmarks/quantization/adain/ablation.md: 40.5 to 41.7 dB).
UNLIKE = 4.0
# Percent of a channel's values that count, as one far value would decide alone; chosen.
_SHARE = 99.99
# Of a factor; chosen: what it moves into the next weights stays far from float32's ends.
_SMALLEST, _LARGEST = 1e-2, 1e2
# A normalization of fixed epsilon: as `norms`.
_VARIANCE_TO_EPSILON = 1000.0
# Places of a channel that are looked at in one picture; chosen: 99.99 % leave out one or two.
_MOST_PLACES = 1 << 14
Row = tuple[Ids, Values]
"""Channels, and a value of each."""
_MOVES = ("DepthToSpace", "MaxPool", "Pad", "Resize", "SpaceToDepth")


@dataclass
class Seen:
    """The largest magnitude, and the least variance, of the channels of a graph's tensors.

    Attributes:
        tensors: those that integers may hold: what convolutions and sums read, before movements.
    """

    followed: Followed
    largest: dict[str, Values] = field(default_factory=dict)
    variance: dict[str, Values] = field(default_factory=dict)

    @cached_property
    def tensors(self) -> dict[str, Scaled]:
        held, sizes = self.followed.tensors, self.followed.graph.sizes
        makers = {name: node for node in self.followed.graph.nodes for name in node.outputs}
        readers: dict[str, list[Node]] = {}
        for node in self.followed.graph.nodes:
            for name in node.inputs:
                readers.setdefault(name, []).append(node)
        found = set(self.followed.normalized)
        for node in self.followed.graph.nodes:
            if node.type == "Conv":
                found.add(_clamped(node.outputs[0], readers))
            if node.type in ("Add", "Conv", "Sub"):
                read = node.inputs[:1] if node.type == "Conv" else node.inputs
                found.update(_root(name, makers) for name in read)
        return {
            name: held[name]
            for name in sorted(found & set(held))
            if (held[name].axis, held[name].power) == (1, 1.0)
            and len(sizes.get(name, ())) == 4
            and not all(side == 1 for side in sizes[name][2:])
        }

    def add(self, name: str, values: Array) -> None:
        """Counts the values [N, C, H, W] of a tensor over one picture."""
        if name not in self.tensors:
            return
        step = max(1, int(np.sqrt(values[0, 0].size / _MOST_PLACES)))
        seen = np.percentile(np.abs(values[:, :, ::step, ::step]), _SHARE, axis=(0, 2, 3))
        self.largest[name] = np.maximum(self.largest.get(name, 0.0), seen)
        if name in self.followed.normalized:
            spread = values.var(axis=(2, 3), dtype=np.float64).min(axis=0)
            self.variance[name] = np.minimum(self.variance.get(name, np.inf), spread)


def _root(name: str, makers: Mapping[str, Node]) -> str:
    while (maker := makers.get(name)) is not None and maker.type in _MOVES:
        name = maker.inputs[0]
    return name


def _clamped(name: str, readers: Mapping[str, list[Node]]) -> str:
    """The ReLU that alone reads a tensor, or the tensor itself."""
    found = readers.get(name, [])
    return found[0].outputs[0] if len(found) == 1 and found[0].type == "Relu" else name


def learn_factors(tiers: Sequence[Seen], channels: Channels) -> dict[str, float]:
    """Factors from the values of all tiers together, by what channels are known by.

    Empty where channels are alike. s_c = sqrt(a_c / r_c), a_c the largest value of channel c, r_c
    its largest weight in the convolutions that read it, each over the median of its tensor; where
    depthwise ones alone read it, whose weights have a scale per channel, s_c = a_c.
    """
    rows = [
        (channels.roots(one.ids), seen.largest[name])
        for seen in tiers
        for name, one in seen.tensors.items()
        if name in seen.largest
    ]
    layers = [layer for seen in tiers for layer in seen.followed.layers]
    held = _Held(channels, rows, layers)
    factors = np.ones(channels.count)
    for group in held.groups():
        factors[group] = held.factors(group)
    for seen in tiers:
        _bear(seen, channels, held, factors)
    return {key: float(factors[root]) for key, root in channels.known.items() if factors[root] != 1}


class _Held:
    """What is known of every set of channels.

    Attributes:
        sizes: largest values; 0: none was seen.
        weights: largest weights that read it; 0: no dense ones.
        kept_sizes, kept_weights: of the channels beside it that keep their factors; 0: none.
        together: the channels that share a tensor, with all that share one with these.
    """

    def __init__(self, channels: Channels, rows: Sequence[Row], layers: Sequence[Layer]) -> None:
        self.channels, self.rows = channels, rows
        read = [one for layer in layers if (one := _weights(layer, channels)) is not None]
        self.sizes, self.kept_sizes = _fitted(rows, channels.count)
        self.weights, self.kept_weights = _fitted(read, channels.count)
        self.together = Channels()
        self.together.new(channels.count - 1)
        for ids, _ in rows:
            free = ids[ids > 0]
            self.together.unite(free, free[:1] if free.size else free)
        self.writers = np.zeros(channels.count, np.intp)
        for number, layer in enumerate(layers, start=1):
            self.writers[channels.roots(layer.written)] = number

    def groups(self) -> Iterator[Ids]:
        """Channels to find factors for together: of unlike size in one of their tensors."""
        unlike = {
            int(self.together.roots(ids[ids > 0])[0])
            for ids, seen in self.rows
            if np.any(ids > 0) and self._are_unlike(ids, seen)
        }
        every = np.arange(self.channels.count)
        own = every[(self.channels.roots(every) == every) & (every > 0)]
        of = self.together.roots(own)
        yield from (own[of == one] for one in sorted(unlike))

    def _are_unlike(self, ids: Ids, seen: Values) -> bool:
        """Whether one channel takes the levels of half a branch, its own or another.

        The median over all channels would miss branches of unlike size: it may lie in the larger
        one.
        """
        writers = self.writers[ids]
        branches = (seen[(writers == one) & (seen > 0)] for one in np.unique(writers))
        return any(seen.max() > UNLIKE * np.median(one) for one in branches if one.size)

    def has_kept(self, group: Ids) -> bool:
        """Whether a tensor holds channels beside these that keep their factors."""
        return bool(self.kept_sizes[group].any())

    def factors(self, group: Ids) -> Values:
        """The factors of a group."""
        sizes = _over_usual(self.sizes[group], self.kept_sizes[group])
        weights = _over_usual(self.weights[group], self.kept_weights[group])
        ratio = sizes / np.where(weights > 0, weights, 1.0 / np.where(sizes > 0, sizes, 1.0))
        return settled(ratio, not self.has_kept(group))


def _fitted(rows: Sequence[Row], count: int) -> tuple[Values, Values]:
    """The largest value of each channel over all rows, and the median of kept ones beside it.

    Rows that hold the same channels in another size, as a branch and its sum do, count alike: each
    is measured by what is usual in it.
    """
    found, kept = np.zeros(count), np.zeros(count)
    for ids, values in rows:
        np.maximum.at(found, ids, values)
    scaled = np.zeros(count)
    for ids, values in rows:
        used = (ids > 0) & (values > 0)
        usual = np.median(values[used] / found[ids[used]]) if used.any() else 1.0
        beside = values[(ids == 0) & (values > 0)]
        if beside.size:
            kept[ids[ids > 0]] = np.maximum(kept[ids[ids > 0]], np.median(beside))
        np.maximum.at(scaled, ids, values / (1.0 if beside.size else usual))
    return scaled, kept


def _weights(layer: Layer, channels: Channels) -> Row | None:
    """What a dense layer's largest weights are for the channels that it reads."""
    weight = layer.node.weight
    if layer.read is None or weight is None or weight.shape[1] == 1:
        return None
    groups = len(layer.read) // weight.shape[1]
    parts = np.abs(weight.reshape(groups, -1, *weight.shape[1:])).max(axis=(1, 3, 4))
    return channels.roots(layer.read), parts.reshape(-1).astype(np.float64)


def _over_usual(values: Values, kept: Values) -> Values:
    """Values over what is usual among kept channels beside them, or, without any, among all."""
    used = kept[kept > 0] if kept.any() else values[values > 0]
    return values / np.median(used) if used.size else values


def settled(ratio: Values, free: bool = True) -> Values:
    """Roots within limits; a channel that is zero throughout has 1.

    Args:
        ratio: per channel.
        free: only these channels share a scale, so the roots get a geometric mean of 1.
    """
    used = ratio > 0
    roots = np.sqrt(np.where(used, ratio, 1.0))
    if used.any() and free:
        roots = roots / np.exp(np.mean(np.log(roots[used])))
    return np.where(used, np.clip(roots, _SMALLEST, _LARGEST), 1.0)


def _bear(seen: Seen, channels: Channels, held: _Held, factors: Values) -> None:
    """Keeps variances above a normalization's epsilon, in place: its part may not change."""
    for name, epsilon in seen.followed.normalized.items():
        ids = channels.roots(seen.followed.tensors[name].ids)
        if name not in seen.variance:
            factors[ids] = 1.0
            continue
        free = ids[ids > 0]
        if free.size and not held.has_kept(free):
            every = np.arange(channels.count)
            group = held.together.roots(every) == held.together.roots(free[:1])
            factors[group] /= factors[group & (held.sizes > 0)].max(initial=_SMALLEST)
        bears = seen.variance[name] >= _VARIANCE_TO_EPSILON * epsilon * np.maximum(
            factors[ids] ** 2, 1.0
        )
        factors[ids[~bears]] = 1.0
