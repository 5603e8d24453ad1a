"""A search as tables for the terminal."""

from __future__ import annotations

from collections import Counter

from iast_export.pages.format import Table, runtime_name
from iast_export.reports.search import GroupRow, SearchReport


def search_tables(report: SearchReport) -> list[Table]:
    """Title, columns and rows: the groups, the file beside its neighbors, the budgets."""
    return [_groups(report), _lanes(report), _budgets(report)]


def verdict_words(report: SearchReport) -> str:
    """The verdict as a sentence: where the clock gave it, what is known and how to go on."""
    if report.verdict != "out of time":
        return report.verdict
    held = all(one.holds for one in report.budgets)
    found = (
        "only everything in FP32 holds the budgets so far"
        if held
        else "no file holds the budgets so far"
    )
    return f"out of time, {found}; run it again with more --minutes, it goes on from here"


def _groups(report: SearchReport) -> Table:
    columns: tuple[str, ...] = (
        "group",
        "operators",
        "gets",
        "gain in FP32",
        "costs",
        "INT8 faster by",
        "why",
    )
    rows: list[tuple[str, ...]] = [
        (row.name, _operators(row), row.precision.upper(), *_measured(row), row.reason)
        for row in report.groups
    ]
    return (
        f"{report.tier}: {runtime_name(report.runtime)} operator groups, each alone in FP32",
        columns,
        rows,
    )


def _operators(row: GroupRow) -> str:
    counts = Counter(row.operators)
    return ", ".join(f"{count} {name}" if count > 1 else name for name, count in counts.items())


def _measured(row: GroupRow) -> tuple[str, str, str]:
    if row.gain_db is None or row.lost_ms is None or row.int8_speed is None:
        return "–", "–", "–"
    interval = f"{row.int8_speed:.3f}× ({row.int8_speed_low:.3f} to {row.int8_speed_high:.3f})"
    return f"{row.gain_db:+.2f} dB", f"{row.lost_ms:+.2f} ms", interval


def _lanes(report: SearchReport) -> Table:
    columns: tuple[str, ...] = ("lane", "median", "INT8 / this", "PSNR mean, bound", "file")
    rows: list[tuple[str, ...]] = [
        (
            lane.lane,
            f"{lane.median_ms:.2f} ms",
            f"{lane.speed_to_int8:.2f}×",
            f"{lane.psnr_db:.2f}, {lane.psnr_db_low:.2f} dB",
            f"{lane.file_bytes:,} bytes",
        )
        for lane in report.lanes
    ]
    where = f"{report.tier}: {runtime_name(report.runtime)}"
    return f"{where}, {report.threads} thread, {report.set.images} pictures", columns, rows


def _budgets(report: SearchReport) -> Table:
    columns: tuple[str, ...] = ("budget", "holds", "measured", "95 % bound")
    rows: list[tuple[str, ...]] = [
        (
            f"{one.name}{one.operator}{one.limit:g}",
            "yes" if one.holds else "NO",
            f"{one.value:.6g}",
            f"{one.bound:.6g}",
        )
        for one in report.budgets
    ]
    return f"{report.tier}: budgets {report.verdict}", columns, rows
