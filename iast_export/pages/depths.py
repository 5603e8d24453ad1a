"""Depths of a network by size: time against quality as plots, and as a table for the terminal."""

from __future__ import annotations

from dataclasses import replace

from iast_export.pages import format as fmt
from iast_export.pages.format import Row
from iast_export.pages.plots import Plot, Point, scatter_chart
from iast_export.reports.depths import DepthGain, DepthRow, DepthsReport, Estimate, SizeDepths

COLUMNS: Row = (
    "size", "depth", "INT8", "FP32", "SSIM at equal style", "full strength: style, SSIM", "remark"
)  # fmt: skip
_MEASURES = {
    "ssim_at_equal_style": "SSIM at equal style",
    "ssim": "SSIM",
    "style_distance": "style distance",
}


def depths_charts(report: DepthsReport) -> list[Plot]:
    """A plot per size, a dashed line along the front, what ships ringed."""
    charts = []
    for size in report.sizes:
        is_equal = bool(size.common_style)
        y = "SSIM at equal style" if is_equal else "style distance (lower is nearer)"
        points = {row.depth: _point(row) for row in size.rows}
        along = [points[row.depth] for row in size.rows if row.on_front]
        precision = "FP32" if report.no_int8 else "INT8"
        x = f"median of ONNX Runtime {precision}, ms"
        chart = scatter_chart(f"{size.size_px} px", list(points.values()), [along], x, y)
        charts += [replace(chart, ringed="in the plan")] if chart else []
    return charts


def _point(row: DepthRow) -> Point:
    """For example `depth 3, 8.6 ms, 0.672, front`."""
    time_ms, style = (row.fp32_ms, "fp32") if row.int8_ms is None else (row.int8_ms, "int8")
    equal = row.ssim_at_equal_style
    value = row.style_distance if equal is None else equal.value
    words = [f"depth {row.depth}", fmt.milliseconds(time_ms), f"{value:.3f}"]
    label = ", ".join([*words, *(["front"] if row.on_front else [])])
    return Point(label, time_ms, value, style, row.shipped)


def depths_rows(report: DepthsReport) -> tuple[Row, list[Row]]:
    """Columns, and a row per size and depth."""
    return COLUMNS, [
        (f"{size.size_px} px", *depth_cells(row)) for size in report.sizes for row in size.rows
    ]


def depth_cells(row: DepthRow) -> Row:
    """Depth, times, quality, remark."""
    full = f"{row.style_distance:.3f}, {row.ssim:.3f}"
    equal = "–" if row.ssim_at_equal_style is None else _interval(row.ssim_at_equal_style)
    times = fmt.milliseconds(row.int8_ms), fmt.milliseconds(row.fp32_ms)
    return str(row.depth), *times, equal, full, remark(row)


def remark(row: DepthRow) -> str:
    """Whether a depth ships and lies on the front; else the faster depth that it is no better than.

    For example `in the plan, front` or `no better than depth 1: SSIM +0.001 (-0.002 to 0.004)`.
    """
    beaten = [gain for gain in row.gains if not _beats(row, gain.beside)]
    if row.on_front or not beaten:
        return ", ".join(_marks(row))
    first = [gain for gain in beaten if gain.beside == beaten[0].beside]
    found = "; ".join(f"{_MEASURES[gain.measure]} {_gain(gain)}" for gain in first)
    return ", ".join([*_marks(row), f"no better than depth {first[0].beside}: {found}"])


def _beats(row: DepthRow, beside: int) -> bool:
    return any(gain.low > 0 for gain in row.gains if gain.beside == beside)


def _marks(row: DepthRow) -> list[str]:
    return [*(["in the plan"] if row.shipped else []), *(["front"] if row.on_front else [])]


def off_front(report: DepthsReport) -> list[str]:
    """Each tier of the plan that a faster depth makes needless."""
    return [
        f"d{row.depth}-{size.size_px}px is in the plan and not on the front"
        for size in report.sizes
        for row in size.rows
        if row.shipped and not row.on_front
    ]


def size_words(size: SizeDepths) -> str:
    """What the depths of a size were read at."""
    if not size.common_style:
        return f"{size.size_px} px: at full strength, as the network has no strength to make equal"
    distances = ", ".join(f"{one:.3f}" for one in size.common_style)
    return f"{size.size_px} px: mean at the style distances {distances}"


def _interval(found: Estimate) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _gain(gain: DepthGain) -> str:
    return f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
