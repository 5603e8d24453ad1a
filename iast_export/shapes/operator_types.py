"""One operator of a TFLite file and what can be made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from iast_export.shapes.dims import Dim, Number, Steps

Sides: TypeAlias = tuple[Dim, ...]


class MisfitError(Exception):
    """Sides do not go together; its text says how, in a few words."""


@dataclass(frozen=True)
class Read:
    """An input.

    Attributes:
        sizes: its sides as traced.
        sides: them as functions.
        values: of a constant.
        summed: of a statistic of the picture, how many numbers it may be the sum of.
    """

    sizes: tuple[int, ...]
    sides: Sides
    values: np.ndarray[Any, Any] | None = None
    summed: tuple[Dim, ...] = ()


@dataclass(frozen=True)
class Operator:
    """One operator as it stands in the file; an input that is left out is None.

    Attributes:
        made: sides of each output as traced.
        steps: of the picture that was traced.
    """

    name: str
    options: Any
    inputs: tuple[Read | None, ...]
    made: tuple[tuple[int, ...], ...]
    steps: Steps

    @property
    def follows_picture(self) -> bool:
        """Whether anything that it reads has other sides for other pictures."""
        read = (one for one in self.inputs if one is not None)
        return any(not side.is_constant for one in read for side in one.sides)

    def input(self, index: int) -> Read:
        """An input that must be there."""
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise MisfitError(f"input {index} is missing")
        return found

    def numbers(self, index: int) -> list[int]:
        """The values of a constant input, in one list."""
        values = self.input(index).values
        if values is None:
            raise MisfitError("a shape is computed while it runs")
        return [int(value) for value in values.reshape(-1)]


@dataclass(frozen=True)
class Outcome:
    """One reading of an operator.

    Attributes:
        sides: of each output.
        written: input index to what each of that constant's numbers is.
        options: name of an option to what it is.
    """

    sides: tuple[Sides, ...]
    written: Mapping[int, tuple[Number, ...]] = field(default_factory=dict)
    options: Mapping[str, Dim | Sides] = field(default_factory=dict)


Rule: TypeAlias = Callable[[Operator], Iterator[Outcome]]
"""What an operator may make of its inputs, the likeliest first."""
