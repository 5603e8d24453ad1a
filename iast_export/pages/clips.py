"""Clips of a bundle's report: how still each lane draws them, as a table and as bars."""

from __future__ import annotations

from collections.abc import Sequence

from iast_export.pages.format import Row, Table, precision_name, runtime_name
from iast_export.pages.plots import Bar, BarGroup, bar_chart
from iast_export.reports.verify import ClipRow

COLUMNS = ("clip", "lane", "warping error", "the clip's own", "tones", "noise gain", "exposure")


def clips_table(rows: Sequence[ClipRow]) -> Table:
    """Title, columns and rows: every clip through every lane."""
    return "clips", COLUMNS, [_cells(row) for row in rows]


def _cells(row: ClipRow) -> Row:
    return (
        f"{row.clip} in {row.style}",
        _lane(row),
        f"{255 * row.warping_error:.2f} levels",
        f"{255 * row.clip_warping_error:.2f} levels",
        f"{100 * row.tone_flicker:.2f} %",
        f"{row.noise_gain:.2f} times",
        f"{row.exposure_levels:.1f} levels",
    )


def clips_chart(rows: Sequence[ClipRow]) -> str:
    """Warping error by clip and lane; a line from the clip's own error to it. "": no clip."""
    groups = []
    for clip, style in dict.fromkeys((row.clip, row.style) for row in rows):
        own = [row for row in rows if (row.clip, row.style) == (clip, style)]
        groups.append(BarGroup(f"{clip} in {style}", [_bar(row) for row in own]))
    return bar_chart(groups, "levels")


def _bar(row: ClipRow) -> Bar:
    error, own = 255 * row.warping_error, 255 * row.clip_warping_error
    text = f"{error:.2f} (clip {own:.2f})"
    label = f"{runtime_name(row.runtime)} {precision_name(row.precision)}"
    return Bar(label, error, text, row.precision, min(own, error), error)


def _lane(row: ClipRow) -> str:
    return f"{runtime_name(row.runtime)} {precision_name(row.precision)} {row.tier}"
