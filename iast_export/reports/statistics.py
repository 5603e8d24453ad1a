"""What of a tier's normalization can be told to tiles of a picture, and what not."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from iast_export.reports.base import Count, Model, Positive
from iast_export.specs import Runtime


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
