"""Whether the sides in a re-shaped file go together, read without LiteRT and its schema.

A square does not tell height from width, so a table that swaps them shows at another shape alone.
The file re-shaped to it says so itself: what it takes and gives is not of that shape, or an
operator's sides do not go together. Rules here are those that need no options of an operator, and
never refuse what `shapes.rules` makes; an operator that is not here is not judged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from flatbuffers.number_types import Int8Flags, Int32Flags, Uint32Flags

from iast_export.formats.flatbuffer import items, numbers, root, words
from iast_export.specs import CONTENT, PIXEL_WEIGHT, STYLIZED

# Places of fields in TFLite's schema.
_CODES, _SUBGRAPHS, _BUFFERS, _SIGNATURES = 6, 8, 12, 18
_OLD_CODE, _CODE = 4, 10
_TENSORS, _OPERATORS = 4, 10
_SHAPE, _TYPE, _BUFFER, _DATA = 4, 6, 8, 4
_OPCODE, _READ, _MADE = 4, 6, 8
_INPUTS, _OUTPUTS, _NAME, _INDEX = 4, 6, 4, 6
_PICTURES = (CONTENT, PIXEL_WEIGHT, STYLIZED)
_WHOLE = {2: "<i4", 4: "<i8"}

Sides = tuple[int, ...]


@dataclass(frozen=True)
class Operator:
    """One operator: numbers of tensors, -1 for an input that is left out."""

    code: int
    read: Sides
    made: Sides


class Graph:
    """The one subgraph of a re-shaped file; sides and constants are read when they are asked for.

    Args:
        data: the file's bytes.

    Raises:
        Exception: of many classes, here and in all methods, where they are no such file.
    """

    def __init__(self, data: bytes) -> None:
        model = root(data)
        graph, self._signature = items(model, _SUBGRAPHS)[0], items(model, _SIGNATURES)[0]
        self._tensors, self._buffers = items(graph, _TENSORS), items(model, _BUFFERS)
        codes = [
            max(one.GetSlot(_OLD_CODE, 0, Int8Flags), one.GetSlot(_CODE, 0, Int32Flags))
            for one in items(model, _CODES)
        ]
        self.operators = [
            Operator(
                codes[one.GetSlot(_OPCODE, 0, Uint32Flags)],
                tuple(numbers(one, _READ, "<i4")),
                tuple(numbers(one, _MADE, "<i4")),
            )
            for one in items(graph, _OPERATORS)
        ]
        self._shapes: dict[int, Sides] = {}

    def shape(self, tensor: int) -> Sides:
        """The sides of a tensor."""
        if tensor not in self._shapes:
            self._shapes[tensor] = tuple(numbers(self._tensors[tensor], _SHAPE, "<i4"))
        return self._shapes[tensor]

    def constant(self, tensor: int) -> Sides | None:
        """Whole numbers that are stored; None where it holds none."""
        found = self._tensors[tensor]
        kind = _WHOLE.get(found.GetSlot(_TYPE, 0, Int8Flags))
        if kind is None:
            return None
        raw = numbers(self._buffers[found.GetSlot(_BUFFER, 0, Uint32Flags)], _DATA, "u1")
        return tuple(np.frombuffer(bytes(raw), kind).tolist()) if raw else None

    def pictures(self) -> list[Sides]:
        """The sides of what goes in or comes out as large as the picture."""
        found = [
            one
            for slot in (_INPUTS, _OUTPUTS)
            for one in items(self._signature, slot)
            if words(one, _NAME) in _PICTURES
        ]
        return [self.shape(one.GetSlot(_INDEX, 0, Uint32Flags)) for one in found]


def side_faults(own: Graph, other: Graph, height_px: int, width_px: int) -> Iterator[str]:
    """What does not go together in a file that was re-shaped, in words.

    Args:
        own: the file at its signature's own shape, which differs.
        other: it at `height_px` x `width_px`.
    """
    if any(sides[1:3] != (height_px, width_px) for sides in other.pictures()):
        yield "its picture is of another shape"
    for index, op in enumerate(other.operators):
        rule = _RULES.get(op.code)
        if rule is None or not _follows(own, other, op):
            continue
        if not rule(_At(own, op), _At(other, op)):
            yield f"the sides of operator {index} do not go together"


def _follows(own: Graph, other: Graph, op: Operator) -> bool:
    """Whether anything that it reads or makes hangs on the picture's shape."""
    tensors = [tensor for tensor in (*op.read, *op.made) if tensor >= 0]
    return any(own.shape(t) != other.shape(t) for t in tensors) or any(
        own.constant(t) != other.constant(t) for t in op.read if t >= 0
    )


class _At:
    """An operator's sides and constants in a graph."""

    def __init__(self, graph: Graph, op: Operator) -> None:
        self._graph, self._op = graph, op

    def reads(self, index: int) -> Sides:
        return self._graph.shape(self._op.read[index])

    def constant(self, index: int) -> Sides | None:
        known = index < len(self._op.read)
        return self._graph.constant(self._op.read[index]) if known else None

    @property
    def all_read(self) -> list[Sides]:
        return [self._graph.shape(tensor) for tensor in self._op.read if tensor >= 0]

    @property
    def made(self) -> Sides:
        return self._graph.shape(self._op.made[0])


def _element_by_element(_own: _At, at: _At) -> bool:
    try:
        return np.broadcast_shapes(*at.all_read) == at.made
    except ValueError:
        return False


def _names(at: _At, index: int, sides: Sides) -> bool:
    """Whether a constant says those sides, -1 standing for any; true where it is none."""
    said = at.constant(index)
    if said is None:
        return True
    return len(said) == len(sides) and all(a in (-1, b) for a, b in zip(said, sides, strict=True))


def _reshaped(_own: _At, at: _At) -> bool:
    return math.prod(at.reads(0)) == math.prod(at.made) and _names(at, 1, at.made)


def _transposed(_own: _At, at: _At) -> bool:
    order = at.constant(1)
    return order is None or tuple(at.reads(0)[i] for i in order) == at.made


def _sliced(_own: _At, at: _At) -> bool:
    begin = at.constant(1)
    if begin is None:
        return _names(at, 2, at.made)
    sides = zip(begin, at.made, at.reads(0), strict=True)
    inside = all(start >= 0 and start + size <= full for start, size, full in sides)
    return inside and _names(at, 2, at.made)


def _joined(_own: _At, at: _At) -> bool:
    """All sides but one are every part's, and that one is their sum."""
    parts = at.all_read
    odd = [i for i, side in enumerate(at.made) if any(one[i] != side for one in parts)]
    return len(odd) == 0 or (len(odd) == 1 and at.made[odd[0]] == sum(one[odd[0]] for one in parts))


def _reduced(_own: _At, at: _At) -> bool:
    """What is reduced is 1 long or gone."""
    whole, said = at.reads(0), at.constant(1)
    if said is None:
        return True
    axes = {axis % len(whole) for axis in said}
    kept = tuple(1 if i in axes else side for i, side in enumerate(whole))
    return at.made in (kept, tuple(side for i, side in enumerate(whole) if i not in axes))


def _along(index: int) -> Callable[[_At, _At], bool]:
    """A window moves along each axis: a side that it reads unchanged it makes unchanged."""

    def rule(own: _At, at: _At) -> bool:
        return all(
            own.reads(index)[i] != at.reads(index)[i] or own.made[i] == at.made[i] for i in (1, 2)
        )

    return rule


def _resized(own: _At, at: _At) -> bool:
    return _along(0)(own, at) and _names(at, 1, at.made[1:3])


def _enlarged(own: _At, at: _At) -> bool:
    return _along(2)(own, at) and _names(at, 0, at.made)


def _spread(index: int) -> Callable[[_At, _At], bool]:
    return lambda _own, at: _names(at, index, at.made)


# By the numbers of TFLite's BuiltinOperator.
_ELEMENTWISE = (
    *(0, 6, 8, 11, 13, 14, 18, 19, 20, 21, 25, 28, 41, 42, 47, 50, 53, 54, 55, 57, 58, 59, 61, 62),
    *(63, 66, 71, 72, 73, 75, 76, 78, 84, 86, 87, 90, 92, 93, 95, 98, 99, 101, 104, 108, 111, 114),
    *(116, 117, 123, 150, 152, 156, 158),
)
_WINDOWS = (1, 3, 4, 5, 12, 17, 26, 34, 60, 100)
_REDUCING = (40, 74, 81, 82, 89, 91, 140)
_RULES: Mapping[int, Callable[[_At, _At], bool]] = {
    **dict.fromkeys(_ELEMENTWISE, _element_by_element),
    **dict.fromkeys(_WINDOWS, _along(0)),
    **dict.fromkeys(_REDUCING, _reduced),
    2: _joined,
    22: _reshaped,
    23: _resized,
    39: _transposed,
    65: _sliced,
    67: _enlarged,
    94: _spread(0),
    97: _resized,
    130: _spread(1),
}
