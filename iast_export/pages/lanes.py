"""Lanes side by side: latency against fidelity per tier, the Pareto front, and the default lane."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iast_export.lanes.default_lane import default_lanes
from iast_export.pages import format as fmt
from iast_export.pages.plots import Point, scatter_chart
from iast_export.reports.base import PSNR_CAP_DB
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.search import SearchReport
from iast_export.reports.verify import VerifyReport


@dataclass(frozen=True)
class LanePoint:
    """A lane's place: median latency and mean PSNR to ONNX FP32, which itself stands at the cap."""

    runtime: str
    precision: str
    tier: str
    median_ms: float
    psnr_db: float
    is_default: bool = False
    on_front: bool = False

    @property
    def label(self) -> str:
        """For example `LiteRT INT8, 10.8 ms, 42.3 dB (default)`."""
        name = fmt.precision_name(self.precision)
        default = " (default)" if self.is_default else ""
        figures = f"{fmt.milliseconds(self.median_ms)}, {fmt.decibels(self.psnr_db)}"
        return f"{fmt.runtime_name(self.runtime)} {name}, {figures}{default}"


def lane_points(
    benchmark: BenchmarkReport, verified: VerifyReport, searches: Sequence[SearchReport] = ()
) -> list[LanePoint]:
    """Every lane that was timed and judged, tier by tier, and the searched mixed files."""
    judged = {(row.runtime, row.precision, row.tier): row.psnr_db.mean for row in verified.rows}
    defaults = default_lanes(benchmark, verified)
    points = []
    for row in benchmark.rows:
        reference = (row.runtime, row.precision) == ("onnxruntime", "fp32")
        psnr_db = PSNR_CAP_DB if reference else judged.get((row.runtime, row.precision, row.tier))
        if psnr_db is not None:
            default = defaults[row.runtime, row.tier] == row.precision
            points.append(
                LanePoint(
                    row.runtime, row.precision, row.tier, row.median_ms, psnr_db, is_default=default
                )
            )
    points += _searched(benchmark, searches)
    return [_on_front(one, points) for one in points]


def lane_charts(
    benchmark: BenchmarkReport, verified: VerifyReport, searches: Sequence[SearchReport] = ()
) -> str:
    """One plot per tier, latency against PSNR, with a dashed line along the Pareto front."""
    points = lane_points(benchmark, verified, searches)
    charts = []
    for tier in dict.fromkeys(one.tier for one in points):
        drawn = [
            (one, Point(one.label, one.median_ms, one.psnr_db, one.precision)) for one in points
        ]
        here = [(one, point) for one, point in drawn if one.tier == tier]
        front = sorted((point for one, point in here if one.on_front), key=lambda point: point.x)
        charts.append(
            scatter_chart(tier, [point for _, point in here], front, "ms", "PSNR to FP32, dB")
        )
    return "\n".join(charts)


def _searched(benchmark: BenchmarkReport, searches: Sequence[SearchReport]) -> list[LanePoint]:
    """Searched files at the benchmark's INT8 time over their speed, which was timed in turn with
    INT8."""
    int8 = {(r.runtime, r.tier): r.median_ms for r in benchmark.rows if r.precision == "int8"}
    points = []
    for report in searches:
        mixed, base = report.lanes[-1], int8.get((report.runtime, report.tier))
        if base is not None:
            median_ms = base / mixed.speed_to_int8
            points.append(LanePoint(report.runtime, "mixed", report.tier, median_ms, mixed.psnr_db))
    return points


def _on_front(point: LanePoint, points: Sequence[LanePoint]) -> LanePoint:
    """The point, marked where no other lane of its tier is both faster and closer."""
    rivals = [one for one in points if one.tier == point.tier and one != point]
    beaten = any(
        one.median_ms <= point.median_ms and one.psnr_db >= point.psnr_db for one in rivals
    )
    place = (
        point.runtime,
        point.precision,
        point.tier,
        point.median_ms,
        point.psnr_db,
        point.is_default,
    )
    return LanePoint(*place, on_front=not beaten)
