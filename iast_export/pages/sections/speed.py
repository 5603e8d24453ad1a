"""Speed in figures: what the table of lanes leaves out."""

from __future__ import annotations

from iast_export.pages import format as fmt
from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import Column, Group, Table, numbers, render
from iast_export.pages.sections.section import Section


def section(parts: ReportParts) -> Section:
    """Percentiles, samples and memory of every lane."""
    return Section(
        "speed", "Speed in figures", render("sections/speed.html.j2", table=_table(parts))
    )


def _table(parts: ReportParts) -> Table:
    rows = parts.benchmark.rows
    columns = [
        Column("lane"),
        *numbers("threads", "median", "P90", "samples", "ratio to FP32 (95 %)"),
        *numbers("4:3, a pixel / the square's", "peak memory"),
    ]
    groups = [
        Group(
            [
                [
                    fmt.lane_name(row.runtime, row.precision),
                    str(row.threads),
                    fmt.milliseconds(row.median_ms),
                    fmt.milliseconds(row.p90_ms),
                    str(len(row.samples_ms)),
                    fmt.ratio(row.ratio_to_fp32),
                    fmt.ratio(row.four_thirds.per_pixel if row.four_thirds else None),
                    fmt.size(row.peak_rss_bytes),
                ]
                for row in rows
                if row.tier == tier
            ],
            tier,
        )
        for tier in dict.fromkeys(row.tier for row in rows)
    ]
    return Table("Times, samples and memory of every lane", columns, groups)
