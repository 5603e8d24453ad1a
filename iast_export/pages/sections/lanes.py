"""Every lane in one table, tier by tier, the default marked; latency against fidelity as plots."""

from __future__ import annotations

from markupsafe import Markup, escape

from iast_export.lanes.default_lane import DEFAULT_RULE, default_lanes, lane_warnings
from iast_export.lanes.figures import bundle_figures
from iast_export.pages import format as fmt
from iast_export.pages.lanes import bundle_charts, plan_charts
from iast_export.pages.parts import ReportParts
from iast_export.pages.plots import bar
from iast_export.pages.rendering import Cell, Column, Group, Table, numbers, render
from iast_export.pages.sections.section import Section
from iast_export.reports.base import PSNR_CAP_DB
from iast_export.reports.benchmark import BenchmarkRow
from iast_export.reports.verify import VerifyRow
from iast_export.specs import REFERENCE


def section(parts: ReportParts) -> Section:
    """The table of lanes, what speaks against some of them, and the plots."""
    body = render(
        "sections/lanes.html.j2",
        table=lanes_table(parts),
        warnings=lane_warnings(parts.benchmark, parts.verify),
        rule=DEFAULT_RULE,
        set=parts.verify.set,
        hint_at_depths=parts.depths is None
        and len({one.depth for one in parts.manifest.tiers}) > 1,
        plans=plan_charts(parts.benchmark, parts.verify),
        charts=bundle_charts(parts.benchmark, parts.verify, parts.searches),
    )
    return Section("lanes", "Lanes", body)


def lanes_table(parts: ReportParts) -> Table:
    """A row per lane under its tier: time, speed over FP32, fidelity, size."""
    defaults = default_lanes(bundle_figures(parts.benchmark, parts.verify))
    judged = {(row.runtime, row.precision, row.tier): row for row in parts.verify.rows}
    ratios = [row.ratio_to_fp32.high for row in parts.benchmark.rows if row.ratio_to_fp32]
    fastest = max(ratios, default=1.0)
    groups = []
    for tier in dict.fromkeys(row.tier for row in parts.benchmark.rows):
        rows: list[list[Cell]] = []
        for row in (one for one in parts.benchmark.rows if one.tier == tier):
            is_default = defaults.get((row.runtime, tier)) == row.precision
            rows.append(
                [
                    _named(row, is_default),
                    fmt.milliseconds(row.median_ms),
                    _speed(row, fastest),
                    _fidelity(row, judged.get((row.runtime, row.precision, tier))),
                    fmt.size(row.file_bytes),
                ]
            )
        groups.append(Group(rows, tier))
    columns = [
        Column("lane"),
        *numbers("median", "speed over FP32 (95 %)", "PSNR to FP32, mean (p5)", "file"),
    ]
    return Table(
        "Lanes by tier: time, speed over FP32, fidelity to FP32, file size", columns, groups
    )


def _named(row: BenchmarkRow, is_default: bool) -> Markup:
    name = escape(fmt.lane_name(row.runtime, row.precision))
    return name + Markup(' <span class="badge">default</span>') if is_default else name


def _speed(row: BenchmarkRow, fastest: float) -> Cell:
    ratio = row.ratio_to_fp32
    if ratio is None:
        return "–"
    drawn = bar(ratio.value, fastest, row.precision, ratio.low, ratio.high, mark=1.0)
    return Markup(drawn) + fmt.ratio(ratio)


def _fidelity(row: BenchmarkRow, judged: VerifyRow | None) -> Cell:
    if (row.runtime, row.precision) == REFERENCE:
        return "the reference"
    if judged is None:
        return "–"
    mean, p5 = judged.psnr_db.mean, judged.psnr_db.p5
    drawn = bar(mean, PSNR_CAP_DB, row.precision, min(p5, mean), mean)
    return Markup(drawn) + f"{fmt.decibels(mean)} ({p5:.1f})"
