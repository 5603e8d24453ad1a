"""Which channels may be divided by a factor of their own, all tensors that hold them together.

A convolution's weights take up any factor of what it reads and any of what it writes. Between them
ReLU, movements and means pass factors on; sums need the same of both sides; what multiplies or is
added per channel, a code, a constant or a statistic, takes up what is needed. So factors pass
through residual trunks, modulation and adaptive instance normalization. Whatever else reads values
needs them as they are, and so does what gives a picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from iast_export.formats.onnx_graph import Array
from iast_export.quantize.equalize.nodes import Node, Nodes, Sizes
from iast_export.quantize.onnx.layers import filter_key

Ids = NDArray[np.intp]
Values = NDArray[np.float64]
_KEPT = 0  # the channel whose factor is 1
_PASSES = frozenset(
    [
        "Abs",
        "AveragePool",
        "Clip",
        "Identity",
        "LeakyRelu",
        "MaxPool",
        "Neg",
        "PRelu",
        "Relu",
        "Resize",
    ]
)
_POWERS = {"Reciprocal": -1.0, "Rsqrt": -0.5, "Sqrt": 0.5, "Square": 2.0}


class Channels:
    """Sets of channels that must have one factor; grows with every graph that is followed."""

    def __init__(self) -> None:
        self._parents = np.zeros(1, np.intp)
        self._known: dict[str, int] = {}

    @property
    def count(self) -> int:
        """How many there are, with the one that is kept."""
        return len(self._parents)

    def new(self, count: int) -> Ids:
        """Channels that may have any factor."""
        made = np.arange(len(self._parents), len(self._parents) + count)
        self._parents = np.concatenate([self._parents, made])
        return made

    def roots(self, ids: Ids) -> Ids:
        """What each channel's set is known by; 0: its factor is 1."""
        while True:
            above = self._parents[ids]
            if np.array_equal(above, ids):
                return ids
            ids = above

    def unite(self, some: Ids, others: Ids | int) -> None:
        """Lets channels have the factors of others, one by one."""
        for a, b in np.broadcast(some, others):
            first, second = sorted((self._root(a), self._root(b)))
            self._parents[second] = first

    def keep(self, ids: Ids) -> None:
        """Lets channels have the factor 1."""
        self.unite(ids, _KEPT)

    def name(self, ids: Ids, keys: Iterable[str]) -> None:
        """Says what channels are known by in every file; those of one key have one factor."""
        for one, key in zip(ids, keys, strict=True):
            self.unite(np.array([one]), self._known.setdefault(key, int(one)))

    @property
    def known(self) -> dict[str, int]:
        """The set of each key."""
        names, ids = list(self._known), np.array([*self._known.values()], np.intp)
        return dict(zip(names, self.roots(ids).tolist(), strict=True))

    def _root(self, one: int) -> int:
        while self._parents[one] != one:
            one = self._parents[one]
        return int(one)


@dataclass(frozen=True)
class Scaled:
    """A tensor that holds its values over `factor ** power`, of each channel along an axis."""

    axis: int
    ids: Ids
    power: float = 1.0


@dataclass(frozen=True)
class Layer:
    """A convolution, and the channels that it reads (None: they keep their factors) and writes."""

    node: Node
    read: Ids | None
    written: Ids


@dataclass(frozen=True)
class Correction:
    """What an operator reads per channel and must read times some factors instead.

    Attributes:
        node, place: the operator and which of its inputs.
        tensor: what is multiplied; the operator reads it directly, not expanded.
        from_last: where channels lie in it, 1 in its last axis.
        terms: channels and the power of their factors.
    """

    node: Node
    place: int
    tensor: str
    from_last: int
    terms: tuple[tuple[Ids, float], ...]

    def values(self, factor_of: Callable[[Ids], Values]) -> Values:
        """What the tensor is multiplied by, in a shape that meets it."""
        made = math.prod((factor_of(ids) ** power for ids, power in self.terms), start=np.ones(1))
        return np.asarray(made).reshape(-1, *[1] * (self.from_last - 1))


@dataclass
class Followed:
    """What the factors of a graph's channels change in it.

    Attributes:
        tensors: those that factors divide.
        normalized: by tensor that an operator of fixed epsilon normalizes, that.
    """

    graph: Nodes
    tensors: dict[str, Scaled] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)
    normalized: dict[str, float] = field(default_factory=dict)


def follow(graph: Nodes, channels: Channels, kept: Iterable[str] = ()) -> Followed:
    """Follows the channels of a graph from its first operator to its last.

    Args:
        graph: of an FP32 file.
        channels: gets those of this graph.
        kept: tensors whose channels keep their factors.
    """
    return _Follower(graph, channels, frozenset(kept)).follow()


class _Follower:
    def __init__(self, graph: Nodes, channels: Channels, kept: frozenset[str]) -> None:
        self.graph, self.channels, self.kept = graph, channels, kept
        self.found = Followed(graph)
        self.makers = {name: node for node in graph.nodes for name in node.outputs}
        rules: dict[str, Callable[[Node], None]] = {
            "Add": self._sum,
            "Concat": self._concat,
            "Conv": self._conv,
            "DepthToSpace": self._block_move,
            "Div": self._product,
            "Expand": self._expand,
            "InstanceNormalization": self._normalize,
            "Max": self._extreme,
            "Min": self._extreme,
            "Mul": self._product,
            "Pad": self._pad,
            "Pow": self._power,
            "Shape": lambda node: None,
            "Slice": self._slice,
            "SpaceToDepth": self._block_move,
            "Split": self._slice,
            "SquaredDifference": self._squared_difference,
            "Sub": self._sum,
            "Transpose": self._transpose,
        }
        rules |= dict.fromkeys(("Flatten", "Reshape", "Squeeze", "Unsqueeze"), self._reshape)
        rules |= dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"), self._reduce)
        rules |= dict.fromkeys(_POWERS, self._power)
        self.rules = {**rules, **dict.fromkeys(_PASSES, self._pass)}

    def follow(self) -> Followed:
        for node in self.graph.nodes:
            if node.type == "Conv":
                self._conv(node)
            elif node.bounded:
                self._keep(node)
            else:
                self.rules.get(node.type, self._keep)(node)
        for name in (*self.graph.outputs, *self.kept):
            if (state := self._state(name)) is not None:
                self.channels.keep(state.ids)
        return self.found

    def _state(self, name: str) -> Scaled | None:
        return self.found.tensors.get(name)

    def _sizes(self, name: str) -> Sizes:
        return self.graph.sizes.get(name, ())

    def _set(self, node: Node, state: Scaled | None) -> None:
        for name in node.outputs:
            if state is not None and state.power:
                self.found.tensors[name] = state

    def _keep(self, node: Node) -> None:
        """Nothing is known of the operator: what it reads keeps its factors."""
        for name in node.inputs:
            if (state := self._state(name)) is not None:
                self.channels.keep(state.ids)

    def _pass(self, node: Node) -> None:
        self._set(node, self._state(node.inputs[0]))

    def _pad(self, node: Node) -> None:
        state = self._state(node.inputs[0])
        if state is not None and (node.axes is None or state.axis in node.axes):
            return self._keep(node)
        self._set(node, state)

    def _power(self, node: Node) -> None:
        state, power = self._state(node.inputs[0]), _POWERS.get(node.type, node.number)
        if state is not None and not power:
            return self._keep(node)
        self._set(node, state and Scaled(state.axis, state.ids, state.power * power))

    def _conv(self, node: Node) -> None:
        state, weight = self._state(node.inputs[0]), node.weight
        fits = state is not None and state.axis == node.axis and state.power == 1
        if weight is None or not fits:
            self._keep(node)
        if weight is None:
            return
        read = state.ids if state is not None and fits else None
        if read is not None and len(read) % weight.shape[1] == 0:
            self.channels.name(read, column_keys(weight, len(read)))
        elif read is not None:
            self.channels.keep(read)
        written = self.channels.new(len(weight))
        self.channels.name(written, row_keys(weight))
        if node.bounded:
            self.channels.keep(written)
        self.found.layers.append(Layer(node, read, written))
        self._set(node, Scaled(node.axis, written))

    def _transpose(self, node: Node) -> None:
        state = self._state(node.inputs[0])
        if state is not None and (node.axes is None or state.axis not in node.axes):
            return self._keep(node)
        self._set(
            node, state and Scaled((node.axes or ()).index(state.axis), state.ids, state.power)
        )

    def _reshape(self, node: Node) -> None:
        state = self._state(node.inputs[0])
        if state is None:
            return
        before, after = self._sizes(node.inputs[0]), self._sizes(node.outputs[0])
        place = _place(before[: state.axis], len(state.ids), after)
        if place is None:
            return self._keep(node)
        ids, count = state.ids, after[place] or 1
        if count < len(ids):
            groups = ids.reshape(count, -1)
            self.channels.unite(groups, groups[:, :1])
            ids = groups[:, 0]
        self._set(node, Scaled(place, ids, state.power))

    def _reduce(self, node: Node) -> None:
        state, rank = self._state(node.inputs[0]), len(self._sizes(node.inputs[0]))
        if state is None:
            return
        axes = [axis % rank for axis in node.axes] if node.axes is not None and rank else []
        if not axes or state.axis in axes:
            return self._keep(node)
        axis = state.axis if node.keeps else state.axis - sum(one < state.axis for one in axes)
        self._set(node, Scaled(axis, state.ids, state.power))

    def _expand(self, node: Node) -> None:
        state, before, after = (
            self._state(node.inputs[0]),
            *map(self._sizes, (node.inputs[0], node.outputs[0])),
        )
        if state is None:
            return
        if not before or len(after) < len(before):
            return self._keep(node)
        self._set(node, Scaled(state.axis + len(after) - len(before), state.ids, state.power))

    def _slice(self, node: Node) -> None:
        state = self._state(node.inputs[0])
        if state is None:
            return
        rank = len(self._sizes(node.inputs[0]))
        axes = [axis % rank for axis in node.axes] if node.axes is not None and rank else None
        whole = all(
            self._sizes(name)[state.axis : state.axis + 1] == (len(state.ids),)
            for name in node.outputs
        )
        if state.axis in axes if axes is not None else not whole:
            return self._keep(node)
        self._set(node, state)

    def _concat(self, node: Node) -> None:
        states = [self._state(name) for name in node.inputs]
        like = next((one for one in states if one is not None), None)
        if like is None:
            return
        rank = max(len(self._sizes(name)) for name in node.inputs)
        axis = node.axes[0] % rank if node.axes and rank else None
        alike = all(
            one is None or (one.axis, one.power) == (like.axis, like.power) for one in states
        )
        if axis is None or not alike:
            return self._keep(node)
        if axis != like.axis:
            if any(one is None for one in states):
                return self._keep(node)
            for one in states:
                self.channels.unite(one.ids if one is not None else like.ids, like.ids)
            return self._set(node, like)
        parts = []
        for name, one in zip(node.inputs, states, strict=True):
            count = (self._sizes(name) or (None,) * (axis + 1))[axis]
            if one is None and count is None:
                return self._keep(node)
            parts.append(one.ids if one is not None else np.zeros(count or 0, np.intp))
        self._set(node, Scaled(axis, np.concatenate(parts), like.power))

    def _block_move(self, node: Node) -> None:
        state, places = self._state(node.inputs[0]), int(node.number) ** 2
        if state is None:
            return
        gathers = node.type == "DepthToSpace"
        if state.axis != node.axis or (gathers and len(state.ids) % places):
            return self._keep(node)
        if not gathers:
            return self._set(node, Scaled(node.axis, np.tile(state.ids, places), state.power))
        ids = state.ids
        groups = ids.reshape(-1, places) if node.mode == "CRD" else ids.reshape(places, -1).T
        self.channels.unite(groups, groups[:, :1])
        self._set(node, Scaled(node.axis, groups[:, 0], state.power))

    def _normalize(self, node: Node) -> None:
        """An operator that normalizes, then scales and shifts by what it reads."""
        state, given = self._state(node.inputs[0]), self._sizes(node.inputs[1])
        if state is not None:
            if (state.axis, state.power) == (1, 1.0):
                self.found.normalized[node.inputs[0]] = node.number
            else:
                self._keep(node)
        if len(given) != 1 or given[0] in (None, 1):  # one group has no channels of its own
            return
        made = self.channels.new(given[0] or 0)
        for place in (1, 2):
            self._correct(node, place, node.inputs[place], 1, ((made, -1.0),))
        self._set(node, Scaled(1, made))

    def _squared_difference(self, node: Node) -> None:
        some, others = map(self._state, node.inputs)
        if some is None and others is None:
            return
        if some is None or others is None or not self._are_same(some, others):
            return self._keep(node)
        self._set(node, Scaled(some.axis, some.ids, 2 * some.power))

    def _extreme(self, node: Node) -> None:
        """The larger or smaller of two: a clamp, or over equal channels."""
        states = [self._state(name) for name in node.inputs]
        bounds = [self.graph.constants.get(name) for name in node.inputs]
        zero = any(one is not None and not np.any(one) for one in bounds)
        if all(states) and len(states) == 2:
            return self._sum(node)
        if not zero:
            return self._keep(node)
        self._set(node, next((one for one in states if one is not None), None))

    def _sum(self, node: Node) -> None:
        """Both sides need the same factors; what is the same at every place is corrected."""
        if len(node.inputs) != 2:
            return self._keep(node)
        sides = [self._state(name) for name in node.inputs]
        found = [n for n in (0, 1) if sides[n] is not None]
        if not found:
            return
        first, second = sides
        if first is not None and second is not None and self._aligned(node, first, second):
            same = self._are_same(first, second)
            maps = not any(
                self._holds_one_place(node, n, one) for n, one in enumerate((first, second))
            )
            if same or (maps and first.power == second.power):
                self.channels.unite(first.ids, second.ids)
                return self._set(node, self._wider(node, first, second))
        for n in found[::-1]:
            like = sides[n]
            assert like is not None
            vector = self._vector(node, 1 - n, like)
            if vector is not None:
                other = sides[1 - n]
                terms = [(like.ids, -like.power)]
                terms += [(other.ids, other.power)] if other is not None else []
                self._correct(node, 1 - n, vector, self._from_last(node, n, like), tuple(terms))
                return self._set(node, self._wider(node, like, like, n))
        self._keep(node)

    def _product(self, node: Node) -> None:
        """A factor per channel lets the product have any; one per place passes them on."""
        if len(node.inputs) != 2:
            return self._keep(node)
        sides, sign = [self._state(name) for name in node.inputs], 1 if node.type == "Mul" else -1
        first, second = sides
        if any(self._is_single(name) for name in node.inputs):
            return self._scaled_alike(node, sides, sign)
        for n in (0, 1) if sign > 0 else (0,):
            axis = self._channel_axis(node, n, sides)
            if axis is None:
                continue
            wanted = Scaled(axis[0], np.zeros(axis[1], np.intp))
            vector = self._vector(node, 1 - n, wanted)
            if vector is None or self._holds_one_place(node, n, wanted):
                continue
            made, like, other = self.channels.new(axis[1]), sides[n], sides[1 - n]
            terms = [(made, -1.0 * sign)]
            terms += [(like.ids, sign * like.power)] if like is not None else []
            terms += [(other.ids, other.power)] if other is not None else []
            from_last = self._from_last(node, n, wanted)
            self._correct(node, 1 - n, vector, from_last, tuple(terms))
            return self._set(node, Scaled(axis[0], made))
        if first is not None and second is not None:
            if not self._aligned(node, first, second) or not self._are_same(first, second, True):
                return self._keep(node)
            power = first.power + sign * second.power
            wide = self._wider(node, first, second)
            return self._set(node, Scaled(wide.axis, wide.ids, power))
        self._alone(node, sides, sign)

    def _scaled_alike(self, node: Node, sides: list[Scaled | None], sign: int) -> None:
        """Times or over one number, or one number over a tensor."""
        for n in (0, 1):
            if (state := sides[n]) is not None:
                power = state.power * (sign if n else 1)
                wide = self._wider(node, state, state, n)
                self._set(node, Scaled(wide.axis, wide.ids, power))

    def _alone(self, node: Node, sides: list[Scaled | None], sign: int) -> None:
        """One side has factors: it passes them on if the other is the same in every channel, or
        if both are the same at every place."""
        for n in (0, 1):
            if (state := sides[n]) is None:
                continue
            sizes = self._sizes(node.inputs[1 - n])
            place = len(sizes) - (len(self._sizes(node.inputs[n])) - state.axis)
            vectors = self._holds_one_place(node, n, state) and (
                self._vector(node, 1 - n, state) is not None
            )
            if not vectors and (not sizes or (place >= 0 and sizes[place] != 1)):
                return self._keep(node)
            wide = self._wider(node, state, state, n)
            power = state.power * (sign if n else 1)
            self._set(node, Scaled(wide.axis, wide.ids, power))

    def _are_same(self, some: Scaled, others: Scaled, any_power: bool = False) -> bool:
        same = len(some.ids) == len(others.ids) and np.array_equal(
            self.channels.roots(some.ids), self.channels.roots(others.ids)
        )
        return bool(same and (any_power or some.power == others.power))

    def _aligned(self, node: Node, first: Scaled, second: Scaled) -> bool:
        """Whether the channels of two tensors meet, as many in both."""
        ranks = [len(self._sizes(name)) for name in node.inputs]
        from_last = ranks[0] - first.axis, ranks[1] - second.axis
        return from_last[0] == from_last[1] and len(first.ids) == len(second.ids)

    def _wider(self, node: Node, first: Scaled, second: Scaled, alone: int | None = None) -> Scaled:
        """The channels of a result of two tensors, along its own axis."""
        ranks = [len(self._sizes(name)) for name in node.inputs]
        wide = ranks.index(max(ranks))
        if alone is not None and wide != alone:
            return Scaled(first.axis + ranks[wide] - ranks[alone], first.ids, first.power)
        return (first, second)[wide]

    def _is_single(self, name: str) -> bool:
        sizes = self.graph.sizes.get(name)
        return sizes is not None and all(side == 1 for side in sizes)

    def _channel_axis(
        self, node: Node, n: int, sides: list[Scaled | None]
    ) -> tuple[int, int] | None:
        """The axis of channels of side `n` of a product, and how many there are."""
        state, other = sides[n], sides[1 - n]
        if state is not None:
            return state.axis, len(state.ids)
        sizes, ranks = self._sizes(node.inputs[n]), [len(self._sizes(x)) for x in node.inputs]
        if other is not None:
            axis, count = other.axis + ranks[n] - ranks[1 - n], len(other.ids)
        else:
            source = self._unexpanded(node.inputs[1 - n])
            given = self._sizes(source)
            long = [i for i, side in enumerate(given) if side != 1]
            if len(long) != 1 or given[long[0]] is None:
                return None
            axis, count = long[0] + ranks[n] - len(given), given[long[0]] or 0
        return (axis, count) if 0 <= axis < len(sizes) and sizes[axis] == count else None

    def _unexpanded(self, name: str) -> str:
        maker = self.makers.get(name)
        return maker.inputs[0] if maker is not None and maker.type == "Expand" else name

    def _holds_one_place(self, node: Node, n: int, like: Scaled) -> bool:
        """Whether side `n` itself, with channels as `like`, is the same at every place."""
        sizes = self._sizes(node.inputs[n])
        return all(side == 1 for i, side in enumerate(sizes) if i != like.axis)

    def _from_last(self, node: Node, n: int, state: Scaled) -> int:
        return len(self._sizes(node.inputs[n])) - state.axis

    def _vector(self, node: Node, place: int, like: Scaled) -> str | None:
        """The tensor with what a side holds per channel of the other, `like`; None: it has more."""
        ranks = [len(self._sizes(name)) for name in node.inputs]
        name = self._unexpanded(node.inputs[place])
        sizes = self.graph.sizes.get(name)
        if sizes is None or not ranks[1 - place]:
            return None
        axis = like.axis - (ranks[1 - place] - len(sizes))
        fits = axis < 0 or sizes[axis] in (1, len(like.ids))
        alone = all(side == 1 for n, side in enumerate(sizes) if n != axis)
        return name if fits and alone else None

    def _correct(
        self,
        node: Node,
        place: int,
        tensor: str,
        from_last: int,
        terms: tuple[tuple[Ids, float], ...],
    ) -> None:
        self.found.corrections.append(Correction(node, place, tensor, from_last, terms))


def _place(before: Sizes, count: int, after: Sizes) -> int | None:
    """The axis of a reshaped tensor that channels lie along, whole or in groups; None: none."""
    ahead = _product(before)
    for n, side in enumerate(after):
        if ahead is None or side is None or _product(after[:n]) != ahead:
            continue
        if side == count:
            return n
        rest = [_product(after[n + 1 : k]) for k in range(n + 2, len(after) + 1)]
        if side > 1 and side < count and count % side == 0 and count // side in rest:
            return n
    return None


def _product(sizes: Sizes) -> int | None:
    known = [side for side in sizes if side is not None]
    return math.prod(known) if len(known) == len(sizes) else None


def row_keys(weight: Array) -> list[str]:
    """What the channels that a convolution writes are known by."""
    return [f"row:{filter_key(one)}" for one in weight]


def column_keys(weight: Array, channels: int) -> list[str]:
    """What the channels that a convolution reads are known by."""
    groups = channels // weight.shape[1]
    parts = weight.reshape(groups, -1, *weight.shape[1:]).swapaxes(1, 2)
    flat = np.ascontiguousarray(parts).reshape(channels, -1, *weight.shape[2:])
    return [f"column:{filter_key(one)}" for one in flat]
