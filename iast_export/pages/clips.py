"""Clips of a bundle's report: how still each lane draws them, as a table for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from iast_export.pages.format import Row, Table, lane_name
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


def _lane(row: ClipRow) -> str:
    return f"{lane_name(row.runtime, row.precision)} {row.tier}"
