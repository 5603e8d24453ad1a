"""The parity ladder as rows for the terminal."""

from __future__ import annotations

from iast_export.reports.ladder import STEP_NAMES, LadderReport, StepError


def ladder_table(report: LadderReport) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Columns and a row per step, for the terminal."""
    columns = (
        "tier",
        "step",
        "against",
        "PSNR mean, worst",
        "max levels",
        "pixels",
        "to PyTorch",
        "max levels",
    )
    rows: list[tuple[str, ...]] = []
    for row in report.rows:
        before, total = row.before, row.total
        if before is None and total is None and row.not_run:
            rows.append((row.tier, STEP_NAMES[row.step], "not run", "", "", "", "", ""))
            continue
        rows.append((row.tier, STEP_NAMES[row.step], *_before_cells(before), *_total_cells(total)))
    return columns, rows


def _before_cells(error: StepError | None) -> tuple[str, str, str, str]:
    if error is None:
        return "–", "–", "–", "–"
    spread = f"{error.psnr_db:.1f}, {error.worst_psnr_db:.1f} dB"
    return STEP_NAMES[error.against], spread, str(error.max_levels), f"{error.differing_share:.2%}"


def _total_cells(error: StepError | None) -> tuple[str, str]:
    return ("–", "–") if error is None else (f"{error.psnr_db:.1f} dB", str(error.max_levels))
