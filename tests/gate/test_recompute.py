"""Every figure of a report follows from its raw values, and what doesn't is named."""

from __future__ import annotations

from typing import Any

import pytest

from iast_export.gate.recompute import (
    benchmark_faults,
    check_figures,
    pair_faults,
    verify_faults,
)
from iast_export.reports.benchmark import BenchmarkReport, BenchmarkRow
from iast_export.reports.verify import VerifyReport, VerifyRow
from tests.gate_cases import fidelity, times

SHA = "0" * 64
NOT_JUDGED = {"lpips_content": "no weights", "identity": "no model"}
BASE_MS = (10.0, 10.5, 11.0, 10.25, 10.75, 10.1)


def verified_row(**values: Any) -> dict[str, Any]:
    row = {"runtime": "litert", "precision": "int8", "tier": "d1-256px", "sha256": SHA}
    figures = {**fidelity([38.0, 40.0, 42.0], 0.98), "not_judged": NOT_JUDGED}
    return {**row, "reference_sha256": "1" * 64, **figures, **values}


def report_of(*rows: dict[str, Any], images: int = 3) -> VerifyReport:
    facts = {"name": "evaluation", "sha256": "3" * 64, "images": images}
    return VerifyReport.model_validate({"set": facts, "styles": {"ink": SHA}, "rows": rows})


def faults_of(**values: Any) -> list[str]:
    return list(verify_faults(VerifyRow.model_validate(verified_row(**values))))


def altered(pair: int, **values: Any) -> list[dict[str, Any]]:
    """The pairs of a row, one of them with other values."""
    pairs = verified_row()["pairs"]
    return [one | values if i == pair else one for i, one in enumerate(pairs)]


def test_a_row_as_it_was_measured_has_no_fault() -> None:
    assert faults_of() == []
    assert faults_of(own_shape={**fidelity([35.0], 0.97), "not_judged": NOT_JUDGED}) == []


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"images": 4}, "images 4, but 3 pairs"),
        ({"psnr_db": {"mean": 41.0, "p5": 38.0}}, "psnr_db.mean is 41, the raw values give 40"),
        ({"psnr_db": {"mean": 40.0, "p5": 39.0}}, "psnr_db.p5 is 39, the raw values give 38"),
        ({"ssim": {"mean": 0.99, "p5": 0.98}}, "ssim.mean is 0.99, the raw values give 0.98"),
        (
            {"drop": {"ssim_content": 0.0, "style_distance": -0.002}},
            "drop.ssim_content is 0, the raw values give 0.001",
        ),
        ({"pairs": altered(1, content="photo0")}, "photo0 ink 256 256 is told more than once"),
        ({"pairs": altered(1, ssim=0.5)}, "ssim.mean is 0.98"),
        (
            {"pairs": altered(1, psnr_db=80.0, ssim=0.1)},
            "photo1 in ink: ssim 0.1 is impossible at 80 dB",
        ),
        ({"pairs": altered(1, psnr_db=100.0)}, "photo1 in ink: equal pictures with other scores"),
    ],
)
def test_a_figure_that_does_not_follow_from_its_pairs_is_named(
    values: dict[str, Any], fault: str
) -> None:
    assert any(fault in said for said in faults_of(**values))


def test_a_score_without_a_counterpart_is_named() -> None:
    pairs = verified_row()["pairs"]
    pairs[0]["scores"] = pairs[0]["scores"] | {"identity": 0.5}
    assert "photo0 in ink: identity has no counterpart" in faults_of(pairs=pairs)


def test_figures_of_own_shapes_are_followed_too() -> None:
    shaped = {**fidelity([35.0], 0.97), "not_judged": NOT_JUDGED, "images": 2}
    assert faults_of(own_shape=shaped) == ["own_shape.images 2, but 1 pairs"]


def test_rounding_of_a_sum_is_no_fault_and_a_millionth_more_is() -> None:
    assert faults_of(psnr_db={"mean": 40.0 * (1 + 5e-7), "p5": 38.0}) == []
    assert faults_of(psnr_db={"mean": 40.0 * (1 + 2e-6), "p5": 38.0})


@pytest.mark.parametrize(("ssim", "possible"), [(0.98, True), (0.9, True), (0.7, False)])
def test_ssim_has_a_floor_at_each_psnr(ssim: float, possible: bool) -> None:
    """1 - SSIM is at most the mean squared difference over 1e-4: at 46 dB about 0.26."""
    found = faults_of(**fidelity([46.0, 46.0, 46.0], ssim), not_judged=NOT_JUDGED)
    assert any("impossible" in said for said in found) != possible


def test_lanes_of_a_tier_share_pictures_and_the_scores_of_fp32() -> None:
    first = verified_row()
    other = verified_row(precision="fp16", sha256="2" * 64, **fidelity([60.0, 61.0, 62.0], 0.999))
    other["not_judged"] = NOT_JUDGED
    assert list(pair_faults(report_of(first, other))) == []
    fewer = verified_row(**fidelity([38.0, 40.0], 0.98), precision="fp16", not_judged=NOT_JUDGED)
    assert any("judged on other pairs" in said for said in pair_faults(report_of(first, fewer)))
    pairs = [
        one | {"reference": one["reference"] | {"ssim_content": 0.6}} for one in other["pairs"]
    ]
    found = list(pair_faults(report_of(first, other | {"pairs": pairs})))
    assert found == ["litert fp16 d1-256px has other scores of FP32 than litert int8 d1-256px"]


def test_tiers_are_judged_on_the_same_pictures_of_the_whole_set() -> None:
    pairs = altered(0, content="elsewhere")
    second = verified_row(tier="d2-128px", pairs=pairs)
    found = list(pair_faults(report_of(verified_row(), second)))
    assert "the tiers were judged on different pictures" in found
    assert any("4 pictures were judged, of a set of 3" in said for said in found)
    assert any("of a set of 8" in said for said in pair_faults(report_of(verified_row(), images=8)))


def test_two_files_of_equal_figures_are_noticed_and_one_file_of_different_ones() -> None:
    same = verified_row(precision="dynamic_int8", sha256="2" * 64)
    said = list(pair_faults(report_of(verified_row(), same)))
    assert said == [
        "litert dynamic_int8 d1-256px has the figures of litert int8 d1-256px, to the last digit"
    ]
    other = verified_row(precision="fp16", **fidelity([38.0, 40.0, 42.5], 0.98))
    said = list(pair_faults(report_of(verified_row(), other | {"not_judged": NOT_JUDGED})))
    assert any("are one file with different figures" in one for one in said)


def timed_row(**values: Any) -> BenchmarkRow:
    row = {"runtime": "litert", "tier": "d1-256px", "sha256": SHA, "threads": 1, "file_bytes": 9}
    return BenchmarkRow.model_validate({**row, "precision": "int8", **values})


FP32 = timed_row(precision="fp32", samples_ms=BASE_MS, median_ms=10.375)
INT8 = times(list(BASE_MS), [2.0, 2.1, 1.9])


def time_faults(base: BenchmarkRow | None = FP32, **values: Any) -> list[str]:
    row = timed_row(**{**INT8, **values})
    report = BenchmarkReport(machine={}, rows=(row, *([base] if base else [])))
    return list(benchmark_faults(row, base, report))


def test_times_as_they_were_measured_have_no_fault() -> None:
    assert time_faults() == []
    report = BenchmarkReport(machine={}, rows=(FP32,))
    assert list(benchmark_faults(FP32, FP32, report)) == []


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"median_ms": 1.0}, "median_ms is 1, the raw values give 5.2"),
        ({"p90_ms": 6.0}, "p90_ms is 6, the raw values give absent"),
        ({"ratio_to_fp32": None}, "no ratio to FP32, the samples give 2"),
        ({"threads": 2}, "2 threads, FP32 1"),
        ({"samples_ms": BASE_MS}, "the samples of another row"),
        ({"samples_ms": BASE_MS[:5]}, "5 samples, but every block gives two"),
        ({"samples_ms": BASE_MS[:2]}, "2 samples, at least 4 are measured"),
        ({"samples_ms": (5.0,) * 6}, "6 equal samples, which no clock gives"),
        ({"samples_ms": BASE_MS[:4]}, "4 samples, FP32 6: not measured in turn"),
        (
            {"ratio_to_fp32": {"value": 2.0, "low": 1.0, "high": 2.1}},
            "ratio_to_fp32.low is 1, the raw values give 1.9",
        ),
        (
            {"samples_ms": tuple(one / 2 for one in BASE_MS)},
            "the same ratio in every block, which no clock gives",
        ),
    ],
)
def test_times_that_no_clock_gave_are_named(values: dict[str, Any], fault: str) -> None:
    assert any(fault in said for said in time_faults(**values))


def test_a_ratio_needs_something_to_compare_with() -> None:
    assert "a ratio to FP32 with nothing to compare" in time_faults(base=None)


def test_each_row_of_both_reports_is_a_check_and_the_remedy_says_whose_it_is() -> None:
    verified = report_of(verified_row(images=4))
    measured = BenchmarkReport(machine={}, rows=(FP32, timed_row(**INT8)))
    for whose, remedy in (("reports", "iast-export verify"), ("baseline", "write the baseline")):
        checks = check_figures(verified, measured, whose)
        assert [check.name for check in checks] == [
            f"{whose}: fidelity of litert int8 d1-256px",
            f"{whose}: every lane judged on the same pairs",
            f"{whose}: times of litert fp32 d1-256px",
            f"{whose}: times of litert int8 d1-256px",
        ]
        assert [check.outcome for check in checks] == ["fail", "pass", "pass", "pass"]
        assert checks[0].exit_code == 3 and remedy in checks[0].remedy
