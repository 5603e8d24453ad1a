"""Sides of what is computed: element by element, as sums, as products of matrices."""

from __future__ import annotations

from collections.abc import Iterator

from iast_export.shapes.dims import Dim, Ratio, product, times
from iast_export.shapes.operator_types import MisfitError, Operator, Outcome, Sides
from iast_export.shapes.windows import shared

# Single precision holds 1 part in 16 million; files hold products of rounded factors too. Beyond
# it lie 1/n and 1/(n - 1) of any picture of up to 3 million pixels.
FACTOR_ROUNDING = 3e-7


def same(op: Operator) -> Iterator[Outcome]:
    """What computes value by value."""
    yield Outcome((op.input(0).sides,))


def broadcast(inputs: list[Sides]) -> Sides:
    """The sides of tensors that are computed with one another, element by element."""
    rank = max(map(len, inputs))
    aligned = [(Dim(1),) * (rank - len(sides)) + sides for sides in inputs]
    made = []
    for column in zip(*aligned, strict=True):
        wide = list(dict.fromkeys(side for side in column if side != Dim(1)))
        if len(wide) > 1:
            raise MisfitError("its inputs would be of different sizes for other pictures")
        made.append(wide[0] if wide else Dim(1))
    return tuple(made)


def elementwise(op: Operator) -> Iterator[Outcome]:
    """What computes values of several tensors with one another."""
    yield Outcome((broadcast([one.sides for one in op.inputs if one is not None]),))


def weighted(op: Operator) -> Iterator[Outcome]:
    """MUL and DIV: a factor on a statistic may be a number of pixels, or 1 over it."""
    sides = broadcast([one.sides for one in op.inputs if one is not None])
    for factor, statistic in ((1, 0), (0, 1)):
        values = op.input(factor).values
        if values is None or values.size != 1:
            continue
        for ratio in _factors(op.input(statistic).summed):
            if abs(ratio.at(op.steps) / float(values.reshape(-1)[0]) - 1) < FACTOR_ROUNDING:
                yield Outcome((sides,), {factor: (ratio,)})
    yield Outcome((sides,))


def _factors(summed: tuple[Dim, ...]) -> Iterator[Ratio]:
    """What turns sums into means and variances: both ways, biased or not."""
    one = Dim(1)
    for count in summed:
        less = count - 1
        pairs = ((one, count), (one, less), (count, less), (less, count), (count, one), (less, one))
        yield from (Ratio(*pair) for pair in pairs)


def reduced(op: Operator) -> Iterator[Outcome]:
    """Sums, means and extremes along axes."""
    sides = op.input(0).sides
    axes = {axis % len(sides) for axis in op.numbers(1)}
    kept = bool(op.options.keepDims)
    yield Outcome(
        (tuple(Dim(1) if i in axes else s for i, s in enumerate(sides) if kept or i not in axes),)
    )


def summed(op: Operator, outcome: Outcome) -> tuple[Dim, ...]:
    """How many numbers of the picture the result may be the sum of; none where it is no sum.

    Statistics are followed until they meet the picture again.
    """
    before = tuple(dict.fromkeys(n for one in op.inputs if one is not None for n in one.summed))
    if op.name not in ("SUM", "MEAN"):
        moves = any(not side.is_constant for sides in outcome.sides for side in sides)
        return () if moves else before
    sides = op.input(0).sides
    count = product(tuple(sides[axis] for axis in {n % len(sides) for n in op.numbers(1)}))
    if count is None or count.is_constant:
        return before
    both = (times(count, earlier) for earlier in before)
    return tuple(dict.fromkeys([count, *(n for n in both if n is not None)]))


def arg(op: Operator) -> Iterator[Outcome]:
    """ARG_MAX and ARG_MIN."""
    sides = op.input(0).sides
    axis = op.numbers(1)[0] % len(sides)
    yield Outcome((sides[:axis] + sides[axis + 1 :],))


def matmul(op: Operator) -> Iterator[Outcome]:
    """BATCH_MATMUL."""
    a, b = op.input(0).sides, op.input(1).sides
    a = (*a[:-2], a[-1], a[-2]) if op.options.adjX else a
    b = (*b[:-2], b[-1], b[-2]) if op.options.adjY else b
    if a[-1] != b[-2]:
        raise MisfitError("its inputs would be of different sizes for other pictures")
    yield Outcome(((*broadcast([a[:-2], b[:-2]]), a[-2], b[-1]),))


def dense(op: Operator) -> Iterator[Outcome]:
    """FULLY_CONNECTED."""
    sides, weights = op.input(0).sides, op.input(1).sides
    bias = op.inputs[2] if len(op.inputs) > 2 else None
    fits = bias is None or bias.sides[-1] == weights[0]
    if op.options.keepNumDims and sides[-1] == weights[1] and fits:  # weights may be computed
        yield Outcome(((*sides[:-1], weights[0]),))
        return
    if op.options.keepNumDims or not all(side.is_constant for side in (sides[-1], *weights)):
        raise MisfitError("its weights hold one number for each pixel")
    whole = product(sides)
    yield Outcome(((_shared_or_none(whole, weights[1].constant), weights[0]),))


def _shared_or_none(whole: Dim | None, parts: int) -> Dim:
    if whole is None:
        raise MisfitError("it flattens sides to no plain product of height and width")
    return shared(whole, parts)
