"""Operator groups of a `Network`: what each part of it is, whichever the runtime.

A group is what one would name: a convolution with its clamp and pixel shuffle, a reflection, a
normalization from its first mean to its last product, a gate. Every operator is in one group.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from iast_export.decide.decide import Decisions
from iast_export.decide.graph import CLAMPS, Op
from iast_export.decide.policy import ONNX

GroupKind = Literal[
    "dense convolution",
    "depthwise convolution",
    "grouped convolution",
    "transposed convolution",
    "narrow head",
    "matrix product",
    "normalization",
    "adaptive normalization",
    "batch normalization",
    "gate",
    "hard-swish",
    "hard sigmoid",
    "sigmoid",
    "smooth function",
    "reflection pad",
    "zero pad",
    "resize",
    "concat",
    "pixel shuffle",
    "residual sum",
    "rectified sum",
    "clamp",
    "pooling",
    "layout change",
    "arithmetic",
    "other",
]
Role = Literal["", "first layer", "last layer"]

CONVOLUTIONS = ("Conv", "ConvTranspose")
_REDUCTIONS = (
    "GlobalAveragePool",
    "InstanceNormalization",
    "LayerNormalization",
    "ReduceMean",
    "ReduceSum",
)
_ROOTS = ("InstanceNormalization", "LayerNormalization", "Pow", "Reciprocal", "Rsqrt", "Sqrt")
_ELEMENTWISE = ("Add", "Div", "Mul", "Sub")
_FREE = ("Expand", "Flatten", "Reshape", "Slice", "Squeeze", "Unsqueeze")
_SMOOTH = ("Elu", "Erf", "Exp", "Gelu", "Mish", "Selu", "Softmax", "Softplus", "Tanh")
_PER_VALUE = frozenset(
    [
        *_ELEMENTWISE,
        *_ROOTS,
        *_SMOOTH,
        *_FREE,
        "Abs",
        "Expand",
        "HardSigmoid",
        "HardSwish",
        "LeakyRelu",
        "Max",
        "Min",
        "Neg",
        "PRelu",
        "Sigmoid",
    ]
)
_POOLS = ("AveragePool", "GlobalAveragePool", "MaxPool")


@dataclass(frozen=True)
class Group:
    """Operators that are one thing.

    Attributes:
        kind: what it is.
        role: whether it reads the picture first or writes it last.
        ops: in the order of the graph.
    """

    kind: GroupKind
    role: Role
    ops: tuple[Op, ...]

    @property
    def name(self) -> str:
        """The last output, which tells groups of one graph apart."""
        return self.ops[-1].name

    @property
    def followed_by(self) -> tuple[str, ...]:
        """What a convolution or sum takes in: a clamp, a pixel shuffle."""
        types = [op.type for op in self.ops]
        clamped = self.main.mode == "rectified" or any(name in CLAMPS for name in types)
        shuffled = "DepthToSpace" in types
        takes_in = self.main.type in CONVOLUTIONS
        names = [("clamp", takes_in and clamped), ("pixel shuffle", takes_in and shuffled)]
        return tuple(name for name, holds in names if holds)

    @property
    def unfolds(self) -> bool:
        """Whether a convolution reads blocks of pixels side by side."""
        before = self.ops[: self.ops.index(self.main)]
        return self.main.type in CONVOLUTIONS and [op.type for op in before] == ["SpaceToDepth"]

    @property
    def main(self) -> Op:
        """The operator that the kind speaks of: the convolution, the product, else the first."""
        return next((op for op in self.ops if op.weight), self.ops[0])


def find_groups(decisions: Decisions) -> list[Group]:
    """Every operator of a network in a group, in the order of the graph."""
    return _Finder(decisions).find()


class _Finder:
    """Takes operators out of the network, the most particular patterns first."""

    def __init__(self, decisions: Decisions) -> None:
        self.network, self.is_integer = decisions.network, decisions.is_integer
        self.found: list[tuple[GroupKind, list[Op]]] = []
        self.taken: set[str] = set()

    def find(self) -> list[Group]:
        for op in self.network.ops:
            if op.type in CONVOLUTIONS:
                self._take(_convolution_kind(op), [*self._unfolding(op), op, *self._follow_up(op)])
        self._products()
        self._pads()
        self._sums()
        self._normalizations()
        self._singles()
        self._rest()
        self._attach()
        groups = [Group(kind, self._role(ops), tuple(ops)) for kind, ops in self.found]
        return sorted(groups, key=lambda group: group.ops[0].position)

    def _take(self, kind: GroupKind, ops: Iterable[Op]) -> None:
        chosen = sorted(ops, key=lambda op: op.position)
        self.found.append((kind, chosen))
        self.taken.update(op.name for op in chosen)

    def _free(self, op: Op | None) -> bool:
        return op is not None and op.name not in self.taken

    def _unfolding(self, op: Op) -> list[Op]:
        """What puts blocks of pixels side by side for one convolution alone."""
        maker = self.network.producers.get(op.inputs[0]) if op.inputs else None
        alone = maker is not None and self.network.only_reader(maker.name) is not None
        return [maker] if maker is not None and alone and maker.type == "SpaceToDepth" else []

    def _follow_up(self, op: Op) -> list[Op]:
        """The clamp, the pixel shuffle and the cut to size that alone read an operator's result."""
        chain: list[Op] = []
        reader = self.network.only_reader(op.name)
        joins = reader is not None and reader.type in CLAMPS and len(reader.inputs) == 1
        if reader is not None and joins and self.is_integer(reader) == self.is_integer(op):
            chain.append(reader)
            reader = self.network.only_reader(reader.name)
        if reader is not None and reader.type == "DepthToSpace":
            cut = self.network.only_reader(reader.name)
            return [*chain, reader, *([cut] if cut is not None and cut.type == "Slice" else [])]
        return chain

    def _products(self) -> None:
        """Products of matrices, with the flattenings and sums around those of one head."""
        products = [
            op for op in self.network.ops if op.type in ("Gemm", "MatMul") and self._free(op)
        ]
        flat = [op for op in self.network.ops if self._free(op) and self._is_flat(op)]
        for members in self._joined([*products, *flat]):
            if any(op in products for op in members):
                last = self.network.only_reader(members[-1].name)
                back = (
                    [last]
                    if last is not None and last.type == "Reshape" and self._free(last)
                    else []
                )
                heads = [op.weight for op in members if op in products]
                is_head = all(bool(one) and one[0] < ONNX.smallest_head for one in heads)
                rows = any(self._is_flat(op) for op in members)
                self._take(
                    "narrow head" if is_head and rows else "matrix product", [*members, *back]
                )

    def _is_flat(self, op: Op) -> bool:
        shape = self.network.shapes.get(op.name, ())
        return len(shape) == 3 and op.type in ("Add", "Concat", "Reshape")

    def _pads(self) -> None:
        """Pads, and reflections written as slices and concatenations of rows and columns."""
        parts = []
        for op in self.network.ops:
            if op.type == "Pad" and self._free(op):
                self._take("reflection pad" if op.mode in ("edge", "reflect") else "zero pad", [op])
            elif self._free(op) and self._is_mirror_part(op):
                parts.append(op)
        for members in self._joined(parts):
            if any(op.type == "Concat" for op in members):
                self._take("reflection pad", members)

    def _is_mirror_part(self, op: Op) -> bool:
        shapes = [self.network.shapes.get(name, ()) for name in (op.name, *op.inputs[:1])]
        if len(shapes) < 2 or any(len(shape) != 4 for shape in shapes):
            return False
        same_channels = shapes[0][1] == shapes[1][1]
        return (op.type == "Slice" and same_channels) or (
            op.type == "Concat" and op.mode == "space"
        )

    def _sums(self) -> None:
        """Sums of two branches; those of a gate or a normalization add a product instead."""
        for op in self.network.ops:
            if (
                op.type != "Add"
                or not self._free(op)
                or len(op.inputs) != 2
                or op.inputs[0] == op.inputs[1]
            ):
                continue
            makers = [self.network.producers.get(name) for name in op.inputs]
            if any(
                maker is None or maker.type in ("Div", "Expand", "Mul", "Sub") for maker in makers
            ):
                continue
            if all(self.network.is_map(name) for name in op.inputs):
                clamps = [one for one in self._follow_up(op) if one.type in CLAMPS]
                rectified = bool(clamps) or op.mode == "rectified"
                self._take("rectified sum" if rectified else "residual sum", [op, *clamps])

    def _normalizations(self) -> None:
        """From the first mean to the last operator that reads a statistic of it."""
        statistics = {
            op.name for op in self.network.ops if op.type in _REDUCTIONS and self._free(op)
        }
        while (
            grown := {op.name for op in self.network.ops if self._belongs(op, statistics)}
            - statistics
        ):
            statistics |= grown
        members = [op for op in self.network.ops if op.name in statistics]
        for chain in self._joined(members):
            kind: GroupKind = (
                "adaptive normalization" if self._reads_codes(chain) else "normalization"
            )
            normalizes = any(op.type in _ROOTS for op in chain)
            self._take(kind if normalizes else "pooling", [*chain, *self._clamp_of(chain)])

    def _reads_codes(self, ops: Sequence[Op]) -> bool:
        """Whether a chain takes scale or shift from a style, so from outside of itself."""
        made = {name for op in ops for name in op.outputs}
        read = {name for op in ops for name in op.inputs} - made
        return any(self.network.is_vector(name) and self.network.size(name) > 1 for name in read)

    def _clamp_of(self, ops: Sequence[Op]) -> list[Op]:
        reader = self.network.only_reader(ops[-1].name)
        return (
            [reader] if reader is not None and reader.type in CLAMPS and self._free(reader) else []
        )

    def _belongs(self, op: Op, statistics: set[str]) -> bool:
        if not self._free(op) or op.type not in (*_ELEMENTWISE, *_ROOTS, *_FREE, *CLAMPS):
            return False
        network = self.network
        readers = [reader.name for reader in network.readers.get(op.name, [])]
        feeds = bool(readers) and all(name in statistics for name in readers)
        touches = feeds or any(name in statistics for name in op.inputs)
        codes = [name for name in op.inputs if network.is_vector(name) and network.size(name) > 1]
        if network.is_vector(op.name):
            return touches and (feeds or network.size(op.name) > 1)
        return feeds or (touches and bool(codes))

    def _singles(self) -> None:
        for op in self.network.ops:
            if self._free(op) and (kind := self._single_kind(op)) is not None:
                ops = [op]
                if kind == "batch normalization":
                    ops += self._clamp_of(ops)
                self._take(kind, ops)

    def _single_kind(self, op: Op) -> GroupKind | None:
        kinds: dict[str, GroupKind] = {
            "BatchNormalization": "batch normalization",
            "DepthToSpace": "pixel shuffle",
            "HardSwish": "hard-swish",
            "Resize": "resize",
            "SpaceToDepth": "pixel shuffle",
            "Transpose": "layout change",
            "Upsample": "resize",
        }
        if op.type in _POOLS:
            return "pooling"
        if op.type in _SMOOTH:
            return "smooth function"
        if op.type == "Concat" and self.network.is_map(op.name):
            return "concat"
        return kinds.get(op.type)

    def _rest(self) -> None:
        """Elementwise operators on maps of one size, joined: gates, swishes, sigmoids, clamps."""
        maps = [op for op in self.network.ops if self._free(op) and self.network.is_map(op.name)]
        shapes = self.network.shapes
        for members in self._joined(maps, lambda a, b: shapes.get(a.name) == shapes.get(b.name)):
            self._take(self._elementwise_kind(members), members)

    def _elementwise_kind(self, ops: Sequence[Op]) -> GroupKind:
        types = {op.type for op in ops}
        if types - _PER_VALUE - CLAMPS:
            return "other"
        gates = any(
            op.type == "Mul" and len(op.inputs) == 2 and op.inputs[0] != op.inputs[1] for op in ops
        )
        if "HardSigmoid" in types:
            return "hard-swish" if gates else "hard sigmoid"
        if "Clip" in types and gates:
            return "hard-swish"
        if "Sigmoid" in types and not gates:
            return "sigmoid"
        if types <= CLAMPS:
            return "clamp"
        return "gate" if gates else "arithmetic"

    def _attach(self) -> None:
        """What is left computes codes: it joins the group that reads it, or is arithmetic."""
        for op in reversed([op for op in self.network.ops if self._free(op)]):
            readers = {reader.name for reader in self.network.readers.get(op.name, [])}
            owner = next(
                (ops for _, ops in self.found if readers & {one.name for one in ops}), None
            )
            if owner is None:
                self._take("arithmetic" if op.type in _PER_VALUE | CLAMPS else "other", [op])
                continue
            owner.insert(0, op)
            owner.sort(key=lambda one: one.position)
            self.taken.add(op.name)

    def _joined(
        self, ops: Sequence[Op], fits: Callable[[Op, Op], bool] = lambda a, b: True
    ) -> list[list[Op]]:
        """The connected parts of some operators, each in the order of the graph."""
        number = {op.name: i for i, op in enumerate(ops)}
        members = {i: [op] for i, op in enumerate(ops)}
        for op in ops:
            for name in op.inputs:
                maker = self.network.producers.get(name)
                if maker is None or maker.name not in number or not fits(maker, op):
                    continue
                one, other = number[maker.name], number[op.name]
                if one != other:
                    members[one] += members.pop(other)
                    number.update({item.name: one for item in members[one]})
        return [sorted(part, key=lambda op: op.position) for part in members.values()]

    def _role(self, ops: Sequence[Op]) -> Role:
        if not any(op.type in CONVOLUTIONS for op in ops):
            return ""
        source, result = next(iter(ops[0].inputs), ""), ops[-1].name
        while (maker := self.network.producers.get(source)) is not None and _only_moves(maker):
            source = next(iter(maker.inputs), "")
        if maker is None and len(self.network.shapes.get(source, ())) == 4:
            return "first layer"
        while (reader := self.network.only_reader(result)) is not None and _keeps_places(reader):
            result = reader.name
        return "last layer" if result in self.network.outputs else ""


def _only_moves(op: Op) -> bool:
    moves = (
        "Clip",
        "Concat",
        "DepthToSpace",
        "Pad",
        "Relu",
        "Reshape",
        "Slice",
        "SpaceToDepth",
        "Transpose",
    )
    return op.type in moves


def _keeps_places(op: Op) -> bool:
    return op.type == "Sigmoid" or _only_moves(op)


def _convolution_kind(op: Op) -> GroupKind:
    if op.type == "ConvTranspose":
        return "transposed convolution"
    if op.groups > 1:
        return "depthwise convolution" if op.weight[:2] == (op.groups, 1) else "grouped convolution"
    narrow = bool(op.weight) and op.weight[0] < ONNX.smallest_head and op.weight[2:] == (1, 1)
    return "narrow head" if narrow else "dense convolution"
