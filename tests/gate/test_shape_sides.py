"""Sides of one operator at a square and a wide picture: what goes together, and what does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import pytest

from iast_export.gate.shape_sides import Graph, Operator, Sides, side_faults

WIDE = (16, 24)
# By the numbers of TFLite's BuiltinOperator.
ADD, JOIN, CONV, RESHAPE, RESIZE, TRANSPOSE, MEAN = 0, 2, 3, 22, 23, 39, 40
SLICE, ENLARGE, FILL, SPREAD, UNKNOWN = 65, 67, 94, 130, 9999


@dataclass(frozen=True)
class OneOperator:
    """A graph of an operator: what it reads, then what it makes."""

    code: int
    shapes: tuple[Sides, ...]
    constants: Mapping[int, Sides] = field(default_factory=dict)
    picture: Sides = (1, *WIDE, 3)

    @property
    def operators(self) -> list[Operator]:
        last = len(self.shapes) - 1
        return [Operator(self.code, tuple(range(last)), (last,))]

    def shape(self, tensor: int) -> Sides:
        return self.shapes[tensor]

    def constant(self, tensor: int) -> Sides | None:
        return self.constants.get(tensor)

    def pictures(self) -> list[Sides]:
        return [self.picture]


def faults(own: OneOperator, wide: OneOperator) -> list[str]:
    return list(side_faults(cast(Graph, own), cast(Graph, wide), *WIDE))


def square(code: int, *shapes: Sides, **constants: Sides) -> OneOperator:
    return OneOperator(code, shapes, {int(name[1:]): one for name, one in constants.items()})


KEPT = (1, 16, 16, 8)
LONG, TALL = (1, 16, 24, 8), (1, 24, 16, 8)
KERNEL, FOUR = (8, 3, 3, 8), (4,)
CASES: dict[str, tuple[OneOperator, OneOperator, OneOperator]] = {
    "a sum": (
        square(ADD, KEPT, (1, 1, 1, 8), KEPT),
        square(ADD, LONG, (1, 1, 1, 8), LONG),
        square(ADD, LONG, (1, 1, 1, 8), TALL),
    ),
    "a convolution": (
        square(CONV, KEPT, KERNEL, KEPT),
        square(CONV, LONG, KERNEL, LONG),
        square(CONV, LONG, KERNEL, TALL),
    ),
    "a reshape": (
        square(RESHAPE, KEPT, (3,), (1, 256, 8), c1=(1, 256, 8)),
        square(RESHAPE, LONG, (3,), (1, 384, 8), c1=(1, -1, 8)),
        square(RESHAPE, LONG, (3,), (1, 384, 8), c1=(1, 256, 8)),
    ),
    "a transpose": (
        square(TRANSPOSE, KEPT, FOUR, (1, 8, 16, 16), c1=(0, 3, 1, 2)),
        square(TRANSPOSE, LONG, FOUR, (1, 8, 16, 24), c1=(0, 3, 1, 2)),
        square(TRANSPOSE, LONG, FOUR, (1, 8, 24, 16), c1=(0, 3, 1, 2)),
    ),
    "a mean": (
        square(MEAN, KEPT, (1,), (1, 16, 1, 8), c1=(-2,)),
        square(MEAN, LONG, (1,), (1, 16, 8), c1=(-2,)),
        square(MEAN, LONG, (1,), (1, 24, 1, 8), c1=(-2,)),
    ),
    "a slice": (
        square(SLICE, KEPT, FOUR, FOUR, (1, 16, 1, 8), c1=(0, 0, 14, 0), c2=(1, 16, 1, 8)),
        square(SLICE, LONG, FOUR, FOUR, (1, 16, 1, 8), c1=(0, 0, 22, 0), c2=(1, -1, 1, 8)),
        square(SLICE, LONG, FOUR, FOUR, (1, 1, 24, 8), c1=(0, 22, 0, 0), c2=(1, 1, 24, 8)),
    ),
    "a join": (
        square(JOIN, KEPT, (1, 16, 1, 8), (1, 16, 17, 8)),
        square(JOIN, LONG, (1, 16, 1, 8), (1, 16, 25, 8)),
        square(JOIN, LONG, (1, 16, 1, 8), (1, 25, 24, 8)),
    ),
    "an enlargement": (
        square(RESIZE, KEPT, (2,), (1, 32, 32, 8), c1=(32, 32)),
        square(RESIZE, LONG, (2,), (1, 32, 48, 8), c1=(32, 48)),
        square(RESIZE, LONG, (2,), (1, 32, 48, 8), c1=(48, 32)),
    ),
    "a transposed convolution": (
        square(ENLARGE, FOUR, KERNEL, KEPT, (1, 32, 32, 8), c0=(1, 32, 32, 8)),
        square(ENLARGE, FOUR, KERNEL, LONG, (1, 32, 48, 8), c0=(1, 32, 48, 8)),
        square(ENLARGE, FOUR, KERNEL, LONG, (1, 48, 32, 8), c0=(1, 48, 32, 8)),
    ),
    "a constant made large": (
        square(FILL, FOUR, (), KEPT, c0=KEPT),
        square(FILL, FOUR, (), LONG, c0=LONG),
        square(FILL, FOUR, (), LONG, c0=TALL),
    ),
    "a tensor made large": (
        square(SPREAD, (1, 1, 1, 8), FOUR, KEPT, c1=KEPT),
        square(SPREAD, (1, 1, 1, 8), FOUR, LONG, c1=LONG),
        square(SPREAD, (1, 1, 1, 8), FOUR, LONG, c1=TALL),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_sides_that_go_together_pass_and_height_for_width_does_not(name: str) -> None:
    own, right, wrong = CASES[name]
    assert faults(own, right) == []
    assert faults(own, wrong) == ["the sides of operator 0 do not go together"]


def test_an_operator_that_is_not_known_or_hangs_on_no_picture_is_not_judged() -> None:
    assert faults(square(UNKNOWN, KEPT, KEPT), square(UNKNOWN, LONG, TALL)) == []
    stale = square(ADD, (1, 2), (3, 4))
    assert faults(stale, stale) == []


def test_what_goes_in_and_comes_out_has_the_pictures_shape() -> None:
    turned = OneOperator(ADD, (LONG, LONG), picture=(1, *reversed(WIDE), 3))
    assert faults(square(ADD, KEPT, KEPT), turned) == ["its picture is of another shape"]
