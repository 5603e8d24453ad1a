"""What is lifted out of a network, whichever its runtime: spatial reductions that are sums.

A network that normalizes reads means over the whole picture. Where each of these is a sum over
pixels, two graphs over the same weights do its work on pictures of any size: `measure` gives a
tile's share of every mean, and `render`, told the means, has no reduction left, so that a tile
gives the numbers of the whole picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

Shape = tuple[int, ...]
# In the names of either runtime's operators.
_PRODUCTS = ("MATMUL", "GEMM", "EINSUM", "FULLY_CONNECTED")


@dataclass(frozen=True)
class Site:
    """A reduction over the picture that is a mean of a map.

    Attributes:
        name: of the input of `render`, and of the output of `measure`.
        shape: of both.
        level: 0 where it reads no other mean, else one more than the last that it reads.
    """

    name: str
    shape: Shape
    level: int


@dataclass(frozen=True)
class Kept:
    """A reduction over the picture that tiles can't share.

    Attributes:
        operator: its type.
        at: where it is in the file: its result, or its number.
        reason: why it can't be lifted.
    """

    operator: str
    at: str
    reason: str

    def __str__(self) -> str:
        return f"{self.operator} ({self.at})"


class Lift(Protocol):
    """A model of one tier, its spatial reductions found.

    Attributes:
        sites: the reductions that are means of pixels, in the order of the graph.
        kept: reductions of another kind, which tiles can't share.
        step_px: of which a tile's offset is a multiple, so that strided layers see the same pixels.
    """

    sites: tuple[Site, ...]
    kept: tuple[Kept, ...]

    @property
    def step_px(self) -> int:
        """See above."""
        ...

    def render(self) -> bytes:
        """The model with an input per site in the place of its reduction."""
        ...

    def measure(self, level: int) -> bytes:
        """The model that gives a tile's share of the means of one level, by the sites' names.

        It takes the means of all levels before, and `specs.PIXEL_WEIGHT` [1, 1, H, W]. What it
        does not read is no input of it.
        """
        ...


def kept(operator: str, at: str, *, adds_up: bool) -> Kept:
    """A reduction that can't be lifted, with the reason.

    Args:
        operator: its type, in either runtime.
        at: where it is.
        adds_up: whether it is a sum or a mean.
    """
    if adds_up:
        reason = "what it adds up is no map of the picture's own shape"
    elif "MAX" in operator.upper() or "MIN" in operator.upper():
        reason = "an extreme over pixels is no sum over them"
    elif any(part in operator.upper() for part in _PRODUCTS):
        reason = "it sums products of places with places, as attention and Gram matrices do"
    else:
        reason = "it is no sum over pixels"
    return Kept(operator, at, reason)


def levels(sites: Sequence[Site]) -> int:
    """Passes over a picture that exact means need: those that read others come after them."""
    return 1 + max((site.level for site in sites), default=-1)


def site_name(number: int) -> str:
    """What the site of that place in the graph is called."""
    return f"moment_{number}"


def levels_of(
    results: Sequence[str], read_by_maker: Callable[[str], Iterable[str]]
) -> dict[str, int]:
    """The level of each reduction, by its result.

    Args:
        results: of all reductions, in the order of the graph.
        read_by_maker: what the operator that makes a tensor reads.
    """
    found: dict[str, int] = {}
    known: dict[str, int] = {}
    for result in results:
        above = read_by_maker(result)
        level = max((_level(name, found, known, read_by_maker) for name in above), default=0)
        found[result] = known[result] = level
    return found


def _level(
    name: str,
    found: dict[str, int],
    known: dict[str, int],
    read_by_maker: Callable[[str], Iterable[str]],
) -> int:
    """The level of a reduction that reads a tensor: past all reductions above it."""
    pending = [name]
    while pending:
        here = pending[-1]
        if here in known:
            pending.pop()
            continue
        above = list(read_by_maker(here))
        missing = [one for one in above if one not in known]
        if missing:
            pending += missing
            continue
        known[here] = max((known[one] + (one in found) for one in above), default=0)
        pending.pop()
    return known[name] + (name in found)
