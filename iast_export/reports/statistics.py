"""What of a tier's normalization can be told to tiles of a picture, and what not."""

from __future__ import annotations

from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from iast_export.reports.base import Count, Model, Positive
from iast_export.specs import Runtime

# Sides of tiles that large pictures are judged by, chosen: with the halos of the packaged network
# three in a row are what FP32 draws at once in half a second.
_TILE_PX, _MOST_TILE_PX, _TILES = 256, 512, 3


class LargePlan(NamedTuple):
    """The longest side of the large picture that a tier is judged on, and of its tiles."""

    long_px: int
    tile_px: int


def large_plan(side_px: int, multiple_px: int, halo_px: int) -> LargePlan | None:
    """What large picture shows how near a tier's tiles are; None where none does cheaply.

    Args:
        side_px: of the tier.
        multiple_px, halo_px: of its tiles; a tile is wider than twice its halo, with as much again
            inside where the tier has that.
    """
    tile_px = min(side_px, max(_TILE_PX, 4 * halo_px + multiple_px)) // multiple_px * multiple_px
    if not 2 * halo_px < tile_px <= _MOST_TILE_PX:
        return None
    return LargePlan(min(_TILES * tile_px, 2 * _MOST_TILE_PX), tile_px)


class KeptReduction(Model):
    """A reduction over the picture that is not lifted: its operator, where it is, and why."""

    runtime: Runtime
    operator: str
    at: str
    reason: str


class TierStatistics(Model):
    """The reductions over the whole picture of one tier, and what follows for large pictures.

    `lifted` of them are means that tiles add up and are told; exact ones take `passes` over a
    picture. Where FP32 has a form without reductions, a pixel of the result looks `halo_px` around
    itself, and offsets of tiles are multiples of `tile_multiple_px`; else both are None.
    `not_lifted` are the others. `limits` says per runtime why tiles of one picture are not the
    network on all of it; a runtime without one draws large pictures, clips and albums exactly.
    """

    lifted: Count
    passes: Count
    halo_px: Count | None = None
    tile_multiple_px: Positive | None = None
    not_lifted: tuple[KeptReduction, ...] = ()
    limits: dict[Runtime, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if (self.halo_px is None) != (self.tile_multiple_px is None):
            raise ValueError("a halo and the multiple of tiles come together")
        untold = sorted({one.runtime for one in self.not_lifted} - set(self.limits))
        if untold:
            raise ValueError(f"{untold[0]} keeps reductions, and no limit says so")
        return self
