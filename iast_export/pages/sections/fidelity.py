"""Fidelity in figures: distance to FP32, loss of the task scores, what FP16 would not hold."""

from __future__ import annotations

from iast_export.pages import format as fmt
from iast_export.pages.half import half_table, half_words
from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import Cell, Column, Group, Table, by_tier, numbers, render, texts
from iast_export.pages.sections.section import Section
from iast_export.reports.verify import LargeRow, VerifyRow


def section(parts: ReportParts) -> Section:
    """PSNR and SSIM over squares and own shapes, and the drops of the scores."""
    half = parts.verify.half
    _, names, rows = half_table(half or ())
    body = render(
        "sections/fidelity.html.j2",
        verify=parts.verify,
        table=_table(parts),
        drops=_drops(parts),
        large=_large(parts),
        half_lines=half_words(half) if half is not None else [],
        half=Table(
            "What a GPU's FP16 would not hold", texts(*names), [Group(rows)] if rows else []
        ),
    )
    return Section("fidelity", "Fidelity in figures", body)


def _table(parts: ReportParts) -> Table:
    columns = [
        Column("lane"),
        *numbers(
            "squares", "PSNR mean", "PSNR p5", "SSIM mean", "SSIM p5", "own shapes", "their PSNR"
        ),
    ]
    return Table("Distance of every lane to FP32", columns, by_tier(parts.verify.rows, _distance))


def _distance(row: VerifyRow) -> list[Cell]:
    own = row.own_shape
    return [
        fmt.lane_name(row.runtime, row.precision),
        str(row.images),
        fmt.decibels(row.psnr_db.mean),
        fmt.decibels(row.psnr_db.p5),
        fmt.score(row.ssim.mean),
        fmt.score(row.ssim.p5),
        str(own.images) if own else "–",
        fmt.decibels(own.psnr_db.mean) if own else "–",
    ]


def _large(parts: ReportParts) -> Table:
    columns = [Column("lane"), *numbers("picture", "tiles", "of at most", "PSNR", "SSIM")]
    groups = by_tier(parts.verify.large, _large_cells)
    return Table("Large pictures by tiles, beside FP32 of the whole picture", columns, groups)


def _large_cells(row: LargeRow) -> list[Cell]:
    return [
        fmt.lane_name(row.runtime, row.precision),
        f"{row.width_px}x{row.height_px} px",
        str(row.tiles),
        f"{row.tile_px} px",
        fmt.decibels(row.psnr_db),
        fmt.score(row.ssim),
    ]


def _drops(parts: ReportParts) -> Table:
    columns = [
        Column("lane"),
        *numbers("SSIM to the photograph", "style distance", "perceptual distance", "identity"),
    ]
    return Table(
        "Loss of every lane in the task scores", columns, by_tier(parts.verify.rows, _losses)
    )


def _losses(row: VerifyRow) -> list[Cell]:
    drop = row.drop
    scores = (drop.ssim_content, drop.style_distance, drop.lpips_content, drop.identity)
    return [fmt.lane_name(row.runtime, row.precision), *map(fmt.percent, scores)]
