"""Every report that tells of a lane is read into the same figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from iast_export.lanes.figures import (
    Fidelity,
    LaneFigures,
    Speed,
    bundle_figures,
    compared_figures,
    is_padded,
    row_figures,
    searched_figures,
)
from iast_export.reports.base import BENCHMARK_PATH, PSNR_CAP_DB, VERIFY_PATH, SetFacts
from iast_export.reports.benchmark import BenchmarkReport, Ratio
from iast_export.reports.lanes import LaneRow, LanesReport
from iast_export.reports.search import SearchedLane, SearchReport
from iast_export.reports.verify import Drop, Spread, VerifyReport, VerifyRow
from iast_export.specs import ANY_PRECISIONS, PRECISION_LABELS, PRECISIONS, is_shipped
from tests.gate_cases import LANES, TIERS, make_bundle

TIER = "d2-256px"
ZEROS = "0" * 64


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> tuple[BenchmarkReport, VerifyReport]:
    folder = make_bundle(tmp_path_factory.mktemp("bundle"))
    return (
        BenchmarkReport.load(folder / BENCHMARK_PATH),
        VerifyReport.load(folder / VERIFY_PATH),
    )


def over_all_shapes(row: VerifyRow, verified: VerifyReport) -> float:
    parts = [(row.images, row.psnr_db.mean)]
    if row.own_shape is not None and not is_padded(row, verified):
        parts.append((row.own_shape.images, row.own_shape.psnr_db.mean))
    return sum(n * mean for n, mean in parts) / sum(n for n, _ in parts)


def test_a_bundle_has_the_figures_of_both_its_reports(
    reports: tuple[BenchmarkReport, VerifyReport],
) -> None:
    benchmark, verified = reports
    found = bundle_figures(benchmark, verified)
    assert {(one.runtime, one.precision, one.tier) for one in found} == {
        (*lane, tier) for lane in LANES for tier in TIERS
    }
    for one, timed in zip(found, benchmark.rows, strict=True):
        assert one.speed == Speed(timed.median_ms, timed.ratio_to_fp32)
        judged = [
            row
            for row in verified.rows
            if (row.runtime, row.precision, row.tier) == (one.runtime, one.precision, one.tier)
        ]
        wanted = [
            Fidelity(pytest.approx(over_all_shapes(row, verified)), row.drop) for row in judged
        ]
        assert [one.fidelity] == (wanted or [Fidelity(PSNR_CAP_DB)])


def test_a_lane_that_nobody_judged_has_no_fidelity_but_the_reference_stands_at_the_cap(
    reports: tuple[BenchmarkReport, VerifyReport],
) -> None:
    benchmark, verified = reports
    one_left = verified.model_copy(update={"rows": verified.rows[:1]})
    judged = [one for one in bundle_figures(benchmark, one_left) if one.fidelity]
    assert len(judged) == 1 + len(TIERS)
    assert [one.fidelity for one in judged if one.precision == "fp32"] == (
        [Fidelity(PSNR_CAP_DB)] * len(TIERS)
    )


def searched(tier: str) -> SearchReport:
    mixed = SearchedLane(
        lane="mixed", median_ms=9.0, speed_to_int8=0.8, psnr_db=47.0, psnr_db_low=46.0, file_bytes=1
    )
    facts = SetFacts(name="drawn", sha256=ZEROS, images=4)
    return SearchReport(
        runtime="litert", tier=tier, threads=1, fp32_sha256=ZEROS, set=facts, verdict="met",
        complete=True, budgets=(), groups=(), lanes=(mixed,), measured=1, measured_now=1,
        seconds=1.0, file="mixed.tflite", sha256=ZEROS,
    )  # fmt: skip


def test_a_searched_file_is_as_fast_as_the_benchmarks_int8_by_its_own_ratio_to_that(
    reports: tuple[BenchmarkReport, VerifyReport],
) -> None:
    benchmark, _ = reports
    (int8,) = [
        row.median_ms
        for row in benchmark.rows
        if (row.runtime, row.precision, row.tier) == ("litert", "int8", TIER)
    ]
    assert searched_figures([searched(TIER), searched("d9-9px")], benchmark) == [
        LaneFigures("litert", "mixed", TIER, Speed(int8 / 0.8), Fidelity(47.0))
    ]


def row(lane: str, median_ms: float | None, psnr_db: float | None, runtime: str) -> LaneRow:
    facts = {"runtime": runtime, "tier": TIER, "lane": lane, "shipped": False}
    spread = Spread(mean=psnr_db, p5=psnr_db) if psnr_db else None
    drop = Drop(ssim_content=0.01, style_distance=0.0) if psnr_db else None
    ratio = Ratio(value=2.0, low=1.9, high=2.1) if psnr_db else None
    figures = {"median_ms": median_ms, "psnr_db": spread, "drop": drop, "ratio_to_fp32": ratio}
    return LaneRow.model_validate(
        {**facts, **figures} if median_ms else {**facts, "not_run": "it is refused"}
    )


def test_what_is_compared_has_figures_where_it_runs_and_a_ceiling_no_fidelity() -> None:
    rows = (
        row("fp32", 10.0, None, "onnxruntime"),
        row("int8", 5.0, 40.0, "onnxruntime"),
        row("mixed", None, None, "litert"),
        row("ceiling", 3.0, None, "litert"),
    )
    facts = SetFacts(name="drawn", sha256=ZEROS, images=4)
    report = LanesReport(machine={}, threads=1, set=facts, rule="", fp32_sha256=(), rows=rows)
    fp32, int8, ceiling = compared_figures(report)
    assert fp32.fidelity == Fidelity(PSNR_CAP_DB)
    assert int8.speed == Speed(5.0, Ratio(value=2.0, low=1.9, high=2.1))
    assert int8.fidelity == Fidelity(40.0, Drop(ssim_content=0.01, style_distance=0.0))
    assert ceiling.speed == Speed(3.0) and ceiling.fidelity is None
    assert row_figures(rows[2]) == LaneFigures("litert", "mixed", TIER)


def test_a_bundles_precisions_are_some_of_all_in_the_same_order_and_each_has_a_label() -> None:
    assert tuple(one for one in ANY_PRECISIONS if is_shipped(one)) == PRECISIONS
    assert list(PRECISION_LABELS) == list(ANY_PRECISIONS)
    assert len(set(PRECISION_LABELS.values())) == len(ANY_PRECISIONS)


def test_the_order_of_lanes_is_that_of_the_benchmark(
    reports: tuple[BenchmarkReport, VerifyReport], tmp_path: Path
) -> None:
    benchmark, verified = reports
    turned = benchmark.model_copy(update={"rows": benchmark.rows[::-1]})
    assert bundle_figures(turned, verified) == bundle_figures(benchmark, verified)[::-1]
