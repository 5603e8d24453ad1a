"""Lanes as plots, latency against fidelity, and `iast-export lanes` as a table for the terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from iast_export.lanes.default_lane import default_lanes
from iast_export.lanes.figures import (
    LaneFigures,
    bundle_figures,
    compared_figures,
    searched_figures,
)
from iast_export.lanes.front import front, place_of
from iast_export.pages import format as fmt
from iast_export.pages.format import Row
from iast_export.pages.plots import Mark, Plot, Point, scatter_chart
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.lanes import LaneRow, LanesReport
from iast_export.reports.search import SearchReport
from iast_export.reports.verify import VerifyReport
from iast_export.specs import AnyPrecision, Runtime

LaneKey = tuple[Runtime, AnyPrecision, str]
_X, _Y = "median, ms", "mean PSNR to FP32, dB"
COLUMNS: Row = (
    "tier", "lane", "median", "FP32 / this", "PSNR mean, p5", "drop SSIM, style", "file", "remark"
)  # fmt: skip


def bundle_charts(
    benchmark: BenchmarkReport, verified: VerifyReport, searches: Sequence[SearchReport] = ()
) -> list[Plot]:
    """The lanes of a bundle that were timed and judged, and the searched mixed files."""
    own = bundle_figures(benchmark, verified)
    defaults = {(runtime, one, tier) for (runtime, tier), one in default_lanes(own).items()}
    return lane_charts([*own, *searched_figures(searches, benchmark)], defaults)


def plan_charts(benchmark: BenchmarkReport, verified: VerifyReport) -> list[Plot]:
    """One plot per runtime: its lanes at every tier, a dashed line along each tier's front.

    None for a bundle of one tier, whose lanes `bundle_charts` shows.
    """
    own = bundle_figures(benchmark, verified)
    if len({one.tier for one in own}) < 2:
        return []
    defaults = {(runtime, one, tier) for (runtime, tier), one in default_lanes(own).items()}
    charts = []
    for runtime in dict.fromkeys(one.runtime for one in own if place_of(one)):
        here = [one for one in own if one.runtime == runtime]
        points = [point for one in here if (point := _at_tier(one, defaults))]
        fronts = [
            [point for one in front(here) if one.tier == tier and (point := _at_tier(one))]
            for tier in dict.fromkeys(one.tier for one in here)
        ]
        name = fmt.runtime_name(runtime)
        chart = scatter_chart(name, points, fronts, f"{_X} (logarithmic)", _Y, log_x=True)
        charts += [chart] if chart else []
    return charts


def _at_tier(one: LaneFigures, defaults: Collection[LaneKey] = ()) -> Point | None:
    """For example `d3-256px INT8, 10.8 ms, 42.3 dB`."""
    return _point(one, defaults, f"{one.tier} {fmt.precision_name(one.precision)}")


def comparison_charts(report: LanesReport) -> list[Plot]:
    """The lanes of `iast-export lanes`."""
    defaults = {(row.runtime, row.lane, row.tier) for row in report.rows if row.is_default}
    return lane_charts(compared_figures(report), defaults)


def lane_charts(figures: Sequence[LaneFigures], defaults: Collection[LaneKey]) -> list[Plot]:
    """One plot per tier, latency against PSNR, with a dashed line along the Pareto front.

    Ceilings are lines, as their pictures mean nothing.
    """
    charts = []
    for tier in dict.fromkeys(one.tier for one in figures if place_of(one)):
        here = [one for one in figures if one.tier == tier]
        points = [point for one in here if (point := _point(one, defaults))]
        along = [point for one in front(here) if (point := _point(one, defaults))]
        chart = scatter_chart(tier, points, [along], _X, _Y, _marks(here))
        charts += [chart] if chart else []
    return charts


def _point(one: LaneFigures, defaults: Collection[LaneKey], name: str = "") -> Point | None:
    """For example `LiteRT INT8, 10.8 ms, 42.3 dB`."""
    place = place_of(one)
    if place is None:
        return None
    figures = f"{fmt.milliseconds(place[0])}, {fmt.decibels(place[1])}"
    name = name or fmt.lane_name(one.runtime, one.precision)
    is_default = (one.runtime, one.precision, one.tier) in defaults
    return Point(f"{name}, {figures}", *place, one.precision, is_default)


def _marks(figures: Sequence[LaneFigures]) -> list[Mark]:
    return [
        Mark(
            f"{fmt.lane_name(one.runtime, one.precision)}, {fmt.milliseconds(one.speed.median_ms)}",
            one.speed.median_ms,
        )
        for one in figures
        if one.precision == "ceiling" and one.speed
    ]


def lane_name(row: LaneRow) -> str:
    """For example `LiteRT weight-only INT8`."""
    where = " on the GPU" if row.accelerator == "gpu" else ""
    return fmt.lane_name(row.runtime, row.lane) + where


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
