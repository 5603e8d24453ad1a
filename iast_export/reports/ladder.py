"""What the parity ladder found: reports/ladder.json."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from iast_export.reports.base import Count, Model, Positive, RelativePath, Report, SetFacts, Sha256

LADDER_PATH = "reports/ladder.json"

Step = Literal[
    "pytorch",
    "onnx_fp32",
    "onnx_int8_plain",
    "onnx_int8",
    "litert_fp32",
    "litert_int8_reference",
    "litert_int8",
    "litert_fp16_simulated",
    "litert_fp16_gpu",
]

STEP_NAMES: dict[Step, str] = {
    "pytorch": "PyTorch",
    "onnx_fp32": "ONNX Runtime FP32",
    "onnx_int8_plain": "ONNX Runtime INT8, optimizations off",
    "onnx_int8": "ONNX Runtime INT8, optimizations on",
    "litert_fp32": "LiteRT FP32",
    "litert_int8_reference": "LiteRT INT8, reference kernels",
    "litert_int8": "LiteRT INT8, XNNPACK",
    "litert_fp16_simulated": "LiteRT FP16, a GPU's arithmetic simulated",
    "litert_fp16_gpu": "LiteRT FP16, GPU",
}
GPU_STEPS: tuple[Step, ...] = ("litert_fp16_simulated", "litert_fp16_gpu")


class StepError(Model):
    """How far a step's pictures are from another step's, in 8-bit levels over all pictures.

    `worst_psnr_db` is that of the farthest picture; equal pictures count as 100 dB.
    `differing_share` is the share of pixels of which any channel differs.
    """

    against: Step
    psnr_db: float
    worst_psnr_db: float
    max_levels: Annotated[int, Field(ge=0, le=255)]
    differing_share: Annotated[float, Field(ge=0, le=1)]


class LadderRow(Model):
    """One step at one tier.

    `before` is its error to the step that it follows, `total` that to PyTorch. A step that could
    not run has neither, and `not_run` says why; an error that has nothing to stand against is
    explained there too.
    """

    tier: str
    step: Step
    before: StepError | None = None
    total: StepError | None = None
    not_run: str | None = None
    anomaly: str | None = None

    @model_validator(mode="after")
    def _explained(self) -> Self:
        silent = self.before is None or self.total is None
        if self.step != "pytorch" and silent and not self.not_run:
            raise ValueError(f"{self.step} has no figures and no reason")
        return self


class Processor(Model):
    """The processor that the ladder ran on, what it has for 8-bit products and what it lacks."""

    cpu: str
    has: tuple[str, ...]
    lacks: tuple[str, ...]
    remark: str


class LadderReport(Report):
    """reports/ladder.json; `files` and `styles` are SHA-256 of what it ran, by path and id.

    `gpu` names the GPU, where one was asked for and found.
    """

    made_by: ClassVar[str] = "ladder"
    schema_version: Literal[2] = 2
    set: SetFacts
    pictures: Positive
    files: dict[RelativePath, Sha256] = Field(min_length=1)
    styles: dict[str, Sha256]
    processor: Processor
    gpu: str | None = None
    limit_levels: dict[Step, Count]
    limit_db: float
    rows: tuple[LadderRow, ...] = Field(min_length=1)

    @property
    def anomalies(self) -> tuple[LadderRow, ...]:
        """Rows that are farther from the step before than the limits allow."""
        return tuple(row for row in self.rows if row.anomaly)

    @property
    def gaps(self) -> tuple[LadderRow, ...]:
        """Rows that were not judged, or not fully."""
        return tuple(row for row in self.rows if row.not_run)
