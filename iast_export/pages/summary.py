"""Reports as rows for the terminal: what a build made, and what a model holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from iast_export.bundle.belonging import load_own
from iast_export.lanes.four_thirds import TOLD_SHARE
from iast_export.pages.format import (
    Row,
    Table,
    decibels,
    milliseconds,
    percent,
    precision_name,
    ratio,
    runtime_name,
    size,
)
from iast_export.pages.statistics import statistics_words
from iast_export.pictures.imagesets import in_words
from iast_export.reports.base import BENCHMARK_PATH, QUANTIZE_PATH, VERIFY_PATH
from iast_export.reports.benchmark import BenchmarkReport, BenchmarkRow
from iast_export.reports.manifest import load_manifest
from iast_export.reports.quantize import FallbackRow, QuantizeReport
from iast_export.reports.verify import VerifyReport

SUMMARY_COLUMNS = (
    "tier",
    "lane",
    "median",
    "FP32 / this",
    "PSNR mean, p5",
    "drop SSIM, style",
    "file",
)


def summary_rows(folder: Path) -> tuple[Row, Sequence[Row]]:
    """Columns and a row per lane and tier of a bundle's reports.

    Raises:
        InputError: a report is missing, altered or of other files.
    """
    manifest = load_manifest(folder)
    judged_rows = load_own(VerifyReport, folder / VERIFY_PATH, manifest).rows
    verified = {(row.runtime, row.precision, row.tier): row for row in judged_rows}
    rows: list[Row] = []
    for row in load_own(BenchmarkReport, folder / BENCHMARK_PATH, manifest).rows:
        judged = verified.get((row.runtime, row.precision, row.tier))
        psnr = drop = ""
        if judged is not None:
            psnr = f"{judged.psnr_db.mean:.1f}, {decibels(judged.psnr_db.p5)}"
            drop = f"{percent(judged.drop.ssim_content)}, {percent(judged.drop.style_distance)}"
        lane = f"{runtime_name(row.runtime)} {precision_name(row.precision)}"
        speed = (milliseconds(row.median_ms), ratio(row.ratio_to_fp32))
        rows.append((row.tier, lane, *speed, psnr, drop, size(row.file_bytes)))
    return SUMMARY_COLUMNS, rows


def calibration_line(folder: Path) -> str:
    """What calibrated a bundle: pictures used of those found, by tier, and what was left out.

    Raises:
        InputError: the report is missing or altered.
    """
    report = QuantizeReport.load(folder / QUANTIZE_PATH)
    if report.calibrated is None:
        return f"calibrated on {report.set.name}"
    found, used = report.calibrated.found, report.calibrated.used
    tiers = ", ".join(f"{count} at {tier}" for tier, count in used.items())
    counts = f"{max(used.values())}" if len(set(used.values())) == 1 else tiers
    left_out = in_words(report.calibrated.skipped)
    return f"calibrated on {counts} of {found} pictures of {report.set.name}{left_out}"


def fallback_lines(folder: Path) -> list[str]:
    """A line per tier and runtime whose INT8 missed the rule: what was chosen, what it costs.

    Raises:
        InputError: the report is missing or altered.
    """
    return [_fallback(row) for row in QuantizeReport.load(folder / QUANTIZE_PATH).fallback]


def statistics_lines(folder: Path) -> list[str]:
    """What large pictures and clips can be, tier by tier.

    Raises:
        InputError: the manifest is missing or not valid.
    """
    tiers = load_manifest(folder).tiers
    told = {tier.id: tier.statistics for tier in tiers if tier.statistics is not None}
    return list(statistics_words(told))


def four_thirds_lines(folder: Path) -> list[str]:
    """A line per lane whose 4:3 pictures take much longer or shorter than squares, by the pixel.

    Raises:
        InputError: the report is missing or altered.
    """
    report = BenchmarkReport.load(folder / BENCHMARK_PATH)
    return [line for row in report.rows if (line := _four_thirds(row))]


def _four_thirds(row: BenchmarkRow) -> str:
    shaped = row.four_thirds
    if shaped is None or abs(shaped.per_pixel.value - 1.0) <= TOLD_SHARE:
        return ""
    lane = f"{runtime_name(row.runtime)} {precision_name(row.precision)} at {row.tier}"
    return (
        f"a pixel of a 4:3 picture ({shaped.width_px}x{shaped.height_px}) takes "
        f"{ratio(shaped.per_pixel)} the square's in {lane}"
    )


def _fallback(row: FallbackRow) -> str:
    what = f"all-INT8 in {runtime_name(row.runtime)} at {row.tier} is {row.int8_psnr_db:.1f} dB"
    if row.in_float:
        return (
            f"{what} from FP32: {len(row.in_float)} of {row.groups} groups were left in float, for "
            f"{row.psnr_db:.1f} dB at {row.fp32_ms / row.ms:.2f}x the speed of FP32 (all-INT8: "
            f"{row.fp32_ms / row.int8_ms:.2f}x)"
        )
    if row.complete:
        return f"{what} from FP32: no mix with float holds the rule and is faster than FP32"
    return f"{what} from FP32: nothing better was found in time; build again to go on"


def inspection_tables(found: dict[str, Any]) -> Iterator[Table]:
    """Tables of what `inspection.inspect_model` or `inspect_bundle` found."""
    if "files" not in found:
        yield from _model_tables(found)
        return
    yield _bundle_table(found)


def _bundle_table(found: dict[str, Any]) -> Table:
    rows: list[Row] = [
        (
            f["path"],
            runtime_name(f["runtime"]),
            precision_name(f["precision"]),
            f["role"],
            size(f["file_bytes"]),
            size(f["unique_weight_bytes"]),
            size(f["shared_weight_bytes"]),
        )
        for f in found["files"]
    ]
    title = f"{found['name']}: tiers {', '.join(found['tiers'])}; {len(found['styles'])} styles"
    columns = ("file", "runtime", "precision", "role", "bytes", "unique weights", "shared weights")
    return f"{title}; {size(found['bundle_bytes'])}", columns, rows


def _model_tables(found: dict[str, Any]) -> Iterator[Table]:
    facts = (
        f"{found['path']}: {size(found['file_bytes'])}, unique weights "
        f"{size(found['unique_weight_bytes'])}, of them shared {size(found['shared_weight_bytes'])}"
    )
    rows: list[Row] = [
        (key, size(entry["weight_bytes"]), _counts(entry["kinds"]), _counts(entry["operators"]))
        for key, entry in found["entries"].items()
    ]
    yield facts, ("signature or branch", "weights", "kinds", "operators"), rows
    edges: list[Row] = [
        (key, direction[:-1], edge["name"], edge["dtype"], _shape(edge["shape"]))
        for key, entry in found["entries"].items()
        for direction in ("inputs", "outputs")
        for edge in entry[direction]
    ]
    yield "edges", ("signature or branch", "direction", "name", "type", "shape"), edges


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)


def _shape(shape: Sequence[Any]) -> str:
    return "x".join(str(side) for side in shape)
