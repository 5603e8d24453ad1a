"""The report of `verify`: how far each lane is from the FP32 reference."""

from __future__ import annotations

import math
import statistics
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from iast_export.files.paths import MANIFEST_NAME as MANIFEST_NAME
from iast_export.reports.base import (
    PSNR_CAP_DB,
    Model,
    Positive,
    Report,
    SetFacts,
    Sha256,
    Share,
    Side,
    Similarity,
)
from iast_export.reports.half import HalfRow
from iast_export.specs import Precision, Runtime


class Spread(Model):
    """Mean and 5th percentile over the images of a row."""

    mean: float
    p5: float


class Drop(Model):
    """Relative loss of the task scores against FP32; positive is worse. None: not judged."""

    ssim_content: float
    style_distance: float
    lpips_content: float | None = None
    identity: float | None = None


class TaskScores(Model):
    """Scores of one stylized picture; None where not judged."""

    ssim_content: Similarity
    style_distance: Share
    lpips_content: Share | None = None
    identity: Similarity | None = None


class PairScore(Model):
    """Raw figures of one content and style at one size, from which a row's summaries follow.

    `scores` are those of the row's own picture, `reference` those of FP32's.
    """

    content: str
    style: str
    width_px: Side
    height_px: Side
    psnr_db: Annotated[float, Field(ge=0, le=PSNR_CAP_DB)]
    ssim: Similarity
    scores: TaskScores
    reference: TaskScores

    @property
    def key(self) -> tuple[str, str, int, int]:
        """What was judged."""
        return self.content, self.style, self.width_px, self.height_px


class Figures(Model):
    """Fidelity and score drops over some pictures, from `pairs`.

    `not_judged` gives, for each score of `drop` that is None, the reason.
    """

    images: Positive
    psnr_db: Spread
    ssim: Spread
    drop: Drop
    not_judged: dict[str, str] = Field(default_factory=dict)
    pairs: tuple[PairScore, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _explains_gaps(self) -> Self:
        gaps = {name for name in ("lpips_content", "identity") if getattr(self.drop, name) is None}
        if gaps != set(self.not_judged):
            raise ValueError(
                f"not_judged must explain exactly {sorted(gaps)}, found {sorted(self.not_judged)}"
            )
        return self


class VerifyRow(Figures):
    """Figures of one model at one tier: over squares of the tier's side, which no runtime pads.

    `own_shape` are those over pictures that keep their aspect ratio, which LiteRT pads to the
    square; None where no picture of the set is other than square. `sha256` is of the model's file,
    `reference_sha256` of the ONNX FP32 file that it was compared with.
    """

    runtime: Runtime
    precision: Precision
    tier: str
    sha256: Sha256
    reference_sha256: Sha256
    own_shape: Figures | None = None

    @property
    def of(self) -> tuple[Runtime, Precision, str, str, str]:
        """The lane, and the files that it was judged by."""
        return self.runtime, self.precision, self.tier, self.sha256, self.reference_sha256

    def parts(self) -> tuple[Figures, ...]:
        """The figures for squares, then those for own shapes where there are any."""
        return (self, self.own_shape) if self.own_shape else (self,)

    def keys(self) -> tuple[set[tuple[str, str, int, int]], ...]:
        """What was judged, part by part."""
        return tuple({pair.key for pair in part.pairs} for part in self.parts())


class LargeRow(Model):
    """How near a large picture, painted by tiles with its exact statistics, is to FP32's whole one.

    `tile_px`: the most that a tile measured; `tiles`: how many. `sha256` is of the model's file,
    `reference_sha256` of the ONNX FP32 file that drew the picture in one run.
    """

    runtime: Runtime
    precision: Precision
    tier: str
    sha256: Sha256
    reference_sha256: Sha256
    content: str
    style: str
    width_px: Side
    height_px: Side
    tile_px: Side
    tiles: Positive
    psnr_db: Annotated[float, Field(ge=0, le=PSNR_CAP_DB)]
    ssim: Similarity

    @property
    def of(self) -> tuple[Runtime, Precision, str, str, str]:
        """The lane, and the files that it was judged by."""
        return self.runtime, self.precision, self.tier, self.sha256, self.reference_sha256


class ClipStep(Model):
    """From one frame of a clip to the next, as `metrics.flicker.Step` has it."""

    error: Share
    clip_error: Share
    tone: float
    judged: Similarity


class ClipRow(Model):
    """How still one model's result of a clip is; steps over cuts are left out.

    `sha256` is of the model's file, `clip_sha256` of the clip, `style_sha256` of the codes.
    """

    runtime: Runtime
    precision: Precision
    tier: str
    sha256: Sha256
    clip: str
    clip_sha256: Sha256
    style: str
    style_sha256: Sha256
    width_px: Side
    height_px: Side
    cuts: tuple[int, ...] = ()
    noise_gain: Share
    exposure_levels: Share
    steps: tuple[ClipStep, ...] = Field(min_length=1)

    @property
    def warping_error(self) -> float:
        """RMS over the steps."""
        return math.sqrt(statistics.fmean(step.error**2 for step in self.steps))

    @property
    def clip_warping_error(self) -> float:
        """The clip's own."""
        return math.sqrt(statistics.fmean(step.clip_error**2 for step in self.steps))

    @property
    def tone_flicker(self) -> float:
        """How far the mean level changes from frame to frame, by share: RMS of `tone`."""
        return math.sqrt(statistics.fmean(step.tone**2 for step in self.steps))

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What was judged."""
        return self.runtime, self.precision, self.tier, self.clip, self.style


class VerifyReport(Report):
    """reports/verify.json; `styles` are the SHA-256 of the codes that were judged in.

    `large`: of pictures by tiles, for tiers whose statistics can be lifted; none of a build that
    judged none. `video`: of clips, once `verify DIR --video` judged some. `half`: what a GPU's
    FP16 would not hold, tier by tier; None: of a build that did not tell.
    """

    made_by = "verify"
    schema_version: Literal[2] = 2
    set: SetFacts
    styles: dict[str, Sha256]
    rows: tuple[VerifyRow, ...] = Field(min_length=1)
    large: tuple[LargeRow, ...] = ()
    video: tuple[ClipRow, ...] = ()
    half: tuple[HalfRow, ...] | None = None
