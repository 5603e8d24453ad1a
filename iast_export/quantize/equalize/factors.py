"""Cross-layer equalization: channels that share one scale are made alike.

After Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction" (2019).
Channels may be divided by factors of their own wherever what reads them takes the factors up
(`channels.follow`): weights, biases and what is read per channel change, codes among them, and the
network stays the same. Nagel's factors balance the weights of two layers. Here weights have a scale
per channel, while a tensor between has one for all, so factors come from its values: they make
channels alike of which one would else take the levels of all others. So it is with several branches
that are concatenated, and along a residual trunk, all of whose sums share their channels.

Before an instance normalization that alone reads a convolution its mean is free as well
(`norms.learn_norm_factors`). Factors are common to all tiers, which share their weights, and known
by the content of the filters that write and read a channel, as learned rounding is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from iast_export.errors import InputError
from iast_export.files.artifacts import read_json, write_json
from iast_export.formats.onnx_graph import Array, load_model, prune, save_model
from iast_export.forms.edit import add_constant, unused_name
from iast_export.quantize.equalize.channels import Channels, Followed, Ids, Layer, Values, follow
from iast_export.quantize.equalize.learn import Seen, learn_factors
from iast_export.quantize.equalize.nodes import nodes_of_onnx
from iast_export.quantize.equalize.norms import (
    ChannelSpread,
    NormFactors,
    NormTier,
    find_normalized,
    fingerprints,
    learn_norm_factors,
)
from iast_export.quantize.observers import Feeds, observe_onnx


@dataclass(frozen=True)
class Equalization:
    """Factors of channels, and of convolutions before a normalization.

    Attributes:
        channels: by what a channel is known by (`channels.row_keys`, `column_keys`); not those
            of 1.
    """

    channels: Mapping[str, float] = field(default_factory=dict)
    norms: tuple[NormFactors, ...] = ()

    def __bool__(self) -> bool:
        """Whether it changes anything."""
        return bool(self.channels or self.norms)

    def of(self, channels: Channels) -> Callable[[Ids], Values]:
        """The factors of a file's channels; 1 where its filters don't agree on one."""
        held: dict[int, set[float]] = {}
        for key, root in channels.known.items():
            if key in self.channels and root:
                held.setdefault(root, set()).add(self.channels[key])
        factors = {root: found.pop() for root, found in held.items() if len(found) == 1}

        def factor_of(ids: Ids) -> Values:
            return np.array([factors.get(int(one), 1.0) for one in channels.roots(ids)])

        return factor_of

    def changed(
        self, layer: Layer, factor_of: Callable[[Ids], Values]
    ) -> tuple[Array, Array | None] | None:
        """A convolution's weight [O, I, kH, kW] and bias after their factors; None: no factors."""
        weight, bias = layer.node.weight, layer.node.bias
        assert weight is not None
        rows, shifts = factor_of(layer.written), np.zeros(len(weight))
        for one in self.norms:
            place = one.found_among(fingerprints(weight))
            held = place >= 0
            rows[held] *= np.asarray(one.factors)[place[held]]
            shifts[held] = np.asarray(one.shifts)[place[held]]
        columns = np.ones((len(weight), weight.shape[1]))
        if layer.read is not None:
            groups = len(layer.read) // weight.shape[1]
            columns = factor_of(layer.read).reshape(groups, -1).repeat(len(weight) // groups, 0)
        if not (np.any(rows != 1) or np.any(shifts) or np.any(columns != 1)):
            return None
        made = weight * columns[:, :, None, None] / rows[:, None, None, None]
        moved = None if bias is None else ((bias - shifts) / rows).astype(np.float32)
        return made.astype(np.float32), moved

    def save(self, path: Path) -> None:
        """Writes the factors as JSON."""
        made = {
            "channels": dict(sorted(self.channels.items())),
            "norms": [asdict(one) for one in self.norms],
        }
        write_json(path, {"schema_version": 2, **made})

    @staticmethod
    def load(path: Path) -> Equalization:
        """Factors from `save`.

        Raises:
            InputError: missing, or altered beyond reading.
        """
        raw = read_json(path)
        try:
            held = raw["channels"]
            factors = _numbers(list(held.values()))
            if min(factors, default=1.0) <= 0:
                raise ValueError("a factor is not above 0")
            made = dict(zip(held, factors, strict=True))
            return Equalization(made, tuple(_norm(one) for one in raw["norms"]))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"{path} holds no factors: {error!r}", "run `iast-export prepare` again"
            ) from error


def _norm(raw: Mapping[str, Any]) -> NormFactors:
    filters = tuple((a, b, c) for a, b, c in map(_numbers, raw["filters"]))
    made = NormFactors(filters, _numbers(raw["factors"]), _numbers(raw["shifts"]))
    if not len(made.filters) == len(made.factors) == len(made.shifts) or min(made.factors) <= 0:
        raise ValueError("a normalization's filters and factors don't belong together")
    return made


def _numbers(raw: object) -> tuple[float, ...]:
    """Finite numbers, written as numbers."""
    if not isinstance(raw, list) or not all(type(one) in (int, float) for one in raw):
        raise TypeError("a list of numbers was needed")
    found = tuple(float(one) for one in raw)
    if not np.isfinite(found).all():
        raise ValueError("a number is not finite")
    return found


def learn_equalization(
    files: Iterable[tuple[Path, Iterable[Feeds]]], threads: int = 1
) -> Equalization:
    """What makes the channels of a network alike, from the FP32 file and some feeds of each tier.

    Raises:
        InputError: a file can't be read.
    """
    channels = Channels()
    seen = [see_channels(path, feeds, channels, threads) for path, feeds in files]
    factors = learn_factors([one for one, _ in seen], channels)
    return Equalization(factors, learn_norm_factors([norms for _, norms in seen]))


def _followed(graph: onnx.GraphProto, channels: Channels) -> Followed:
    """A graph's channels; a convolution that `norms` is in charge of keeps its own."""
    kept = [one.conv for one in find_normalized(graph)]
    return follow(nodes_of_onnx(graph), channels, kept)


def see_channels(
    fp32_path: Path, feeds: Iterable[Feeds], channels: Channels, threads: int = 1
) -> tuple[Seen, NormTier]:
    """What the channels of an FP32 file's tensors take over some feeds, outliers left out.

    Args:
        fp32_path: its channels are added to `channels`.
        feeds: by name.
        channels: of all tiers.

    Returns:
        What factors of channels are learned from, and the values before normalizations.
    """
    graph = load_model(fp32_path).graph
    seen = Seen(_followed(graph, channels))
    normalized = {name for one in find_normalized(graph) for name in (one.tensor, one.read)}
    names = sorted(normalized.union(seen.tensors))
    observe = observe_onnx(fp32_path, names, threads)
    spreads: dict[str, ChannelSpread] = {}
    for feed in feeds if names else ():
        for name, values in observe(feed):
            seen.add(name, values)
            if name in normalized:
                spread = ChannelSpread.of(values)
                spreads[name] = spreads[name].joined(spread) if name in spreads else spread
    return seen, (graph, spreads)


def equalize_onnx(graph: onnx.GraphProto, factors: Equalization) -> None:
    """Applies factors to an FP32 graph, in place."""
    channels = Channels()
    followed = _followed(graph, channels) if factors else Followed(nodes_of_onnx(graph))
    factor_of = factors.of(channels)
    for layer in followed.layers:
        node, made = graph.node[layer.node.position], factors.changed(layer, factor_of)
        for place, value in enumerate(made or (), start=1):
            if value is not None:
                node.input[place] = add_constant(graph, f"{node.input[place]}_equalized", value)
    _correct(graph, followed, factor_of)


def _correct(
    graph: onnx.GraphProto, followed: Followed, factor_of: Callable[[Ids], Values]
) -> None:
    """Lets operators read what they read per channel times factors, in place."""
    ahead: dict[tuple[int, int], onnx.NodeProto] = {}
    made: dict[tuple[str, bytes], str] = {}
    for one in followed.corrections:
        values = one.values(factor_of).astype(np.float32)
        if np.all(values == 1):
            continue
        key, constant = (one.tensor, values.tobytes()), followed.graph.constants.get(one.tensor)
        if key not in made and constant is not None:
            made[key] = add_constant(graph, f"{one.tensor}_equalized", constant * values)
        elif key not in made:
            factor = add_constant(graph, f"{one.tensor}_factors", values)
            made[key] = name = unused_name(graph, f"{one.tensor}_equalized")
            node = helper.make_node("Mul", [one.tensor, factor], [name], name)
            ahead[one.node.position, one.place] = node
        graph.node[one.node.position].input[one.place] = made[key]
    nodes = [
        node
        for n, last in enumerate(map(_copy, graph.node))
        for node in (*(ahead[at] for at in sorted(ahead) if at[0] == n), last)
    ]
    del graph.node[:]
    graph.node.extend(nodes)


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy


def write_equalized_onnx(source: Path, target: Path, factors: Equalization) -> None:
    """Writes an FP32 file with factors applied, all tensors of values by the same names."""
    model = load_model(source)
    equalize_onnx(model.graph, factors)
    prune(model.graph)
    save_model(model, target)
