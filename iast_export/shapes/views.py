"""Sides of what is read in another shape or order, spread or gathered."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product as combinations

from iast_export.shapes.dims import Dim, Steps, product, times
from iast_export.shapes.operator_types import MisfitError, Operator, Outcome, Read, Sides
from iast_export.shapes.roles import split_sides


def reshape(op: Operator) -> Iterator[Outcome]:
    """RESHAPE, in all ways that hold as many numbers."""
    before, made = op.input(0).sides, op.made[0]
    stored = len(op.inputs) > 1 and op.inputs[1] is not None
    asked = op.numbers(1) if stored else [int(n) for n in op.options.newShape]
    shape = None if op.options is None else op.options.newShape
    for sides in reshaped(before, op.input(0).sizes, made, op.steps):
        written = _as_asked(sides, asked)
        options: dict[str, Dim | Sides] = {}
        if shape is not None and len(shape):
            options["newShape"] = _as_asked(sides, [int(n) for n in shape])
        yield Outcome((sides,), {1: written} if stored else {}, options)


def _as_asked(sides: Sides, asked: list[int]) -> Sides:
    if len(asked) != len(sides):
        raise MisfitError("its shape is written in another form")
    return tuple(Dim(-1) if n == -1 else side for n, side in zip(asked, sides, strict=True))


def reshaped(
    before: Sides, sizes_before: tuple[int, ...], made: tuple[int, ...], steps: Steps
) -> Iterator[Sides]:
    """The sides that a tensor can have as which another is read, group by group of equal size."""
    groups = list(_groups(sizes_before, made))
    options = [list(_regrouped(before[a:b], made[c:d], steps)) for (a, b), (c, d) in groups]
    for choice in combinations(*options):
        yield tuple(side for group in choice for side in group)


def _groups(
    a: tuple[int, ...], b: tuple[int, ...]
) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The shortest runs of sides that hold as many numbers in both, from the first on."""
    i = j = 0
    while i < len(a) or j < len(b):
        start, left, right = (i, j), 1, 1
        if i < len(a):
            left, i = a[i], i + 1
        if j < len(b):
            right, j = b[j], j + 1
        while left != right:
            if left < right:
                left, i = left * a[i], i + 1
            else:
                right, j = right * b[j], j + 1
        if i == len(a) or j == len(b):  # sides of 1 at the end
            i, j = len(a), len(b)
        yield (start[0], i), (start[1], j)


def _regrouped(before: Sides, made: tuple[int, ...], steps: Steps) -> Iterator[Sides]:
    whole = product(before)
    if whole is None:
        raise MisfitError("it flattens sides to no plain product of height and width")
    if len(made) == 1:
        yield (whole,)
        return
    if before == tuple(map(Dim, made)):
        yield before
        return
    for choice in combinations(*split_sides((*before, whole), made, steps)):
        if product(choice) == whole:
            yield choice


def transpose(op: Operator) -> Iterator[Outcome]:
    """TRANSPOSE."""
    sides = op.input(0).sides
    yield Outcome((tuple(sides[i] for i in op.numbers(1)),))


def squeezed(op: Operator) -> Iterator[Outcome]:
    """SQUEEZE."""
    sides = op.input(0).sides
    given = op.options.squeezeDims
    gone = {int(axis) % len(sides) for axis in ([] if given is None else given)}
    gone = gone or {i for i, side in enumerate(sides) if side == Dim(1)}
    yield Outcome((tuple(side for i, side in enumerate(sides) if i not in gone),))


def expanded(op: Operator) -> Iterator[Outcome]:
    """EXPAND_DIMS."""
    sides = op.input(0).sides
    axis = op.numbers(1)[0] % (len(sides) + 1)
    yield Outcome(((*sides[:axis], Dim(1), *sides[axis:]),))


def spread(op: Operator) -> Iterator[Outcome]:
    """BROADCAST_TO: a side of 1 becomes any side of the picture that is known."""
    before, made = op.input(0), op.numbers(1)
    padded = (Dim(1),) * (len(made) - len(before.sides)) + before.sides
    steps = op.steps
    ways = []
    for side, size in zip(padded, made, strict=True):
        ways.append([side] if side != Dim(1) or size == 1 else _picture_sides(size, steps))
    for sides in combinations(*ways):
        yield Outcome((sides,), {1: sides})


def _picture_sides(size: int, steps: Steps) -> list[Dim]:
    """A number as a share of the height, of the width, or of no picture."""
    found = []
    for unit, length in ((Dim(0, 1), steps.height), (Dim(0, 0, 1), steps.width)):
        if size % length == 0:
            found.append(unit * (size // length))
    return [*found, Dim(size)]


def tiled(op: Operator) -> Iterator[Outcome]:
    """TILE."""
    sides, repeats = op.input(0).sides, op.numbers(1)
    ways = [
        [Dim(n)] if n == 1 or side != Dim(1) else _picture_sides(n, op.steps)
        for side, n in zip(sides, repeats, strict=True)
    ]
    for choice in combinations(*ways):
        made = tuple(_product_of(a, b) for a, b in zip(sides, choice, strict=True))
        yield Outcome((made,), {1: choice})


def _product_of(a: Dim, b: Dim) -> Dim:
    made = times(a, b)
    if made is None:
        raise MisfitError("its sides are no plain product of height and width")
    return made


def filled(op: Operator) -> Iterator[Outcome]:
    """FILL."""
    for sides in combinations(*(_picture_sides(n, op.steps) for n in op.numbers(0))):
        yield Outcome((sides,), {0: sides})


def gathered(op: Operator) -> Iterator[Outcome]:
    """GATHER."""
    data, index = op.input(0).sides, op.input(1)
    axis = op.options.axis % len(data) if op.options is not None else 0
    if op.options is not None and op.options.batchDims:
        raise MisfitError("it gathers by batches")
    _check_index(data[axis : axis + 1], index)
    yield Outcome(((*data[:axis], *index.sides, *data[axis + 1 :]),))


def gathered_nd(op: Operator) -> Iterator[Outcome]:
    """GATHER_ND."""
    data, index = op.input(0).sides, op.input(1)
    depth = index.sizes[-1]
    _check_index(data[:depth], index)
    yield Outcome(((*index.sides[:-1], *data[depth:]),))


def _check_index(along: Sides, index: Read) -> None:
    if index.values is not None and not all(side.is_constant for side in along):
        raise MisfitError("it holds a table of the picture's rows or columns")
