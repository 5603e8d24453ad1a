"""Speed and size: a whole interval decides, and what can't be compared is not judged."""

from __future__ import annotations

from typing import Any

import pytest

from iast_export.gate.rules import Rules
from iast_export.gate.speed import check_speed
from iast_export.reports.benchmark import BenchmarkReport, BenchmarkRow
from iast_export.reports.verdict import Check

MACHINE = {"cpu": "A", "architecture": "x86_64", "flags": ["avx2"], "cores": 2}
SAMPLES = (5.0, 5.1, 4.9, 5.0, 5.2, 4.8, 5.0, 5.1)


def rules(**speed: Any) -> Rules:
    return Rules.model_validate({"schema_version": 1, "speed": {"min_samples": 4, **speed}})


FLOOR = rules(min_ratio={"litert": {"int8": 2.0}}, max_interval_width=0.3)
FALL = rules(max_ratio_fall=0.1)
RISE = rules(max_median_rise=0.1)


def row(ratio: tuple[float, float, float] | None = (2.5, 2.4, 2.6), **values: Any) -> BenchmarkRow:
    given = {"runtime": "litert", "precision": "int8", "tier": "d1-256px", "sha256": "0" * 64}
    found = dict(zip(("value", "low", "high"), ratio, strict=True)) if ratio else None
    figures = {"threads": 1, "median_ms": 5.0, "samples_ms": SAMPLES, "file_bytes": 9}
    return BenchmarkRow.model_validate({**given, **figures, "ratio_to_fp32": found, **values})


def report(*rows: BenchmarkRow, **machine: Any) -> BenchmarkReport:
    return BenchmarkReport(machine=MACHINE | machine, rows=rows or (row(),))


def only(checks: list[Check]) -> Check:
    (check,) = checks
    return check


@pytest.mark.parametrize(
    ("ratio", "outcome"),
    [
        ((2.5, 2.4, 2.6), "pass"),
        ((2.0, 1.9, 2.1), "pass"),
        ((1.9, 1.8, 1.99), "fail"),
        ((1.95, 1.9, 2.1), "cannot judge"),
        ((2.1, 1.6, 2.6), "cannot judge"),
        ((4.0, 2.1, 6.0), "pass"),
    ],
    ids=["above", "reaches it", "below", "below inside", "too wide around it", "wide above it"],
)
def test_the_whole_interval_decides(ratio: tuple[float, float, float], outcome: str) -> None:
    found = only(check_speed(report(row(ratio)), None, FLOOR))
    assert (found.name, found.outcome) == ("ratio to FP32: litert int8 d1-256px", outcome)
    assert bool(found.remedy) == (outcome != "pass")


def test_too_few_samples_and_no_ratio_are_not_judged() -> None:
    few = only(check_speed(report(row(samples_ms=SAMPLES[:2])), None, FLOOR))
    assert (few.outcome, few.measured, few.rule) == (
        "cannot judge",
        "2 samples",
        "at least 4 samples",
    )
    none = only(check_speed(report(row(None)), None, FLOOR))
    assert (none.outcome, none.measured) == ("cannot judge", "no ratio was measured")


def test_a_rule_without_its_lane_is_not_judged() -> None:
    found = only(check_speed(report(row(precision="fp16")), None, FLOOR))
    assert (found.name, found.exit_code) == ("rule: speed.min_ratio.litert.int8", 7)


@pytest.mark.parametrize(
    ("ratio", "outcome"), [((2.3, 2.2, 2.4), "pass"), ((2.0, 1.9, 2.1), "fail")]
)
def test_a_ratio_may_fall_a_share_behind_the_baselines(
    ratio: tuple[float, float, float], outcome: str
) -> None:
    found = only(check_speed(report(row(ratio)), report(), FALL))
    assert found.outcome == outcome
    assert found.rule == "at least 2.25 (baseline 2.5 less 10 %)"


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (report(flags=["avx512_vnni"]), "flags: ['avx2'], ['avx512_vnni']"),
        (report(architecture="aarch64"), "architecture: x86_64, aarch64"),
        (report(row(threads=4)), "threads: 1, 4"),
        (report(row(None)), "the baseline has none"),
    ],
)
def test_ratios_of_other_instruction_sets_or_threads_are_not_judged(
    then: BenchmarkReport, said: str
) -> None:
    found = only(check_speed(report(), then, FALL))
    assert (found.outcome, found.measured, found.exit_code) == ("cannot judge", said, 7)


def test_ratios_compare_on_another_processor_of_the_same_instructions() -> None:
    assert only(check_speed(report(), report(cpu="B", cores=64), FALL)).outcome == "pass"


@pytest.mark.parametrize(
    ("ratio", "outcome"),
    [
        ((1.02, 1.0, 1.04), "pass"),
        ((1.2, 1.1, 1.3), "pass"),
        ((1.25, 1.1, 1.4), "cannot judge"),
        ((1.3, 1.25, 1.4), "fail"),
    ],
    ids=["below", "reaches it", "above it by chance", "above it"],
)
def test_a_pixel_of_a_4_3_picture_may_take_so_many_times_the_squares(
    ratio: tuple[float, float, float], outcome: str
) -> None:
    per_pixel = dict(zip(("value", "low", "high"), ratio, strict=True))
    shaped = {"width_px": 296, "height_px": 220, "samples_ms": SAMPLES, "per_pixel": per_pixel}
    measured = report(row(four_thirds=shaped), row(precision="fp16"))
    found = only(check_speed(measured, None, rules(max_four_thirds=1.2)))
    assert (found.name, found.outcome) == ("4:3 against the square: litert int8 d1-256px", outcome)
    assert check_speed(measured, None, rules(max_ratio_fall=0.1)) == []


def test_a_4_3_picture_that_was_not_timed_is_not_judged() -> None:
    found = only(check_speed(report(), None, rules(max_four_thirds=1.2)))
    assert (found.outcome, found.exit_code) == ("cannot judge", 7)


@pytest.mark.parametrize(("median_ms", "outcome"), [(5.5, "pass"), (5.6, "fail")])
def test_a_median_may_rise_a_share_on_the_very_same_machine(median_ms: float, outcome: str) -> None:
    found = only(check_speed(report(row(median_ms=median_ms)), report(), RISE))
    assert found.outcome == outcome and found.rule.startswith("at most 5.5 ms")


@pytest.mark.parametrize("machine", [{"cpu": "B"}, {"cores": 4}, {"flags": []}])
def test_milliseconds_of_another_machine_are_not_judged(machine: dict[str, Any]) -> None:
    found = only(check_speed(report(), report(**machine), RISE))
    assert found.outcome == "cannot judge" and next(iter(machine)) in found.measured


def test_a_median_of_few_samples_on_either_side_is_not_judged() -> None:
    few = report(row(samples_ms=SAMPLES[:2]))
    for now, then in ((few, report()), (report(), few)):
        assert only(check_speed(now, then, RISE)).outcome == "cannot judge"


def test_what_no_rule_names_is_not_checked() -> None:
    assert check_speed(report(), report(), rules()) == []
    fp32 = row(None, precision="fp32")
    assert check_speed(report(fp32), report(fp32), FALL) == [], "FP32 has no ratio to itself"
