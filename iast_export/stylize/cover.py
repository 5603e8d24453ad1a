"""Tiles of one shape inside a picture, edge on edge: each gives what its halo leaves exact.

Outer edges of tiles are the picture's own, so the network's padding is what it would be without
tiles. Inside, a tile looks `halo_px` beyond what it gives. Offsets are multiples of the network's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from iast_export.errors import InputError
from iast_export.pictures.images import padded_side_px


@dataclass(frozen=True)
class Span:
    """A tile along one axis: it reads [start, start + side) and gives [first, last)."""

    start_px: int
    first_px: int
    last_px: int


@dataclass(frozen=True)
class CoverAxis:
    """One axis of a picture, cut into tiles of one side.

    Args:
        length_px: of the picture.
        largest_px: most that a tile may measure.
        halo_px: see `Lifted`; multiple_px likewise.

    Raises:
        InputError: tiles that are all halo.
    """

    length_px: int
    largest_px: int
    halo_px: int
    multiple_px: int

    def __post_init__(self) -> None:
        if self.padded_px > self._most_px and self._most_px <= 2 * self.halo_px:
            raise InputError(
                f"tiles of {self._most_px} px are not larger than twice their halo of "
                f"{self.halo_px} px",
                "use larger tiles",
            )

    @property
    def padded_px(self) -> int:
        """The length up to the next multiple, which the network needs."""
        return padded_side_px(self.length_px, self.multiple_px)

    @property
    def _most_px(self) -> int:
        return self.largest_px // self.multiple_px * self.multiple_px

    @property
    def count(self) -> int:
        """Of tiles, the fewest."""
        if self.padded_px <= self._most_px:
            return 1
        return -(-(self.padded_px - 2 * self.halo_px) // (self._most_px - 2 * self.halo_px))

    @property
    def side_px(self) -> int:
        """Of every tile, the smallest that needs no further tile."""
        inner = -(-(self.padded_px - 2 * self.halo_px) // self.count)
        whole = -(-inner // self.multiple_px) * self.multiple_px
        return self.padded_px if self.count == 1 else whole + 2 * self.halo_px

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """The tiles, in order; what they give follows on one another without a gap."""
        rest, steps = self.padded_px - self.side_px, max(1, self.count - 1)
        starts = [
            k * rest // steps // self.multiple_px * self.multiple_px for k in range(self.count)
        ]
        # Between two tiles anything from the later one's halo to the earlier one's is exact.
        cuts = [
            (later + earlier + self.side_px) // 2 // self.multiple_px * self.multiple_px
            for earlier, later in zip(starts, starts[1:], strict=False)
        ]
        ends = [*cuts, self.length_px]
        return tuple(
            Span(start, first, last)
            for start, first, last in zip(starts, [0, *cuts], ends, strict=True)
        )


@dataclass(frozen=True)
class Cover:
    """A picture of `down` x `across` tiles."""

    down: CoverAxis
    across: CoverAxis

    @classmethod
    def of(
        cls, height_px: int, width_px: int, largest_px: int, halo_px: int, multiple_px: int
    ) -> Cover:
        """The cover of a picture by tiles of at most `largest_px`."""
        return cls(
            CoverAxis(height_px, largest_px, halo_px, multiple_px),
            CoverAxis(width_px, largest_px, halo_px, multiple_px),
        )

    @property
    def shape_px(self) -> tuple[int, int]:
        """Height and width of every tile."""
        return self.down.side_px, self.across.side_px

    @property
    def count(self) -> int:
        """Of tiles."""
        return self.down.count * self.across.count

    def rows(self) -> Iterator[list[tuple[Span, Span]]]:
        """The tiles, row by row."""
        for down in self.down.spans:
            yield [(down, across) for across in self.across.spans]
