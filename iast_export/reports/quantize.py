"""The report of `quantize`: what is INT8 in each file, what is not, and why."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from iast_export.files.paths import MANIFEST_NAME as MANIFEST_NAME
from iast_export.reports.base import Count, Model, Positive, RelativePath, Report, SetFacts, Sha256
from iast_export.specs import Precision, Runtime


class QuantizeRow(Model):
    """What quantization did to the file of `sha256`; `islands` were left in float on purpose.

    For LiteRT `delegated` counts per signature the operators that XNNPACK takes, `not_delegated`
    names those that it leaves to the built-in kernels. `rewrites` counts, for ONNX, the places that
    each exact rewrite changed in the FP32 file; for LiteRT's FP16, those that `half-safe` changed
    so that a GPU's arithmetic holds their values.
    """

    path: RelativePath
    sha256: Sha256
    runtime: Runtime
    precision: Precision
    tier: str | None = None
    quantized_ops: dict[str, Count]
    islands: tuple[str, ...] = ()
    delegated: dict[str, Count] = Field(default_factory=dict)
    not_delegated: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    rewrites: dict[str, Count] = Field(default_factory=dict)


class FallbackRow(Model):
    """What was tried for a tier whose INT8 missed the rule for default lanes.

    `in_float` names the groups of `groups` that its INT8 file has in float for that; none where no
    file was found that holds the rule and is faster than FP32, or, not `complete`, the time was
    out. Figures are of the file with everything in INT8 and of the best found, on evaluation pairs.
    """

    runtime: Runtime
    tier: str
    in_float: tuple[str, ...]
    groups: Positive
    complete: bool
    int8_psnr_db: float
    psnr_db: float
    int8_ms: float
    ms: float
    fp32_ms: float


class FallbackReport(Report):
    """calibration/fallback.json."""

    made_by: ClassVar[str] = "build"
    schema_version: Literal[1] = 1
    rows: tuple[FallbackRow, ...] = Field(min_length=1)


class CalibratedOn(Model):
    """Which pictures calibrated: of `found`, how many at each tier; what was left out, and why."""

    found: Positive
    used: dict[str, Positive]
    skipped: dict[str, str] = Field(default_factory=dict)


class QuantizeReport(Report):
    """reports/quantize.json; `set` holds the pictures that were chosen, at most one per pair."""

    made_by = "quantize"
    schema_version: Literal[2] = 2
    method: str
    set: SetFacts
    calibrated: CalibratedOn | None = None
    fallback: tuple[FallbackRow, ...] = ()
    rows: tuple[QuantizeRow, ...] = Field(min_length=1)
