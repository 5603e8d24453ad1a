"""What is left of sides that are cut, split and joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product as combinations

from iast_export.shapes.dims import Dim, Steps, floor_share
from iast_export.shapes.operator_types import MisfitError, Operator, Outcome
from iast_export.shapes.roles import places
from iast_export.shapes.windows import shared


def joined(op: Operator) -> Iterator[Outcome]:
    """CONCATENATION: sides add up along one axis."""
    parts = [one.sides for one in op.inputs if one is not None]
    axis = op.options.axis % len(parts[0])
    made = []
    for i, column in enumerate(zip(*parts, strict=True)):
        if i == axis:
            made.append(sum(column, Dim(0)))
        elif len(set(column)) > 1:
            raise MisfitError("its inputs would be of different sizes for other pictures")
        else:
            made.append(column[0])
    yield Outcome((tuple(made),))


def cut(op: Operator) -> Iterator[Outcome]:
    """SLICE: of each side where it begins and how long it is, each a count or a share."""
    sides, begins, lengths = op.input(0).sides, op.numbers(1), op.numbers(2)
    for choice in combinations(*map(_cuts_of(op.steps), sides, begins, lengths)):
        begin, length, made = zip(*choice, strict=True)
        yield Outcome((made,), {1: begin, 2: length})


def _cuts_of(steps: Steps) -> Callable[[Dim, int, int], list[tuple[Dim, Dim, Dim]]]:
    """For one side: begin and length as the file has them, and the side that is left."""

    def cuts(side: Dim, begin: int, length: int) -> list[tuple[Dim, Dim, Dim]]:
        end = side.at(steps) if length == -1 else begin + length
        pairs = combinations(places(side, begin, steps), places(side, end, steps))
        return [(b, Dim(-1) if length == -1 else e - b, e - b) for b, e in pairs]

    return cuts


def cut_by_steps(op: Operator) -> Iterator[Outcome]:
    """STRIDED_SLICE, forward."""
    sides, o = op.input(0).sides, op.options
    if o.ellipsisMask or o.newAxisMask:
        raise MisfitError("it cuts by masks")
    columns = zip(sides, *map(op.numbers, (1, 2, 3)), strict=True)
    found = [_strided_cuts(op, i, *column) for i, column in enumerate(columns)]
    for choice in combinations(*found):
        begin, end, made = zip(*choice, strict=True)
        kept = tuple(m for i, m in enumerate(made) if not o.shrinkAxisMask >> i & 1)
        yield Outcome((kept,), {1: begin, 2: end})


def _strided_cuts(
    op: Operator, axis: int, side: Dim, begin: int, end: int, stride: int
) -> list[tuple[Dim, Dim, Dim]]:
    """For one side: begin and end as the file has them, and the side that is left."""
    size, bit = side.at(op.steps), 1 << axis
    if stride < 1:
        raise MisfitError("it walks backward")
    if op.options.shrinkAxisMask & bit:
        rows = [Dim(begin)] if begin < 0 else places(side, begin, op.steps)
        return [(row, row + (end - begin), Dim(1)) for row in rows]
    froms = _end_points(op.steps, side, 0 if op.options.beginMask & bit else begin, begin)
    past = size if op.options.endMask & bit or end > size else end
    untils = _end_points(op.steps, side, past, end)
    found = []
    for (b, written_b), (e, written_e) in combinations(froms, untils):
        length = floor_share(e - b + (stride - 1), stride)
        if length is not None:
            found.append((written_b, written_e, length))
    return found


def _end_points(steps: Steps, side: Dim, place: int, written: int) -> list[tuple[Dim, Dim]]:
    """A place along a side and how the file writes it: as it is, from the end, or beyond it."""
    if place != written or place < 0:
        at = place if place >= 0 else place + side.at(steps)
        known = side - (side.at(steps) - at) if place < 0 or at else Dim(0)
        return [(known, Dim(written))]
    return [(one, one) for one in places(side, place, steps)]


def split(op: Operator) -> Iterator[Outcome]:
    """SPLIT: equal parts."""
    sides, axis = op.input(1).sides, op.numbers(0)[0]
    axis, parts = axis % len(sides), len(op.made)
    made = (*sides[:axis], shared(sides[axis], parts), *sides[axis + 1 :])
    yield Outcome((made,) * parts)


def split_by_lengths(op: Operator) -> Iterator[Outcome]:
    """SPLIT_V: parts of given lengths."""
    sides, lengths, axis = op.input(0).sides, op.numbers(1), op.numbers(2)[0]
    axis %= len(sides)
    if not sides[axis].is_constant:
        raise MisfitError("it splits the picture in parts of given lengths")
    yield Outcome(tuple((*sides[:axis], Dim(n), *sides[axis + 1 :]) for n in lengths))


def packed(op: Operator) -> Iterator[Outcome]:
    """PACK: a new axis of parts."""
    parts = [one.sides for one in op.inputs if one is not None]
    if len(set(parts)) > 1:
        raise MisfitError("its inputs would be of different sizes for other pictures")
    axis = op.options.axis % (len(parts[0]) + 1)
    yield Outcome(((*parts[0][:axis], Dim(len(parts)), *parts[0][axis:]),))


def unpacked(op: Operator) -> Iterator[Outcome]:
    """UNPACK: an axis less."""
    sides = op.input(0).sides
    axis = op.options.axis % len(sides)
    yield Outcome(((*sides[:axis], *sides[axis + 1 :]),) * len(op.made))
