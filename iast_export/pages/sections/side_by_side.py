"""What `iast-export lanes` made and measured: every precision side by side."""

from __future__ import annotations

from iast_export.pages import format as fmt
from iast_export.pages.lanes import ceiling_lines, comparison_charts, lane_name, remark
from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import Cell, Column, Table, by_tier, numbers, render, texts
from iast_export.pages.sections.section import Section
from iast_export.reports.lanes import LaneRow, LanesReport


def section(parts: ReportParts) -> Section | None:
    """A table and a plot per tier, where the verb was run."""
    report = parts.lanes
    if report is None:
        return None
    body = render(
        "sections/side_by_side.html.j2",
        report=report,
        table=_table(report),
        ceilings=ceiling_lines(report),
        charts=comparison_charts(report),
    )
    return Section("side-by-side", "Every lane side by side", body)


def _table(report: LanesReport) -> Table:
    columns = [
        Column("lane"),
        *numbers("median", "FP32 / this", "PSNR mean (p5)", "drop SSIM, style", "file"),
        *texts("remark", "convolutions, or why there are no figures"),
    ]
    groups = by_tier(report.rows, _cells)
    return Table("Every precision in both runtimes, shipped or not", columns, groups)


def _cells(row: LaneRow) -> list[Cell]:
    psnr, drop = row.psnr_db, row.drop
    losses = (drop.ssim_content, drop.style_distance) if drop else ()
    return [
        lane_name(row),
        fmt.milliseconds(row.median_ms),
        fmt.ratio(row.ratio_to_fp32),
        f"{fmt.decibels(psnr.mean)} ({psnr.p5:.1f})" if psnr else "–",
        ", ".join(map(fmt.percent, losses)) or "–",
        fmt.size(row.file_bytes),
        remark(row),
        row.not_run or row.computes,
    ]
