"""What is known of a lane, wherever it was measured: how fast it is, and how near to FP32.

Every report is read into these; the default lane, the front and the plots see nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iast_export.families import FAMILIES
from iast_export.reports.base import PSNR_CAP_DB
from iast_export.reports.benchmark import BenchmarkReport, Ratio
from iast_export.reports.lanes import LaneRow, LanesReport
from iast_export.reports.search import SearchReport
from iast_export.reports.verify import Drop, VerifyReport, VerifyRow
from iast_export.specs import REFERENCE, AnyPrecision, Runtime

# Chosen as the fall that the packaged rules allow against a baseline (max_psnr_mean_fall_db).
MAX_PADDING_LOSS_DB = 1.0
# From here on FP32 lost nothing by padding, which costs it 40 dB and more: 31 to 42 dB were found.
_NOT_PADDED_DB = 60.0


@dataclass(frozen=True)
class Speed:
    """Median time, and FP32's of the same runtime over it; None: not timed in turn with that."""

    median_ms: float
    ratio: Ratio | None = None


@dataclass(frozen=True)
class Fidelity:
    """Mean PSNR to ONNX FP32 over pictures of all shapes, and what is lost of the task scores of
    squares; None: not judged.

    FP32 itself stands at the cap.
    """

    psnr_db: float
    drop: Drop | None = None


@dataclass(frozen=True)
class LaneFigures:
    """One lane: a runtime and precision at a tier.

    Attributes:
        tier: its id.
        speed: None where it does not run.
        fidelity: None where its pictures were not judged, as a ceiling's never are.
    """

    runtime: Runtime
    precision: AnyPrecision
    tier: str
    speed: Speed | None = None
    fidelity: Fidelity | None = None


def bundle_figures(benchmark: BenchmarkReport, verified: VerifyReport) -> list[LaneFigures]:
    """Every lane of a bundle that was timed, in the order of the benchmark."""
    judged = {(row.runtime, row.precision, row.tier): row for row in verified.rows}
    found = []
    for row in benchmark.rows:
        scored = judged.get((row.runtime, row.precision, row.tier))
        fidelity = fidelity_of(scored, verified) if scored else None
        if (row.runtime, row.precision) == REFERENCE:
            fidelity = Fidelity(PSNR_CAP_DB)
        speed = Speed(row.median_ms, row.ratio_to_fp32)
        found.append(LaneFigures(row.runtime, row.precision, row.tier, speed, fidelity))
    return found


def fidelity_of(row: VerifyRow, verified: VerifyReport) -> Fidelity:
    """What default lanes are chosen by: squares and pictures in their own shape alike, where
    nothing pads those (`SHAPE_RULE`).

    A runtime that pads loses them in every precision, FP32 too, and does not draw them unasked.
    """
    shaped = row.own_shape
    if shaped is None or is_padded(row, verified):
        return Fidelity(row.psnr_db.mean, row.drop)
    total = row.images * row.psnr_db.mean + shaped.images * shaped.psnr_db.mean
    return Fidelity(total / (row.images + shaped.images), row.drop)


def is_padded(row: VerifyRow, verified: VerifyReport) -> bool:
    """Whether a lane loses by padding: pictures in their own shape are further from FP32.

    Not where nothing pads to a tier's square, nor where FP32 of the same runtime and tier kept
    them: then it is the lane's own loss.
    """
    if not FAMILIES[row.runtime].fixed_shape:
        return False
    own, lane = row.own_shape, (row.runtime, "fp32", row.tier)
    for one in verified.rows:
        kept = one.own_shape if (one.runtime, one.precision, one.tier) == lane else None
        if kept is not None and kept.psnr_db.mean >= _NOT_PADDED_DB:
            return False
    return own is not None and own.psnr_db.mean < row.psnr_db.mean - MAX_PADDING_LOSS_DB


def searched_figures(
    searches: Sequence[SearchReport], benchmark: BenchmarkReport
) -> list[LaneFigures]:
    """What was searched, at the benchmark's INT8 time over its speed, timed in turn with INT8."""
    int8 = {(r.runtime, r.tier): r.median_ms for r in benchmark.rows if r.precision == "int8"}
    found = []
    for report in searches:
        mixed, base_ms = report.lanes[-1], int8.get((report.runtime, report.tier))
        if base_ms is not None:
            speed, fidelity = Speed(base_ms / mixed.speed_to_int8), Fidelity(mixed.psnr_db)
            found.append(LaneFigures(report.runtime, "mixed", report.tier, speed, fidelity))
    return found


def row_figures(row: LaneRow) -> LaneFigures:
    """A lane of `iast-export lanes`."""
    speed = Speed(row.median_ms, row.ratio_to_fp32) if row.median_ms is not None else None
    fidelity = Fidelity(row.psnr_db.mean, row.drop) if row.psnr_db else None
    if (row.runtime, row.lane) == REFERENCE and speed:
        fidelity = Fidelity(PSNR_CAP_DB)
    return LaneFigures(row.runtime, row.lane, row.tier, speed, fidelity)


def compared_figures(report: LanesReport) -> list[LaneFigures]:
    """Every lane of `iast-export lanes` that runs on the CPU, and the ceilings."""
    return [row_figures(row) for row in report.rows if not row.not_run and row.accelerator == "cpu"]
