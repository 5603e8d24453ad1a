"""Another bundle beside this one: figures in pairs, and the same pictures under a slider.

Figures stand side by side and decide nothing: that is what `iast-export compare` is for.
"""

from __future__ import annotations

from dataclasses import dataclass

from iast_export.pages import format as fmt
from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import Cell, Column, Group, Table, numbers, render
from iast_export.pages.sections.section import Section
from iast_export.reports.benchmark import BenchmarkRow
from iast_export.reports.verify import VerifyRow

_Lane = tuple[str, str, str]
# Pairs of pictures: enough to see a change, few enough for the size of the page.
_MOST_PICTURES = 4


@dataclass(frozen=True)
class BothDrew:
    """A photograph in a style as the other bundle and as this one drew it, in Base64 of WebP."""

    content: str
    style: str
    before: str
    now: str


def section(parts: ReportParts) -> Section | None:
    """Where another bundle was given."""
    other = parts.against
    if other is None:
        return None
    body = render(
        "sections/against.html.j2",
        other=other,
        table=_table(parts, other),
        machines=_differences(parts, other),
        same_set=parts.verify.set.sha256 == other.verify.set.sha256,
        pictures=_pictures(parts, other),
        gone=_only_in(other, parts),
        new=_only_in(parts, other),
    )
    return Section("against", f"Beside {other.folder.name}", body)


def _lanes(parts: ReportParts) -> dict[_Lane, BenchmarkRow]:
    return {(row.runtime, row.precision, row.tier): row for row in parts.benchmark.rows}


def _judged(parts: ReportParts) -> dict[_Lane, VerifyRow]:
    return {(row.runtime, row.precision, row.tier): row for row in parts.verify.rows}


def _only_in(one: ReportParts, other: ReportParts) -> list[str]:
    gone = [key for key in _lanes(one) if key not in _lanes(other)]
    return [f"{fmt.lane_name(runtime, precision)} at {tier}" for runtime, precision, tier in gone]


def _table(parts: ReportParts, other: ReportParts) -> Table:
    now, before = _lanes(parts), _lanes(other)
    judged, judged_before = _judged(parts), _judged(other)
    shared = [key for key in now if key in before]
    groups = [
        Group(
            [
                _cells(key, now[key], before[key], judged.get(key), judged_before.get(key))
                for key in shared
                if key[2] == tier
            ],
            tier,
        )
        for tier in dict.fromkeys(tier for _, _, tier in shared)
    ]
    columns = [
        Column("lane"),
        *numbers(
            "speed over FP32, before", "speed, now", "PSNR mean, before", "PSNR, now", "change"
        ),
        *numbers("file, before", "file, now"),
    ]
    return Table("Every lane that both bundles have", columns, groups)


def _cells(
    key: _Lane,
    now: BenchmarkRow,
    before: BenchmarkRow,
    judged: VerifyRow | None,
    judged_before: VerifyRow | None,
) -> list[Cell]:
    change = "–"
    if judged and judged_before:
        change = f"{judged.psnr_db.mean - judged_before.psnr_db.mean:+.1f} dB"
    return [
        fmt.lane_name(key[0], key[1]),
        fmt.ratio(before.ratio_to_fp32),
        fmt.ratio(now.ratio_to_fp32),
        *(fmt.decibels(row.psnr_db.mean) if row else "–" for row in (judged_before, judged)),
        change,
        fmt.size(before.file_bytes),
        fmt.size(now.file_bytes),
    ]


def _differences(parts: ReportParts, other: ReportParts) -> list[str]:
    """Facts of the machines that differ, as `cpu: this, before that`."""
    now, before = parts.benchmark.machine, other.benchmark.machine
    return [
        f"{name} is {now.get(name)}, was {before.get(name)}"
        for name in sorted({*now, *before})
        if now.get(name) != before.get(name)
    ]


def _pictures(parts: ReportParts, other: ReportParts) -> list[BothDrew]:
    """Cells of both sheets, drawn of the same photograph in a style of that name."""
    same_set = parts.verify.set.sha256 == other.verify.set.sha256
    if parts.gallery is None or other.gallery is None or not same_set:
        return []
    then = {(cell.content, cell.style): cell.picture for cell in other.gallery.sheet.cells}
    shared = [cell for cell in parts.gallery.sheet.cells if (cell.content, cell.style) in then]
    step = max(1, -(-len(shared) // _MOST_PICTURES))
    return [
        BothDrew(
            cell.content,
            cell.style,
            other.gallery.pictures[then[cell.content, cell.style]],
            parts.gallery.pictures[cell.picture],
        )
        for cell in shared[::step]
    ]
