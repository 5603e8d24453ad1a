"""Two bundles side by side, in raw values: what `compare` measured, from which verdicts follow."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from iast_export.reports.base import (
    PSNR_CAP_DB,
    Milliseconds,
    Model,
    Positive,
    Report,
    SetFacts,
    Sha256,
    Share,
    Similarity,
)
from iast_export.specs import Precision, Runtime

Psnr = Annotated[float, Field(ge=0, le=PSNR_CAP_DB)]
# The two runs of BASE and the two of HEAD in a block, which go A B B A.
Block = tuple[tuple[Milliseconds, Milliseconds], tuple[Milliseconds, Milliseconds]]


class Side(Model):
    """One of the two bundles; `manifest_sha256` is of its manifest, which holds all its hashes."""

    name: str
    manifest_sha256: Sha256


class Drawn(Model):
    """A picture that one bundle drew.

    Attributes:
        psnr_db: to what its own ONNX FP32 drew; None of that itself.
        base_psnr_db: to what BASE's ONNX FP32 drew.
        style_distance: None where the bundle has no thumbnail of the artwork.
    """

    psnr_db: Psnr | None
    base_psnr_db: Psnr
    ssim_content: Similarity
    style_distance: Share | None


class ComparedPair(Model):
    """A photograph in a style, as both bundles drew it."""

    content: str
    style: str
    base: Drawn
    head: Drawn


class ComparedLane(Model):
    """A lane that both bundles have.

    Attributes:
        same_file: both have the same bytes there, so that the same pictures take the same time.
        same_pictures: the FP32 file of the tier and the styles are the same too.
        pairs: the photographs one after another, each in as many styles; empty where the pictures
            are the same.
        rounds: of fresh processes, each with its blocks; empty for a same file, unless it was asked
            to be timed nevertheless.
    """

    runtime: Runtime
    precision: Precision
    tier: str
    base_bytes: Positive
    head_bytes: Positive
    same_file: bool
    same_pictures: bool
    pairs: tuple[ComparedPair, ...] = ()
    rounds: tuple[Annotated[tuple[Block, ...], Field(min_length=1)], ...] = ()

    @property
    def label(self) -> str:
        """For example `litert int8 d3-256px`."""
        return f"{self.runtime} {self.precision} {self.tier}"


class ComparisonReport(Report):
    """What `compare BASE HEAD` measured, both in one run on one machine.

    Attributes:
        same_checkpoint: both were made from the same weights, so that HEAD must draw what BASE
            draws.
        set: the photographs; `images` is how many were drawn at most.
        styles: ids that both bundles have and that were drawn.
        lacks: lanes, tiers and styles of BASE that HEAD lacks.
        adds: those of HEAD that BASE lacks, which were not compared.
    """

    made_by: ClassVar[str] = "compare BASE HEAD"
    schema_version: Literal[1] = 1
    base: Side
    head: Side
    machine: dict[str, str | int | list[str]]
    versions: dict[str, str] = Field(default_factory=dict)
    threads: Positive
    same_checkpoint: bool
    set: SetFacts
    styles: tuple[str, ...]
    lacks: tuple[str, ...] = ()
    adds: tuple[str, ...] = ()
    lanes: tuple[ComparedLane, ...]
