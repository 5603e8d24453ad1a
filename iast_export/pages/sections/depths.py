"""Every depth of the network at every size of the plan: what each costs and what it buys."""

from __future__ import annotations

from iast_export.pages.depths import COLUMNS, depth_cells, depths_charts, off_front, size_words
from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import Column, Group, Table, numbers, render, texts
from iast_export.pages.sections.section import Section
from iast_export.reports.depths import DepthsReport


def section(parts: ReportParts) -> Section | None:
    """A plot per size and a table; None where depths were not compared."""
    report = parts.depths
    if report is None:
        return None
    body = render(
        "sections/depths.html.j2",
        report=report,
        table=_table(report),
        charts=depths_charts(report),
        off_front=off_front(report),
    )
    return Section("depths", "Depths", body)


def _table(report: DepthsReport) -> Table:
    depth, *figures, remark = COLUMNS[1:]
    columns = [Column(depth), *numbers(*figures), *texts(remark)]
    groups = [
        Group([depth_cells(row) for row in one.rows], size_words(one)) for one in report.sizes
    ]
    return Table("Depths by size: time, quality, whether the plan has it", columns, groups)
