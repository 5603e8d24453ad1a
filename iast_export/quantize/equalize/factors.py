"""Cross-layer equalization: channels that share one scale are made alike.

After Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019).
Between two convolutions with nothing but ReLU and movements between them, channel c of the first
may be divided by s_c and the second's weights for it multiplied: the network stays the same.
Nagel's s_c balances the weights of both. Here weights have a scale per channel, while the tensor
between has one for all, so s_c comes from its values: it makes channels alike of which one would
else take the levels of all others. So it is with several convolutions whose results are
concatenated: a branch that is a hundred times smaller than its neighbor would lose its levels.
Before an instance normalization channels are free (`norms.learn_norm_factors`). Factors are common
to all tiers, which share their weights, and known by the content of the filters, as learned
rounding is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from iast_export.errors import InputError
from iast_export.files.artifacts import read_json, write_json
from iast_export.formats.onnx_graph import Array, index_graph, load_model, prune, save_model
from iast_export.forms.edit import add_constant, conv_weight
from iast_export.quantize.equalize.norms import (
    ChannelSpread,
    NormFactors,
    NormTier,
    find_normalized,
    fingerprints,
    learn_norm_factors,
)
from iast_export.quantize.equalize.pairs import (
    Factors,
    Key,
    PairTier,
    Weights,
    fixed_pairs,
    maxima,
    tensors_to_see,
    weigh,
)
from iast_export.quantize.observers import Feeds, observe_onnx
from iast_export.quantize.onnx.layers import filter_key

# Largest channel over the median from which channels are made alike. Chosen between what was seen:
# at most 2 in the packaged network, which is left as it is, more in the AdaIN fixture, which gains
# (benchmarks/quantization/adain/ablation.md: 40.5 to 41.7 dB).
UNLIKE = 4.0
# Percent of a channel's values that count, as one far value would decide alone; chosen.
_SHARE = 99.99
# Of a factor; chosen: what it moves into the next weights stays far from float32's ends.
_SMALLEST, _LARGEST = 1e-2, 1e2


@dataclass(frozen=True)
class PairFactors:
    """Factors of one pair; its filters are known by `filter_key` of their FP32 weights.

    Attributes:
        first: filters that are divided, with their biases, one factor each; "" where it is 1.
        second: filters whose weights are multiplied, column by column, or, depthwise, one factor
            each.
        factors: per channel.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    factors: tuple[float, ...]
    depthwise: bool


@dataclass(frozen=True)
class Equalization:
    """Pairs of convolutions, and convolutions before a normalization, with their factors."""

    pairs: tuple[PairFactors, ...] = ()
    norms: tuple[NormFactors, ...] = ()

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return bool(self.pairs or self.norms)

    @cached_property
    def rows(self) -> dict[str, float]:
        """What a filter and its bias are divided by."""
        return {
            k: s for pair in self.pairs for k, s in zip(pair.first, pair.factors, strict=True) if k
        }

    @cached_property
    def columns(self) -> dict[str, Factors]:
        """What a filter's weights are multiplied by, [I]."""
        found: dict[str, Factors] = {}
        for pair in self.pairs:
            s = np.asarray(pair.factors)
            found.update(
                {k: s[[i]] if pair.depthwise else s for i, k in enumerate(pair.second) if k}
            )
        return found

    def among(self, weights: Iterable[Array]) -> Equalization:
        """What is whole among the weights [O, I, kH, kW] of a file."""
        given = list(weights)
        held = {filter_key(one) for weight in given for one in weight} | {""}
        prints = np.concatenate([np.empty((0, 3)), *map(fingerprints, given)])
        return Equalization(
            tuple(one for one in self.pairs if held.issuperset(one.first + one.second)),
            tuple(
                one
                for one in self.norms
                if len({*one.found_among(prints)} - {-1}) == len(one.filters)
            ),
        )

    def save(self, path: Path) -> None:
        """Writes the factors as JSON."""
        made = {
            "pairs": [asdict(one) for one in self.pairs],
            "norms": [asdict(one) for one in self.norms],
        }
        write_json(path, {"schema_version": 1, **made})

    @staticmethod
    def load(path: Path) -> Equalization:
        """Factors from `save`.

        Raises:
            InputError: missing, or altered beyond reading.
        """
        raw = read_json(path)
        try:
            return Equalization(
                tuple(_pair(one) for one in raw["pairs"]), tuple(_norm(one) for one in raw["norms"])
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"{path} holds no factors: {error!r}", "run `iast-export calibrate` again"
            ) from error

    def changed(self, weight: Array, bias: Array | None) -> tuple[Array, Array | None] | None:
        """A convolution's weight [O, I, kH, kW] and bias after their factors; None: no factors."""
        if not self:
            return None
        keys, ones = [filter_key(one) for one in weight], np.ones(weight.shape[1])
        rows = np.array([self.rows.get(key, 1.0) for key in keys])
        columns = np.stack([_fitting(self.columns.get(key, ones), ones) for key in keys])
        shifts, found = np.zeros(len(weight)), {*keys} & {*self.rows, *self.columns} != set()
        for one in self.norms:
            place = one.found_among(fingerprints(weight))
            held = place >= 0
            rows[held] *= np.asarray(one.factors)[place[held]]
            shifts[held] = np.asarray(one.shifts)[place[held]]
            found |= bool(held.any())
        if not found:
            return None
        made = weight * columns[:, :, None, None] / rows[:, None, None, None]
        moved = None if bias is None else ((bias - shifts) / rows).astype(np.float32)
        return made.astype(np.float32), moved


def _pair(raw: Mapping[str, Any]) -> PairFactors:
    made = PairFactors(
        _texts(raw["first"]),
        _texts(raw["second"]),
        _numbers(raw["factors"]),
        bool(raw["depthwise"]),
    )
    held = len(made.factors)
    if (
        len(made.first) != held
        or (made.depthwise and len(made.second) != held)
        or min(made.factors) <= 0
    ):
        raise ValueError("a pair's filters and factors don't belong together")
    return made


def _norm(raw: Mapping[str, Any]) -> NormFactors:
    filters = tuple((a, b, c) for a, b, c in map(_numbers, raw["filters"]))
    made = NormFactors(filters, _numbers(raw["factors"]), _numbers(raw["shifts"]))
    if not len(made.filters) == len(made.factors) == len(made.shifts) or min(made.factors) <= 0:
        raise ValueError("a normalization's filters and factors don't belong together")
    return made


def _texts(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(one, str) for one in raw):
        raise TypeError("a list of texts was needed")
    return tuple(raw)


def _numbers(raw: object) -> tuple[float, ...]:
    """Finite numbers, written as numbers."""
    if not isinstance(raw, list) or not all(type(one) in (int, float) for one in raw):
        raise TypeError("a list of numbers was needed")
    found = tuple(float(one) for one in raw)
    if not np.isfinite(found).all():
        raise ValueError("a number is not finite")
    return found


def _fitting(factors: Factors, ones: Factors) -> Factors:
    """Factors of a weight's columns.

    Raises:
        InputError: as many as another weight has.
    """
    if len(factors) != len(ones):
        raise InputError(
            f"{len(factors)} factors for the {len(ones)} inputs of a filter",
            "run `iast-export calibrate` again",
        )
    return factors


def learn_equalization(
    files: Iterable[tuple[Path, Iterable[Feeds]]], threads: int = 1
) -> Equalization:
    """What makes the channels of a network alike, from the FP32 file and some feeds of each tier.

    Raises:
        InputError: a file can't be read.
    """
    seen = [see_channels(path, feeds, threads) for path, feeds in files]
    return learn_factors([tier for tier, _ in seen], [norms for _, norms in seen])


def learn_factors(tiers: Sequence[PairTier], normalized: Sequence[NormTier] = ()) -> Equalization:
    """Factors from the values of all tiers together; empty where channels are alike.

    s_c = sqrt(a_c / r_c), a_c the largest value of channel c, r_c its largest weight in the
    convolution that reads it; a depthwise one stays in float and carries all: s_c = a_c. Pairs that
    not every tier has alike are left alone, and so are filters that are not the only ones of their
    content.

    Args:
        tiers, normalized: both from `see_channels`.
    """
    values: dict[Key, Factors] = {}
    weights: dict[Key, Weights] = {}
    for tier in tiers:
        for one in weigh(tier):
            seen = np.asarray(tier[1][one.pair.between], np.float64)
            weights[one.key] = one
            values[one.key] = np.maximum(values.get(one.key, 0.0), seen)
    fixed, copies = fixed_pairs(tiers), _copies(graph for graph, _ in tiers)
    made = [_factors(values[key], one, copies) for key, one in weights.items() if key in fixed]
    pairs = tuple(one for one in made if one is not None)
    return Equalization(pairs, learn_norm_factors(normalized))


def _factors(values: Factors, weights: Weights, copies: Mapping[str, int]) -> PairFactors | None:
    """The factors of one pair; None: its channels are alike, or its filters are not unique."""
    widths = [one if isinstance(one, int) else len(one) for one in weights.firsts]
    if not _unlike(np.split(values, np.cumsum(widths)[:-1])):
        return None
    second = weights.second
    reading = [filter_key(one) for one in second]
    depthwise = second.shape[1] == 1 and len(second) == len(values)
    if not depthwise and any(
        copies[k] > 1 and one.any() for k, one in zip(reading, second, strict=True)
    ):
        return None
    keys = [
        k
        for one in weights.firsts
        for k in ([""] * one if isinstance(one, int) else map(filter_key, one))
    ]
    kept = np.array([not k or copies[k] > 1 for k in keys])
    if depthwise:
        kept |= np.array([copies[k] > 1 for k in reading])
    limits = maxima(second, (0, 2, 3)) if not depthwise else 1.0 / np.maximum(values, 1e-12)
    s = settled(values / np.maximum(limits, 1e-12), kept)
    first_keys = tuple("" if copies[k] > 1 else k for k in keys)
    second_keys = tuple("" if copies[k] > 1 else k for k in reading)
    return PairFactors(first_keys, second_keys, tuple(s.tolist()), depthwise)


def _copies(graphs: Iterable[onnx.GraphProto]) -> Counter[str]:
    """How often each filter occurs among the different weights of all tiers."""
    weights: dict[bytes, Array] = {}
    for graph in graphs:
        index = index_graph(graph)
        found = [w for node in graph.node if (w := conv_weight(index, node)) is not None]
        weights.update({one.tobytes(): one for one in found})
    return Counter(filter_key(one) for weight in weights.values() for one in weight)


def _unlike(branches: Sequence[Factors]) -> bool:
    """Whether one channel takes the levels of half a branch, its own or another.

    The median over all channels would miss branches of unlike size: it may lie in the larger one.
    """
    used = [branch[branch > 0] for branch in branches]
    medians = [np.median(one) for one in used if one.size]
    largest = max((one.max() for one in used if one.size), default=0.0)
    return any(largest > UNLIKE * median for median in medians)


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


def see_channels(
    fp32_path: Path, feeds: Iterable[Feeds], threads: int = 1
) -> tuple[PairTier, NormTier]:
    """The graph of an FP32 file with what factors are learned from, outliers left out.

    Returns:
        The largest magnitude of each channel of `tensors_to_see`, and the values before
        normalizations.
    """
    graph = load_model(fp32_path).graph
    between, normalized = tensors_to_see(graph), {one.tensor for one in find_normalized(graph)}
    names = sorted(normalized.union(between))
    observe = observe_onnx(fp32_path, names, threads)
    largest: dict[str, Factors] = {}
    spreads: dict[str, ChannelSpread] = {}
    for feed in feeds if names else ():
        for name, values in observe(feed):
            if name in between:
                seen = np.percentile(np.abs(values), _SHARE, axis=(0, 2, 3))
                largest[name] = np.maximum(largest.get(name, 0.0), seen)
            if name in normalized:
                spread = ChannelSpread.of(values)
                spreads[name] = spreads[name].joined(spread) if name in spreads else spread
    return (graph, largest), (graph, spreads)


def settled(ratio: Factors, kept: NDArray[np.bool_] | None = None) -> Factors:
    """Roots within limits; a channel that is zero throughout keeps its scale.

    Args:
        ratio: per channel.
        kept: channels whose factor is 1. The others become like them, so the roots of these have a
            geometric mean of 1; those of all, where none is kept.
    """
    used = ratio > 0
    roots = np.sqrt(np.where(used, ratio, 1.0))
    fixed = used & kept if kept is not None else np.zeros_like(used)
    like = fixed if fixed.any() else used
    if like.any():
        roots = roots / np.exp(np.mean(np.log(roots[like])))
    return np.where(used & ~fixed, np.clip(roots, _SMALLEST, _LARGEST), 1.0)
