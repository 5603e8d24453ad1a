"""Speed in figures: what the table of lanes leaves out."""

from __future__ import annotations

from iast_export.pages import format as fmt
from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import Cell, Column, Table, by_tier, numbers, render
from iast_export.pages.sections.section import Section
from iast_export.reports.benchmark import BenchmarkRow


def section(parts: ReportParts) -> Section:
    """Percentiles, samples and memory of every lane."""
    return Section(
        "speed", "Speed in figures", render("sections/speed.html.j2", table=_table(parts))
    )


def _table(parts: ReportParts) -> Table:
    columns = [
        Column("lane"),
        *numbers("threads", "median", "P90", "samples", "ratio to FP32 (95 %)"),
        *numbers("4:3, a pixel / the square's", "peak memory"),
    ]
    groups = by_tier(parts.benchmark.rows, _cells)
    return Table("Times, samples and memory of every lane", columns, groups)


def _cells(row: BenchmarkRow) -> list[Cell]:
    return [
        fmt.lane_name(row.runtime, row.precision),
        str(row.threads),
        fmt.milliseconds(row.median_ms),
        fmt.milliseconds(row.p90_ms),
        str(len(row.samples_ms)),
        fmt.ratio(row.ratio_to_fp32),
        fmt.ratio(row.four_thirds.per_pixel if row.four_thirds else None),
        fmt.size(row.peak_rss_bytes),
    ]
