"""Every depth of a network at every size of its plan: reports/depths.json."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from iast_export.reports.base import Milliseconds, Model, Positive, Report, SetFacts, Sha256
from iast_export.reports.benchmark import ClockName

DEPTHS_PATH = "reports/depths.json"

# What a depth is judged by: one score where a network has a strength, two where it has none.
Measure = Literal["ssim_at_equal_style", "ssim", "style_distance"]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Estimate(Model):
    """A value with its 95 % interval over photographs."""

    value: Finite
    low: Finite
    high: Finite


class DepthGain(Estimate):
    """How much better a depth is than a faster one; positive is better, whatever the measure."""

    beside: Positive
    measure: Measure


class DepthRow(Model):
    """A depth at one size.

    Attributes:
        shipped: whether the plan has it at this size.
        fp32_ms: of ONNX Runtime, in turn with all depths.
        int8_ms: likewise, with all ranges alike, as time does not depend on them; None: INT8 does
            not run.
        style_distance: to the artwork, at full strength.
        ssim: to the photograph, at full strength.
        ssim_at_equal_style: SSIM where all depths are equally far from the artwork, mean over the
            strengths; None: the network has no strength.
        gains: beside each faster depth.
        on_front: better than every faster depth in some measure, by an interval above zero.
    """

    depth: Positive
    shipped: bool
    fp32_ms: Milliseconds
    int8_ms: Milliseconds | None
    style_distance: Finite
    ssim: Finite
    ssim_at_equal_style: Estimate | None
    gains: tuple[DepthGain, ...]
    on_front: bool


class SizeDepths(Model):
    """All depths at one size, fastest first.

    `common_style`: the style distances that all are read at, one for each strength: that of the
    depth with the least style there. None of them: the network has no strength.
    """

    size_px: Positive
    common_style: tuple[Finite, ...]
    rows: Annotated[tuple[DepthRow, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        read = {row.ssim_at_equal_style is not None for row in self.rows}
        if read != {bool(self.common_style)}:
            raise ValueError("a common style distance and scores at it come together")
        if len({row.int8_ms is None for row in self.rows}) > 1:
            raise ValueError("INT8 is timed at every depth, or at none")
        return self


class DepthsReport(Report):
    """Every depth at the sizes asked for, of the network of `fp32_sha256`, the bundle's files.

    `clock`: what timed, see `lanes.timing.clock_of`. `no_int8` says why INT8 was not timed; empty
    where it was.
    """

    made_by: ClassVar[str] = "depths"
    machine: dict[str, str | int | list[str]]
    versions: dict[str, str]
    threads: Positive
    clock: ClockName
    set: SetFacts
    no_int8: str = ""
    fp32_sha256: Annotated[tuple[Sha256, ...], Field(min_length=1)]
    sizes: Annotated[tuple[SizeDepths, ...], Field(min_length=1)]
