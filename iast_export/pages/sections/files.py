"""The files: what serves what; hashes, integers and islands to be unfolded."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from iast_export.pages import format as fmt
from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import Cell, Column, Group, Table, numbers, render, texts
from iast_export.pages.sections.section import Section
from iast_export.reports.convert import ConvertReport
from iast_export.reports.manifest import Manifest
from iast_export.reports.quantize import QuantizeReport

_CODE = Markup("<code>{}</code>")


def section(parts: ReportParts) -> Section:
    """The model files, and how they were made, where that is reported."""
    body = render(
        "sections/files.html.j2",
        files=_files(parts.manifest),
        hashes=_hashes(parts.manifest),
        quantize=parts.quantize,
        quantized=_quantized(parts.quantize) if parts.quantize else None,
        converted=_converted(parts.convert) if parts.convert else None,
    )
    return Section("files", "Files", body)


def _files(manifest: Manifest) -> Table:
    rows: list[list[Cell]] = [
        [
            _CODE.format(entry.path),
            fmt.lane_name(entry.runtime, entry.precision),
            entry.role.replace("_", " "),
            entry.tier
            or ", ".join(entry.signatures)
            or ("all tiers" if entry.role == "dispatch" else ""),
            f"{entry.bytes:,}",
        ]
        for entry in manifest.files
    ]
    columns = [Column("path"), *texts("lane", "role", "serves"), *numbers("bytes")]
    return Table("Model files of the bundle", columns, [Group(rows)])


def _hashes(manifest: Manifest) -> Table:
    rows = [[_CODE.format(one.path), _CODE.format(one.sha256)] for one in manifest.files]
    return Table("SHA-256 of every model file", [Column("path"), *texts("SHA-256")], [Group(rows)])


def _quantized(report: QuantizeReport) -> Table:
    rows: list[list[Cell]] = [
        [
            _CODE.format(row.path),
            row.tier or "all",
            _counts(row.rewrites),
            _counts(row.quantized_ops),
            _islands(row.islands),
        ]
        for row in report.rows
    ]
    columns = texts(
        "file", "tier", "rewritten before", "quantized operators", "left in float on purpose"
    )
    return Table("What was quantized", columns, [Group(rows)])


def _islands(islands: tuple[str, ...]) -> Cell:
    if not islands:
        return "none"
    folded = "<details><summary>{} operators</summary><code>{}</code></details>"
    return Markup(folded).format(len(islands), ", ".join(islands))


def _converted(report: ConvertReport) -> Table:
    rows: list[list[Cell]] = [
        [
            _CODE.format(row.path),
            fmt.size(row.file_bytes),
            fmt.size(row.unique_bytes),
            fmt.size(row.shared_bytes),
            fmt.size(row.largest_alone_bytes),
            _counts(row.rewrites),
            ", ".join(f"{name} {value:.1e}" for name, value in sorted(row.parity.items())) or "–",
            _counts(row.not_delegated, "none"),
        ]
        for row in report.rows
    ]
    columns = [
        Column("file"),
        *numbers("bytes", "unique", "shared", "largest tier alone"),
        *texts("rewritten", "largest difference from PyTorch", "not taken by XNNPACK"),
    ]
    return Table("TFLite files: shared weights, rewrites, parity", columns, [Group(rows)])


def _counts(counts: Mapping[str, int], none: str = "–") -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or none
