"""What windows over a picture make of its sides: convolutions, pools, pads, resizing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product as combinations

from iast_export.shapes.dims import Dim, floor_share
from iast_export.shapes.operator_types import MisfitError, Operator, Outcome
from iast_export.shapes.roles import sizes


def _strided(side: Dim, reach: int, stride: int, padding: int) -> Dim:
    """A side behind a window of `reach` px; padding as in the schema: 0 SAME, 1 VALID."""
    made = floor_share(side + (stride - 1 if padding == 0 else stride - reach), stride)
    if made is None:
        raise MisfitError("it halves sides that are odd for some pictures")
    return made


def convolution(op: Operator) -> Iterator[Outcome]:
    """CONV_2D and DEPTHWISE_CONV_2D."""
    n, h, w, _ = op.input(0).sides
    _, kernel_h, kernel_w, _ = op.input(1).sizes
    o = op.options
    down = _strided(h, (kernel_h - 1) * o.dilationHFactor + 1, o.strideH, o.padding)
    across = _strided(w, (kernel_w - 1) * o.dilationWFactor + 1, o.strideW, o.padding)
    yield Outcome(((n, down, across, Dim(op.made[0][3])),))


def transposed(op: Operator) -> Iterator[Outcome]:
    """TRANSPOSE_CONV."""
    _, made_h, made_w, channels = op.numbers(0)
    n, h, w, _ = op.input(2).sides
    at, strides = op.steps, (op.options.strideH, op.options.strideW)
    down, across = (
        side * stride + (made - side.at(at) * stride)
        for side, stride, made in zip((h, w), strides, (made_h, made_w), strict=True)
    )
    sides = (n, down, across, Dim(channels))
    yield Outcome((sides,), {0: sides})


def pool(op: Operator) -> Iterator[Outcome]:
    """Pools, over a window or the whole picture."""
    n, h, w, c = op.input(0).sides
    o = op.options
    kept = h.at(op.steps), w.at(op.steps)
    moves = not (h.is_constant and w.is_constant)
    if moves and o.padding == 1 and (o.filterHeight, o.filterWidth) == kept:
        options = {"filterHeight": h, "filterWidth": w}
        yield Outcome(((n, Dim(1), Dim(1), c),), options=options)
    down = _strided(h, o.filterHeight, o.strideH, o.padding)
    yield Outcome(((n, down, _strided(w, o.filterWidth, o.strideW, o.padding), c),))


def padded(op: Operator) -> Iterator[Outcome]:
    """Pads of given lengths."""
    sides, pads = op.input(0).sides, op.numbers(1)
    yield Outcome((tuple(s + pads[2 * i] + pads[2 * i + 1] for i, s in enumerate(sides)),))


def resized(op: Operator) -> Iterator[Outcome]:
    """Resizing, by a factor or to a given size."""
    n, h, w, c = op.input(0).sides
    made_h, made_w = op.numbers(1)
    for size in combinations(sizes(h, made_h, op.steps), sizes(w, made_w, op.steps)):
        yield Outcome(((n, *size, c),), {1: size})


def depth_to_space(op: Operator) -> Iterator[Outcome]:
    """DEPTH_TO_SPACE."""
    n, h, w, _ = op.input(0).sides
    block = op.options.blockSize
    yield Outcome(((n, h * block, w * block, Dim(op.made[0][3])),))


def space_to_depth(op: Operator) -> Iterator[Outcome]:
    """SPACE_TO_DEPTH."""
    n, h, w, _ = op.input(0).sides
    block = op.options.blockSize
    yield Outcome(((n, *(shared(side, block) for side in (h, w)), Dim(op.made[0][3])),))


def shared(side: Dim, parts: int) -> Dim:
    """A share of a side; refused where it is no whole number for every picture."""
    share = floor_share(side, parts)
    if share is None or share * parts != side:
        raise MisfitError(f"it shares out sides that {parts} does not divide for some pictures")
    return share
