"""Lanes side by side, for the terminal and the page: one table, and a plot per tier with its
ceilings."""

from __future__ import annotations

from collections.abc import Sequence

from iast_export.pages import format as fmt
from iast_export.pages.plots import Mark, Point, scatter_chart
from iast_export.reports.base import PSNR_CAP_DB
from iast_export.reports.lanes import LaneRow, LanesReport

Row = tuple[str, ...]
COLUMNS: Row = (
    "tier", "lane", "median", "FP32 / this", "PSNR mean, p5", "drop SSIM, style", "file", "remark"
)  # fmt: skip


def lane_name(row: LaneRow) -> str:
    """For example `LiteRT weight-only INT8`."""
    return f"{fmt.runtime_name(row.runtime)} {fmt.precision_name(row.lane)}"


def remark(row: LaneRow) -> str:
    """What a lane stands out by."""
    marks = [
        *(["ceiling, not for use"] if row.lane == "ceiling" else []),
        *(["default"] if row.is_default else []),
        *(["front"] if row.on_front else []),
        *(["no figures"] if row.not_run else []),
    ]
    return ", ".join(marks)


def lanes_rows(report: LanesReport) -> tuple[Row, list[Row]]:
    """Columns, and a row per lane."""
    return COLUMNS, [_row(row) for row in report.rows]


def _row(row: LaneRow) -> Row:
    psnr = f"{row.psnr_db.mean:.1f}, {fmt.decibels(row.psnr_db.p5)}" if row.psnr_db else "–"
    drop = (
        f"{fmt.percent(row.drop.ssim_content)}, {fmt.percent(row.drop.style_distance)}"
        if row.drop
        else "–"
    )
    figures = (fmt.milliseconds(row.median_ms), fmt.ratio(row.ratio_to_fp32), psnr, drop)
    return row.tier, lane_name(row), *figures, fmt.size(row.file_bytes), remark(row)


def gap_lines(report: LanesReport) -> list[str]:
    """Each lane without figures, with the reason."""
    return [f"{row.tier}, {lane_name(row)}: {row.not_run}" for row in report.rows if row.not_run]


def ceiling_lines(report: LanesReport) -> list[str]:
    """Per tier and runtime, how near static INT8 comes to everything in INT8."""
    lines = []
    for row in report.rows:
        if row.lane != "ceiling" or row.ratio_to_fp32 is None:
            continue
        int8 = next(
            one
            for one in report.rows
            if (one.runtime, one.tier, one.lane) == (row.runtime, row.tier, "int8")
        )
        if int8.ratio_to_fp32 is not None:
            own = int8.ratio_to_fp32.value
            alone = _alone(int8.convolution_share, own)
            lines.append(_ceiling_line(row, own, row.ratio_to_fp32.value) + alone)
    return lines


def _alone(share: float | None, own: float) -> str:
    if share is None:
        return ""
    return f"; its convolutions take {share:.0%} of its time, {own / share:.2f}× were all else free"


def _ceiling_line(row: LaneRow, int8: float, ceiling: float) -> str:
    name = f"{row.tier}, {fmt.runtime_name(row.runtime)}"
    own = f"{name}: INT8 at {int8:.2f}× FP32"
    if int8 >= ceiling:
        return f"{own} is itself the ceiling: with everything in INT8 {ceiling:.2f}×"
    return (
        f"{own} is at {int8 / ceiling:.0%} of the ceiling: with everything in INT8 {ceiling:.2f}×"
    )


def comparison_charts(report: LanesReport) -> str:
    """One plot per tier, latency against PSNR; ceilings are lines, as their pictures mean
    nothing."""
    charts = []
    for tier in dict.fromkeys(row.tier for row in report.rows):
        rows = [row for row in report.rows if row.tier == tier and not row.not_run]
        points = [(row, _point(row)) for row in rows if row.lane != "ceiling"]
        front = sorted((point for row, point in points if row.on_front), key=lambda point: point.x)
        charts.append(
            scatter_chart(
                tier, [point for _, point in points], front, "ms", "PSNR to FP32, dB", _marks(rows)
            )
        )
    return "\n".join(charts)


def _point(row: LaneRow) -> Point:
    psnr_db = row.psnr_db.mean if row.psnr_db else PSNR_CAP_DB
    median_ms = row.median_ms or 0.0
    figures = f"{fmt.milliseconds(row.median_ms)}, {fmt.decibels(psnr_db)}"
    default = " (default)" if row.is_default else ""
    return Point(f"{lane_name(row)}, {figures}{default}", median_ms, psnr_db, row.lane)


def _marks(rows: Sequence[LaneRow]) -> list[Mark]:
    return [
        Mark(f"{lane_name(row)}, {fmt.milliseconds(row.median_ms)}", row.median_ms)
        for row in rows
        if row.lane == "ceiling" and row.median_ms is not None
    ]
