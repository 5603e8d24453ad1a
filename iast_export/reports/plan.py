"""What `iast-export plan` says: cost per tier, and per operator group what INT8 does to it.

The JSON of `--json` is a `PlanReport`; the cache of measured groups holds `GroupMeasurement`s.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from iast_export.reports.base import Count, Milliseconds, Model, Positive, Report, Sha256
from iast_export.reports.benchmark import Ratio
from iast_export.reports.half import HalfRow
from iast_export.reports.statistics import TierStatistics
from iast_export.specs import Runtime

Block = tuple[Milliseconds, Milliseconds]
Int8Kernel = Literal["integer", "mixed", "float", "refused"]
Direction = Literal["quantize", "dequantize"]
Decision = Literal["int8", "fp32", "mixed"]
Flag = Literal["", "slower in INT8 here", "faster in INT8 here"]


class TierCost(Model):
    """One tier's cost; `gmac`: billions of multiply-adds for a square of `max_side_px`."""

    tier: str
    depth: Positive
    max_side_px: Positive
    parameters: Count
    gmac: Annotated[float, Field(ge=0)]
    gmac_at_256px: Annotated[float, Field(ge=0)]


class Int8Facts(Model):
    """What a runtime makes of a group in INT8, whether the exporter quantizes it or not.

    `kernel`: "integer" where integer kernels compute all of it, "float" where it is dequantized,
    computed and quantized again, "mixed" where some of it is, "refused" where it does not run.
    `operators` are those of the optimized graph (ONNX Runtime) or of the file (LiteRT);
    `not_delegated` counts those that XNNPACK leaves to built-in kernels; `refusal` is the runtime's
    own words.
    """

    kernel: Int8Kernel
    operators: dict[str, Positive]
    not_delegated: Count | None = None
    refusal: str = ""


class Measurement(Report):
    """What the user's cache keeps, by the hash of all that decides it."""

    made_by: ClassVar[str] = "plan"
    key: Sha256


class ConversionMeasurement(Measurement):
    """Milliseconds of one quantization or dequantization of a tensor."""

    blocks_ms: Annotated[tuple[Block, ...], Field(min_length=2)]


class GroupMeasurement(Measurement):
    """A micro-benchmark: FP32 and INT8 of one group alone, timed in turn, milliseconds.

    `int8_blocks_ms` is None where INT8 does not run.
    """

    int8: Int8Facts
    fp32_blocks_ms: Annotated[tuple[Block, ...], Field(min_length=2)]
    int8_blocks_ms: Annotated[tuple[Block, ...], Field(min_length=2)] | None


class PlanRewrite(Model):
    """The form that the export gave a group before anything else, and why."""

    name: str
    why: str


class PlanRewrites(PlanRewrite):
    """A rewrite and in how many places of the tier's file it fired, seen in a group or not."""

    places: Positive


class PlanGroup(Model):
    """One operator group, or several that are alike.

    `macs`, `fp32_ms` and `int8_ms` are of one; `speed` is FP32 time over INT8 time, so above 1 INT8
    is
    faster. None: not measured, or INT8 does not run. `names` are the last outputs in the runtime's
    own FP32 graph. `followed_by`: what a convolution takes in. `flag`: the measured cost speaks
    against the decision, by its interval and by at least half a percent of the tier's time.
    `off_gpu`: operators that LiteRT's GPU delegate is not known to take, with the reason; None in
    ONNX Runtime.
    """

    kind: str
    role: str
    followed_by: tuple[str, ...]
    shape: str
    count: Positive
    names: tuple[str, ...]
    operators: tuple[str, ...]
    macs: Count
    int8: Int8Facts
    fp32_ms: Milliseconds | None
    int8_ms: Milliseconds | None
    speed: Ratio | None
    decision: Decision
    rewrite: PlanRewrite | None
    reason: str
    flag: Flag
    off_gpu: tuple[str, ...] | None = None


class PlanConversion(Model):
    """Tensors of one shape that are quantized, or dequantized, between float and integer operators.

    `ms` is of one; None: not measured.
    """

    direction: Direction
    shape: str
    count: Positive
    ms: Milliseconds | None


class RuntimePlan(Model):
    """A tier in one runtime. The totals are sums of parts that were each timed alone.

    `fp32_ms`: every group in FP32. `planned_ms`: each group as the exporter decides, and the
    conversions
    that this takes. None: not measured, or a group has no time. `rewrites`: what the export
    rewrote.
    """

    runtime: Runtime
    groups: Annotated[tuple[PlanGroup, ...], Field(min_length=1)]
    conversions: tuple[PlanConversion, ...]
    rewrites: tuple[PlanRewrites, ...] = ()
    fp32_ms: Milliseconds | None
    planned_ms: Milliseconds | None


class PlanReport(Report):
    """The plan of one tier before calibration, beside the cost of all tiers.

    `statistics`: what can be lifted out of the tier's files for large pictures and clips. `half`:
    what a GPU's FP16 would not hold of LiteRT's files, by ranges; None: no calibrated build
    lies in the folder.
    """

    made_by: ClassVar[str] = "plan"
    tiers: Annotated[tuple[TierCost, ...], Field(min_length=1)]
    tier: str
    threads: Positive
    measured: bool
    versions: dict[str, str]
    cpu: str
    runtimes: tuple[RuntimePlan, ...]
    half: HalfRow | None = None
    statistics: TierStatistics | None = None
