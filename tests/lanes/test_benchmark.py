"""Benchmarks of real tiny models: raw samples, ratios to FP32, memory of fresh processes."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from skimage import data

from iast_export.environment import machine_fingerprint
from iast_export.errors import CannotJudgeError, InputError, ToolError
from iast_export.lanes.benchmark import BenchmarkOptions, benchmark
from iast_export.lanes.lane import Lane, measure_peak_rss_bytes
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.specs import Tier
from tests.litert_cases import TIERS, converted
from tests.tiny_networks import tiny_codes, tiny_onnx

TIER = Tier(2, 32)
QUICK = BenchmarkOptions(warmup=1, blocks=4, memory=False)


@pytest.fixture(scope="module")
def fp32() -> Lane:
    return Lane("onnxruntime", "fp32", TIER, tiny_onnx("iast", 2, 32))


@pytest.fixture(scope="module")
def report(fp32: Lane) -> BenchmarkReport:
    same = Lane("onnxruntime", "int8", TIER, fp32.path)
    return benchmark([fp32, same], data.chelsea(), tiny_codes("iast"), QUICK)


def test_a_row_keeps_raw_samples_apart_from_the_warm_up(report: BenchmarkReport) -> None:
    for row in report.rows:
        assert len(row.samples_ms) == 8
        assert len(row.warmup_ms) == 1
        assert row.median_ms == statistics.median(row.samples_ms)
        assert row.p90_ms is None
        assert row.threads == 1


def test_fp32_has_no_ratio_to_itself_and_the_same_file_runs_as_fast(
    report: BenchmarkReport,
) -> None:
    base, same = report.rows
    assert base.ratio_to_fp32 is None
    assert same.ratio_to_fp32 is not None
    assert 0.3 < same.ratio_to_fp32.value < 3.0


def test_the_machine_and_the_tools_are_on_record(report: BenchmarkReport, fp32: Lane) -> None:
    assert report.machine == machine_fingerprint()
    assert "onnxruntime" in report.versions
    assert {row.file_bytes for row in report.rows} == {fp32.path.stat().st_size}


def test_p90_comes_with_29_samples(fp32: Lane) -> None:
    options = BenchmarkOptions(warmup=0, blocks=15, memory=False)
    (row,) = benchmark([fp32], data.chelsea(), tiny_codes("iast"), options).rows
    assert row.p90_ms is not None
    assert row.p90_ms >= row.median_ms


def test_litert_signatures_are_timed_and_their_memory_measured_in_a_process_of_their_own(
    fp32: Lane,
) -> None:
    _, path, _ = converted()
    lane = Lane("litert", "fp32", TIERS[0], path)
    options = BenchmarkOptions(warmup=1, blocks=2)
    seen: list[str] = []
    found = benchmark(
        [fp32, lane],
        data.chelsea(),
        tiny_codes("iast"),
        options,
        lambda what, *_: seen.append(what),
    )
    assert [row.runtime for row in found.rows] == ["onnxruntime", "litert"]
    for row in found.rows:
        assert row.peak_rss_bytes is not None
        assert 10e6 < row.peak_rss_bytes < 1e9
    assert set(seen) == {"memory", "benchmark"}


def test_a_4_3_picture_is_timed_beside_the_square_where_a_file_takes_one(fp32: Lane) -> None:
    _, path, _ = converted()
    squares_alone = Lane("litert", "fp32", TIERS[0], path)
    dynamic = Lane("onnxruntime", "dynamic_int8", TIER, fp32.path)
    lanes = [fp32, dynamic, squares_alone, squares_alone.reshaped(4)]
    options = BenchmarkOptions(warmup=1, blocks=5, memory=False, multiple_px=4)
    rows = [
        benchmark([lane], data.chelsea(), tiny_codes("iast"), options).rows[0] for lane in lanes
    ]
    shaped = [row.four_thirds for row in rows]
    assert [one is not None for one in shaped] == [True, False, False, True]
    for row, one in zip(rows, shaped, strict=True):
        if one is not None:
            assert 2 * one.height_px > one.width_px > one.height_px
            assert 4 <= len(one.samples_ms) <= len(row.samples_ms)
            assert one.per_pixel.low <= one.per_pixel.value <= one.per_pixel.high


def test_a_model_that_can_not_run_names_its_lane(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    lane = Lane("onnxruntime", "int8", TIER, tmp_path / "bad.onnx")
    with pytest.raises(ToolError, match="the memory of onnxruntime int8 d2-32px can't be measured"):
        measure_peak_rss_bytes(lane, {})


def test_nothing_to_measure_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotJudgeError, match="nothing to benchmark"):
        benchmark([], data.chelsea(), {})
    gone = Lane("litert", "fp32", TIER, tmp_path / "gone.tflite")
    with pytest.raises(InputError, match="is missing"):
        benchmark([gone], data.chelsea(), {}, QUICK)
