"""Results of phones that carried this bundle."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from markupsafe import Markup

from iast_export.pages import format as fmt
from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import Cell, Column, Group, Table, numbers, render, texts
from iast_export.pages.sections.section import Section
from iast_export.reports.device import DeviceBenchmarkRow, DeviceResult, SelfTestRow

_NAMED = [Column("lane"), *texts("tier", "asked", "accelerator")]


@dataclass(frozen=True)
class DeviceLane:
    """A lane and tier on a phone; the ratio is to the CPU's FP32 of the same runtime and result."""

    row: DeviceBenchmarkRow
    median_ms: float | None
    ratio: str


def section(parts: ReportParts) -> Section | None:
    """Each result under the phone's name."""
    if not parts.devices:
        return None
    results = [(result, _table(result)) for result in parts.devices]
    return Section("phones", "On phones", render("sections/devices.html.j2", results=results))


def device_lanes(result: DeviceResult) -> list[DeviceLane]:
    """A phone's benchmark, formatted; a ratio needs the CPU's FP32 of that runtime and tier."""
    measured = [row for row in result.benchmark if row.samples_ms]
    medians = {
        (r.runtime, r.precision, r.tier, r.asked, r.files): statistics.median(r.samples_ms)
        for r in measured
    }
    lanes = []
    for row in result.benchmark:
        own = medians.get((row.runtime, row.precision, row.tier, row.asked, row.files))
        base = medians.get((row.runtime, "fp32", row.tier, "cpu", "tiers"))
        is_base = (row.precision, row.asked, row.files) == ("fp32", "cpu", "tiers")
        ratio = "–" if base is None or own is None or is_base else f"{base / own:.2f}×"
        lanes.append(DeviceLane(row, own, ratio))
    return lanes


def _table(result: DeviceResult) -> Table:
    if result.kind == "selftest":
        columns = [
            *_NAMED,
            *texts("outcome"),
            *numbers("worst level difference", "tolerance", "levels that differ"),
            *texts("message"),
        ]
        rows = [_tested(row) for row in result.selftest]
        return Table("Golden pictures drawn again on the phone", columns, [Group(rows)])
    columns = [
        *_NAMED,
        *numbers("samples", "median, run and read back", "FP32 on the CPU / this"),
        *texts("message"),
    ]
    rows = [_timed(lane) for lane in device_lanes(result)]
    return Table("Times on the phone", columns, [Group(rows)])


def _named(row: SelfTestRow | DeviceBenchmarkRow) -> list[Cell]:
    asked = row.asked + (", one file" if row.files == "dispatch" else "")
    return [fmt.lane_name(row.runtime, row.precision), row.tier, asked, row.accelerator]


def _tested(row: SelfTestRow) -> list[Cell]:
    outcome = Markup('<span class="{}">{}</span>').format(
        "" if row.status == "pass" else "bad", row.status
    )
    worst, share = row.max_level_difference, row.differing_share
    return [
        *_named(row),
        outcome,
        "–" if worst is None else str(worst),
        str(row.tolerance_levels),
        "–" if share is None else f"{100 * share:.3f} %",
        row.message,
    ]


def _timed(lane: DeviceLane) -> list[Cell]:
    row = lane.row
    samples, median = str(len(row.samples_ms)), fmt.milliseconds(lane.median_ms)
    return [*_named(row), samples, median, lane.ratio, row.message]
