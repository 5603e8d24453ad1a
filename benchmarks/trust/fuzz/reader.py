"""What a reader of the project is to the fuzzer, and what it owes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.trust.fuzz.mutate_bytes import Mutator

ALLOWED_CODES = frozenset({2, 3, 4, 5, 6, 7})
Seeds = Mapping[str, bytes]


class SilentAcceptanceError(Exception):
    """A file was altered after its hash was recorded, and a reader took it."""


class WrongResultError(Exception):
    """A reader returned what no caller can use."""


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        seeds: valid inputs by name.
        mutate: the damage, by a seed's name.
        read: reads damaged bytes in an empty folder; the seed's name says what file it was.
        weight: share of the cases.
        all_valid: whether the reader takes every seed as it is.
    """

    name: str
    seeds: Callable[[], Seeds]
    mutate: Callable[[str], Mutator]
    read: Callable[[bytes, Path, str], None]
    weight: int = 2
    all_valid: bool = True


def require(condition: bool, words: str) -> None:
    """Refuses a result that no caller can use."""
    if not condition:
        raise WrongResultError(words)


def always(mutator: Mutator) -> Callable[[str], Mutator]:
    """The same damage for every seed."""
    return lambda name: mutator
