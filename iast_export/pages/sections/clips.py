"""Clips: how still each lane draws them, beside what the clip itself shows."""

from __future__ import annotations

from markupsafe import Markup

from iast_export.pages import format as fmt
from iast_export.pages.clips import COLUMNS, clips_table
from iast_export.pages.parts import ReportParts
from iast_export.pages.plots import bar
from iast_export.pages.rendering import Cell, Column, Group, Table, numbers, render
from iast_export.pages.sections.section import Section
from iast_export.reports.verify import ClipRow


def section(parts: ReportParts) -> Section | None:
    """A row per lane under its clip, where `verify --video` judged some."""
    rows = parts.verify.video
    if not rows:
        return None
    largest = max(row.warping_error for row in rows) or 1.0
    groups = [
        Group([_cells(row, largest) for row in rows if _clip(row) == clip], clip)
        for clip in dict.fromkeys(map(_clip, rows))
    ]
    columns = [Column("lane"), *numbers(*COLUMNS[2:])]
    table = Table("How still every lane draws each clip", columns, groups)
    return Section("clips", "Clips", render("sections/clips.html.j2", table=table))


def _clip(row: ClipRow) -> str:
    return f"{row.clip} in {row.style}"


def _cells(row: ClipRow, largest: float) -> list[Cell]:
    """As in the terminal, with a bar from the clip's own error to the lane's."""
    _, _, ((_, _, error, *others),) = clips_table([row])
    low, high = sorted((row.clip_warping_error, row.warping_error))
    drawn = Markup(bar(row.warping_error, largest, row.precision, low, high))
    return [f"{fmt.lane_name(row.runtime, row.precision)} {row.tier}", drawn + error, *others]
