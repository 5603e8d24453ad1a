"""The parity ladder: the same pictures through every form of a tier."""

from __future__ import annotations

from markupsafe import Markup

from iast_export.pages import format as fmt
from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import Cell, Column, Table, by_tier, numbers, render, texts
from iast_export.pages.sections.section import Section
from iast_export.reports.ladder import STEP_NAMES, LadderReport, LadderRow


def section(parts: ReportParts) -> Section | None:
    """A row per step, and what could not be judged or should not be."""
    ladder = parts.ladder
    if ladder is None:
        return None
    body = render(
        "sections/ladder.html.j2", ladder=ladder, table=_table(ladder), step_names=STEP_NAMES
    )
    return Section("ladder", "Parity ladder", body)


def _table(ladder: LadderReport) -> Table:
    columns = [
        Column("step"),
        *texts("against"),
        *numbers("PSNR mean, worst", "largest difference", "pixels that differ"),
        *numbers("PSNR to PyTorch", "largest difference to it"),
    ]
    groups = by_tier(ladder.rows, _cells)
    return Table("Errors from step to step, and in all", columns, groups)


def _cells(row: LadderRow) -> list[Cell]:
    before, total = row.before, row.total
    first: list[Cell] = [STEP_NAMES[row.step]]
    if before is None:
        unjudged = Markup('<span class="bad">not judged</span>')
        first += [unjudged if row.not_run else "–", "–", "–", "–"]
    else:
        largest = Markup('<span class="bad">{}</span>' if row.anomaly else "{}")
        first += [
            STEP_NAMES[before.against],
            f"{before.psnr_db:.1f}, {fmt.decibels(before.worst_psnr_db)}",
            largest.format(before.max_levels),
            f"{100 * before.differing_share:.2f} %",
        ]
    if total is None:
        return [*first, "–", "–"]
    return [*first, fmt.decibels(total.psnr_db), str(total.max_levels)]
