"""Which tensors are quantized, and which share a scale because they hold the same values.

A movement's result shares scale and zero point with the tensor that it moves, its *root*. A
concatenation of several is a root itself: what leads to it alone is quantized at its scale, so that
nothing is requantized.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from iast_export.decide.flow import Flow
from iast_export.decide.graph import Bounds, Op

SWISH_ZERO = -3.0  # what lies below gives zero in a hard swish, and needs no levels


@dataclass(frozen=True)
class Root:
    """A tensor that is quantized: where its range comes from and what bounds it.

    Attributes:
        range_name: the tensor of the FP32 file with the same values.
        low, high: bounds that a clamp sets; None: unbounded.
        exact: the bounds are the range, whatever was measured.
    """

    range_name: str
    low: float | None = None
    high: float | None = None
    exact: bool = False


@dataclass(frozen=True)
class Scales:
    """The scales of the tensors that integers read and write.

    Attributes:
        root_of: for each tensor, the root whose scale it has; a root may have another's.
        own: every tensor that would have a scale of its own if concatenations shared none.
        moved: results of concatenations at another's scale: they only move values.
    """

    root_of: Mapping[str, str]
    own: Mapping[str, Root]
    moved: Collection[str]

    @property
    def roots(self) -> dict[str, Root]:
        """The tensors that are quantized, from floats or sums of products."""
        return {name: root for name, root in self.own.items() if name not in self.moved}


def find_scales(flow: Flow, integers: Collection[str]) -> Scales:
    """The scales of all that some operators, by their first outputs, read and write."""
    chosen = [op for op in flow.network.ops if op.name in integers]
    touched = dict.fromkeys(name for op in chosen for name in _touched(flow, op))
    root_of = {name: flow.root(name) for name in touched}
    exact = {root_of[name] for name in flow.network.unit if name in root_of}
    own = {name: _root(flow, name, name in exact) for name, root in root_of.items() if name == root}
    joined = [op for op in chosen if flow.joins(op)]
    for op in joined:
        _share(flow, op, own, root_of)
    return Scales(root_of, own, {op.name for op in joined if root_of[op.name] != op.name})


def _touched(flow: Flow, op: Op) -> Iterator[str]:
    """The tensors that an integer operator reads and writes in integers."""
    folded = flow.policy.clamps_fold and flow.clamps(op)
    parts = flow.policy.concatenation_alone and flow.joins(op)  # quantized for it alone, if at all
    if not folded and not parts:
        yield from op.moved if flow.moves(op) else op.inputs
    if folded or flow.moves(op) or flow.result(op) is op:
        yield op.name


def _root(flow: Flow, name: str, unit: bool) -> Root:
    network = flow.network
    source, (low, high) = network.file_name(name), bounds_of(flow, name)
    reader = network.only_reader(name)
    swishes = "HardSwish" in flow.policy.activations
    if swishes and reader is not None and reader.type == "HardSwish":
        low = SWISH_ZERO if low is None else max(low, SWISH_ZERO)
    if unit:
        return Root(source, 0.0, 1.0, True)
    return Root(source, low, high, source in network.outputs and None not in (low, high))


def bounds_of(flow: Flow, name: str) -> Bounds:
    """What a clamp that folds bounds a root to, or all those before a concatenation."""
    op = flow.network.producers.get(name)
    if op is None or not flow.policy.clamps_fold:
        return None, None
    if op.type != "Concat":
        return (op.bounds if flow.clamps(op) else None) or (None, None)
    found = [bounds_of(flow, flow.root(source)) for source in op.moved]
    lows = [low for low, _ in found if low is not None]
    highs = [high for _, high in found if high is not None]
    return (
        min(lows) if len(lows) == len(found) else None,
        max(highs) if len(highs) == len(found) else None,
    )


def _share(flow: Flow, op: Op, own: Mapping[str, Root], root_of: dict[str, str]) -> None:
    """Gives a concatenation's root to all that moves values there and nowhere else, in place."""
    target = root_of[op.name]
    for source in dict.fromkeys(root_of.get(name, target) for name in op.moved):
        made = source != target and source in flow.network.producers
        if not made or not flow.only_leads_to(source, {op.name}):
            continue
        alike = (own[source].low, own[source].high) == (own[target].low, own[target].high)
        if alike or not flow.policy.clamps_fold:  # a clamp that folds counts on its own bounds
            held = [name for name, root in root_of.items() if root == source]
            root_of.update(dict.fromkeys(held, target))


def rectified_sums(flow: Flow, scales: Scales) -> Iterator[tuple[str, str]]:
    """The roots of both terms of each relu(a + b) that alone reads them, integer or not."""
    network, root_of = flow.network, scales.root_of
    for op in network.ops:
        reader = network.only_reader(op.name)
        rectified = op.bounds == (0.0, None) or (reader is not None and reader.type == "Relu")
        if op.type != "Add" or not rectified or len(op.inputs) != 2:
            continue
        a, b = (root_of.get(name, "") for name in op.inputs)
        terms = [one for one in (a, b) if one in network.producers]
        alone = len(terms) == 2 and all(flow.only_leads_to(one, {op.name}) for one in terms)
        if a != b and alone:
            yield a, b
