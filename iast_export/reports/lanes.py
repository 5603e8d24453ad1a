"""Every lane of every tier side by side: reports/lanes.json."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from iast_export.reports.base import (
    Milliseconds,
    Model,
    Positive,
    RelativePath,
    Report,
    SetFacts,
    Sha256,
)
from iast_export.reports.benchmark import ClockName, Ratio
from iast_export.reports.verify import Drop, Spread
from iast_export.specs import REFERENCE, Accelerator, AnyPrecision, Runtime

LANES_PATH = "reports/lanes.json"


class LaneRow(Model):
    """A lane of a tier, measured, or the reason why it is not.

    Attributes:
        lane: its precision.
        accelerator: what computed. On a GPU a lane is beside those of the CPU: no default, and on
            no front; a driver on the processor has no times.
        path: of its file inside the bundle's folder; None where there is none.
        sha256: of that file.
        shipped: whether the manifest lists it. Only shipped lanes can be a default.
        computes: what the runtime really does with its convolutions, asked of the runtime.
        not_run: why there are no figures; empty where there are.
        samples_ms: the counted runs of `median_ms`.
        ratio_to_fp32: to FP32 of the same runtime, timed in turn; None for FP32 itself.
        psnr_db, drop: to ONNX FP32; None for that itself and for a ceiling, whose pictures mean
            nothing. Of squares and of pictures in their own shape, where the lane does not pad
            these; drops of squares alone.
        convolution_share: of ONNX Runtime's INT8, the share of its time that its convolutions take;
            were all else free, it would be faster by the inverse.
        on_front: no other lane of the tier is both faster and closer.
    """

    runtime: Runtime
    tier: str
    lane: AnyPrecision
    accelerator: Accelerator = "cpu"
    path: RelativePath | None = None
    sha256: Sha256 | None = None
    shipped: bool
    computes: str = ""
    not_run: str = ""
    median_ms: Milliseconds | None = None
    samples_ms: tuple[Milliseconds, ...] = ()
    ratio_to_fp32: Ratio | None = None
    psnr_db: Spread | None = None
    drop: Drop | None = None
    file_bytes: Positive | None = None
    convolution_share: Annotated[float, Field(gt=0, le=1)] | None = None
    is_default: bool = False
    on_front: bool = False

    @model_validator(mode="after")
    def _measured_or_said_why(self) -> Self:
        timed, on_gpu = self.median_ms is not None, self.accelerator == "gpu"
        if (self.not_run and timed) or not (self.not_run or timed or on_gpu):
            raise ValueError("a lane has figures, or a reason why not")
        unjudged = self.lane == "ceiling" or (self.runtime, self.lane) == REFERENCE
        if not self.not_run and (self.psnr_db is None) != unjudged:
            raise ValueError("a lane that runs is judged, unless it is a ceiling or ONNX FP32")
        if (self.path is None) != (self.sha256 is None):
            raise ValueError("a file and its sha256 come together")
        beside = self.lane == "ceiling" or self.not_run or on_gpu
        if (self.is_default or self.on_front) and beside:
            raise ValueError(
                "a ceiling, a lane that does not run or a GPU's is no default and on no front"
            )
        if self.is_default and not self.shipped:
            raise ValueError("a default lane is one of the bundle")
        return self


class LanesReport(Report):
    """All lanes of the tiers asked for, made from the FP32 files of `fp32_sha256`.

    `clock`: what timed the lanes of processors, see `lanes.timing.clock_of`. `gpu` names the GPU,
    where one was asked for and found; its lanes are timed by the clock on the wall.
    """

    made_by: ClassVar[str] = "lanes"
    schema_version: Literal[2] = 2
    machine: dict[str, str | int | list[str]]
    versions: dict[str, str] = Field(default_factory=dict)
    threads: Positive
    clock: ClockName = "wall"
    set: SetFacts
    rule: str
    gpu: str | None = None
    fp32_sha256: tuple[Sha256, ...]
    rows: Annotated[tuple[LaneRow, ...], Field(min_length=1)]
