"""The report of `bench`: how fast each lane is, and how much faster than FP32."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from iast_export.files.paths import MANIFEST_NAME as MANIFEST_NAME
from iast_export.reports.base import Milliseconds, Model, Positive, Report, Sha256, Side
from iast_export.specs import Precision, Runtime

# Processor time is what the work takes; time on the wall has in it what else the machine does.
ClockName = Literal["wall", "processor"]
# Of what passes for 4:3, whose sides are multiples of the network's.
LEAST_ASPECT, MOST_ASPECT = 1.2, 1.5


class Ratio(Model):
    """One time over another, with its bootstrap interval."""

    value: Annotated[float, Field(gt=0)]
    low: Annotated[float, Field(gt=0)]
    high: Annotated[float, Field(gt=0)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(
                f"a ratio of {self.value} lies outside its interval {self.low}..{self.high}"
            )
        return self


class FourThirds(Model):
    """A 4:3 picture of as many pixels as the tier's square, timed in the first of its blocks.

    `per_pixel`: how many times as long as in the square a pixel takes; above 1 is slower.
    """

    width_px: Side
    height_px: Side
    samples_ms: tuple[Milliseconds, ...] = Field(min_length=1)
    per_pixel: Ratio

    @model_validator(mode="after")
    def _is_so_wide(self) -> Self:
        if not LEAST_ASPECT <= self.width_px / self.height_px <= MOST_ASPECT:
            raise ValueError(f"{self.width_px}x{self.height_px} px is not 4:3")
        return self


class BenchmarkRow(Model):
    """Speed, memory and size of one model at one tier; `sha256` is of its file.

    `p90_ms` is None where the samples are too few for it; `ratio_to_fp32` is FP32's time over this,
    above 1 where it is faster, and None for FP32 itself and where FP32 was not measured;
    `warmup_ms` is kept apart and enters no figure. `four_thirds` is None where it was not timed, as
    of a file that takes squares alone.
    """

    runtime: Runtime
    precision: Precision
    tier: str
    sha256: Sha256
    threads: Positive
    median_ms: Milliseconds
    p90_ms: Milliseconds | None = None
    samples_ms: tuple[Milliseconds, ...] = Field(min_length=1)
    warmup_ms: tuple[Milliseconds, ...] = ()
    ratio_to_fp32: Ratio | None = None
    four_thirds: FourThirds | None = None
    peak_rss_bytes: Positive | None = None
    file_bytes: Positive


class BenchmarkReport(Report):
    """reports/benchmark.json; `machine` is `environment.machine_fingerprint()`.

    `clock`: by which every row was timed.
    """

    made_by = "bench"
    schema_version: Literal[2] = 2
    machine: dict[str, str | int | list[str]]
    versions: dict[str, str] = Field(default_factory=dict)
    clock: ClockName = "wall"
    rows: tuple[BenchmarkRow, ...] = Field(min_length=1)
