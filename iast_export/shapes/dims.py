"""Lengths that follow a picture's height and width, in exact arithmetic.

Height and width are counted in steps of the network's size multiple, so that every length is a
whole-numbered function of whole numbers: `constant + rows * height + columns * width + area *
height * width`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias


@dataclass(frozen=True)
class Steps:
    """A picture's height and width in steps of the network's size multiple."""

    height: int
    width: int


@dataclass(frozen=True)
class Dim:
    """A length as a function of a picture's height and width in steps."""

    constant: int
    rows: int = 0
    columns: int = 0
    area: int = 0

    @property
    def is_constant(self) -> bool:
        """Whether it is the same for every picture."""
        return not (self.rows or self.columns or self.area)

    @property
    def factors(self) -> tuple[int, int, int, int]:
        """As the table writes it: constant, rows, columns, area."""
        return self.constant, self.rows, self.columns, self.area

    def at(self, steps: Steps) -> int:
        """The length for a picture."""
        h, w = steps.height, steps.width
        return self.constant + self.rows * h + self.columns * w + self.area * h * w

    def packed(self, steps: Steps) -> bytes:
        """The length for a picture as a file holds it.

        Raises:
            ValueError: it leaves 32 bits, or falls below 0 and so is no length.
        """
        value = self.at(steps)
        if abs(value) >= 1 << 31 or (value < 0 and not self.is_constant):
            raise ValueError(f"{value} is no length")
        return struct.pack("<i", value)

    def __add__(self, other: Dim | int) -> Dim:
        b = other if isinstance(other, Dim) else Dim(other)
        return Dim(*(x + y for x, y in zip(self.factors, b.factors, strict=True)))

    def __sub__(self, other: Dim | int) -> Dim:
        return self + (other if isinstance(other, Dim) else Dim(other)) * -1

    def __mul__(self, other: int) -> Dim:
        return Dim(*(x * other for x in self.factors))


@dataclass(frozen=True)
class Ratio:
    """A factor as a function of a picture's sides, as 1 over its number of pixels is in a mean."""

    of: Dim
    over: Dim

    @property
    def is_constant(self) -> bool:
        """Whether it is the same for every picture."""
        return self.of.is_constant and self.over.is_constant

    def at(self, steps: Steps) -> float:
        """The factor for a picture, in double precision."""
        return self.of.at(steps) / self.over.at(steps)

    def packed(self, steps: Steps) -> bytes:
        """The factor for a picture as a file holds it, in single precision.

        Raises:
            ValueError: it divides by nothing.
        """
        if self.over.at(steps) < 1:
            raise ValueError("it divides by nothing")
        return struct.pack("<f", self.at(steps))


Number: TypeAlias = Dim | Ratio


def times(a: Dim, b: Dim) -> Dim | None:
    """The product; None where it is no such function, as of two heights."""
    if (a.rows and (b.rows or b.area)) or (a.columns and (b.columns or b.area)):
        return None
    if a.area and not b.is_constant:
        return None
    return Dim(
        a.constant * b.constant,
        a.constant * b.rows + a.rows * b.constant,
        a.constant * b.columns + a.columns * b.constant,
        a.constant * b.area + a.area * b.constant + a.rows * b.columns + a.columns * b.rows,
    )


def product(dims: tuple[Dim, ...]) -> Dim | None:
    """The product of all; None where it is no such function."""
    result: Dim | None = Dim(1)
    for dim in dims:
        result = None if result is None else times(result, dim)
    return result


def floor_share(dim: Dim, divisor: int) -> Dim | None:
    """`dim // divisor` for every picture; None where rounding falls differently by picture."""
    if any(factor % divisor for factor in dim.factors[1:]):
        return None
    return Dim(*(factor // divisor for factor in dim.factors))


def scaled(dim: Dim, share: Fraction) -> Dim | None:
    """`dim * share`, exactly; None where that is no whole number for every picture."""
    factors = [factor * share for factor in dim.factors]
    if any(factor.denominator != 1 for factor in factors):
        return None
    return Dim(*(int(factor) for factor in factors))
