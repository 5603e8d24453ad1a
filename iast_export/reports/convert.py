"""The report of `convert`: what the FP32 TFLite files hold, and how near they are to PyTorch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from iast_export.files.paths import MANIFEST_NAME as MANIFEST_NAME
from iast_export.reports.base import Count, Model, Positive, RelativePath, Report, Sha256, Share
from iast_export.specs import Precision, Role


class ConvertRow(Model):
    """One TFLite file: its signatures, the bytes they share and what XNNPACK takes.

    `largest_alone_bytes` is the size of the largest tier converted alone, `parity` the largest
    `parity_error` against PyTorch per signature (FP32 only), `not_delegated` counts operators that
    XNNPACK leaves to the built-in kernels, `rewrites` the places that were traced in another form.
    """

    path: RelativePath
    sha256: Sha256
    precision: Precision
    role: Role
    signatures: tuple[str, ...]
    file_bytes: Positive
    unique_bytes: Count
    shared_bytes: Count
    largest_alone_bytes: Positive | None = None
    parity: dict[str, Share] = Field(default_factory=dict)
    delegated: dict[str, Count] = Field(default_factory=dict)
    not_delegated: dict[str, Count] = Field(default_factory=dict)
    rewrites: dict[str, Count] = Field(default_factory=dict)


class ConvertReport(Report):
    """reports/convert.json."""

    made_by = "convert"
    schema_version: Literal[2] = 2
    rows: tuple[ConvertRow, ...] = Field(min_length=1)
