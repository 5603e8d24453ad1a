"""What one run of a build found, kept for stages that are made twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Once:
    """Results by what decides them; one that is there is not made again."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Any] = {}

    def __call__(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` returns, or returned when it was asked for by this key before."""
        if key not in self._made:
            self._made[key] = make()
        made: T = self._made[key]
        return made
