"""Nothing of a bundle was altered, dropped, swapped or measured twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from iast_export.files.artifacts import read_json, write_json
from iast_export.gate.common import check_of, cover
from iast_export.gate.contents import Contents
from iast_export.gate.integrity import (
    check_belonging,
    check_converted,
    check_coverage,
    check_files,
    check_quantized,
)
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.convert import ConvertReport
from iast_export.reports.manifest import Manifest, load_manifest
from iast_export.reports.quantize import QuantizeReport
from iast_export.reports.verify import VerifyReport
from tests.gate_cases import make_bundle


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "bundle")


def test_coverage_asks_for_each_row_once_and_for_nothing_else() -> None:
    assert cover("x", {"a", "b"}, ["b", "a"]).outcome == "pass"
    found = cover("x", {"a", "b"}, ["b", "c", "b"])
    assert (found.outcome, found.exit_code) == ("cannot judge", 7)
    assert found.measured == "missing a; new c; twice b"
    keyed = cover("x", {("litert", "int8", "d1-8px")}, [])
    assert keyed.measured == "missing litert int8 d1-8px"


def test_a_pass_needs_no_remedy() -> None:
    assert check_of("x", "size", "pass", "1", "2", "shrink it").remedy == ""
    assert check_of("x", "size", "fail", "3", "2", "shrink it").remedy == "shrink it"


def test_every_file_of_a_whole_bundle_is_there_and_read(whole: Path) -> None:
    manifest = load_manifest(whole)
    checks, contents, others = check_files(whole, manifest)
    assert {check.outcome for check in checks} == {"pass"}
    assert set(contents) == {entry.path for entry in manifest.files}
    assert set(others) == set(manifest.hashes()) - set(contents)


@pytest.mark.parametrize("altered", [b"", b"other bytes", None], ids=["empty", "other", "gone"])
def test_a_file_that_is_not_as_it_was_built_fails_and_is_not_read(
    bundle: Path, altered: bytes | None
) -> None:
    manifest = load_manifest(bundle)
    path = manifest.files[0].path
    if altered is None:
        (bundle / path).unlink()
    else:
        (bundle / path).write_bytes(altered)
    checks, contents, _ = check_files(bundle, manifest)
    bad = [check for check in checks if check.outcome != "pass"]
    assert [check.name for check in bad] == [f"file: {path}"]
    assert bad[0].exit_code == 3 and path not in contents
    assert (bad[0].measured == "missing") == (altered is None)


def test_a_size_that_the_manifest_tells_wrongly_is_named(bundle: Path) -> None:
    raw = read_json(bundle / "manifest.json")
    raw["files"][0]["bytes"] += 1
    checks, _, _ = check_files(bundle, Manifest.model_validate(raw))
    (bad,) = [check for check in checks if check.outcome != "pass"]
    assert bad.name.startswith("contents: ") and "bytes, the manifest says" in bad.measured


def quantized_faults(bundle: Path, contents: dict[str, Contents], **change: object) -> str:
    manifest, report = load_manifest(bundle), QuantizeReport.load(bundle / "reports/quantize.json")
    rows = tuple(
        row.model_copy(update=change) if row.path.endswith("int8.bin") else row
        for row in report.rows
    )
    (check,) = check_quantized(manifest, report.model_copy(update={"rows": rows}), contents)
    return check.measured


def test_a_lane_below_fp32_is_in_integers_as_its_report_tells(whole: Path) -> None:
    contents = check_files(whole, load_manifest(whole))[1]
    assert quantized_faults(whole, contents) == "agree"
    assert "tells of 0 operators" in quantized_faults(whole, contents, quantized_ops={})
    plain = {path: Contents(frozenset()) for path in contents}
    assert "holds no integers" in quantized_faults(whole, plain)
    assert quantized_faults(whole, {}) == "agree", "what could not be read has a check of its own"


def test_a_file_that_is_quantized_has_one_row(whole: Path) -> None:
    manifest, report = load_manifest(whole), QuantizeReport.load(whole / "reports/quantize.json")
    contents = check_files(whole, manifest)[1]
    for rows, said in (
        (report.rows[1:], f"quantize.json has no row of {report.rows[0].path}"),
        ((*report.rows, report.rows[0]), "a file is told more than once"),
    ):
        (check,) = check_quantized(manifest, report.model_copy(update={"rows": rows}), contents)
        assert check.outcome == "fail" and said in check.measured


def test_reports_of_another_bundle_are_strangers(bundle: Path) -> None:
    manifest = load_manifest(bundle)
    path = bundle / "reports/benchmark.json"
    (check,) = check_belonging(manifest, BenchmarkReport.load(path))
    assert check.outcome == "pass"
    raw = read_json(path)
    raw["rows"][0]["sha256"] = "f" * 64
    write_json(path, raw)
    (check,) = check_belonging(manifest, BenchmarkReport.load(path))
    assert check.outcome == "fail" and "iast-export bench" in check.remedy


def test_every_lane_has_its_rows_in_every_report(whole: Path) -> None:
    manifest = load_manifest(whole)
    verified = VerifyReport.load(whole / "reports/verify.json")
    measured = BenchmarkReport.load(whole / "reports/benchmark.json")
    assert [c.outcome for c in check_coverage(manifest, verified, measured)] == ["pass"] * 2
    fewer = measured.model_copy(update={"rows": measured.rows[1:]})
    found = check_coverage(manifest, verified, fewer)[1]
    assert found.measured == "missing onnxruntime fp32 d2-256px"
    converted = ConvertReport.load(whole / "reports/convert.json")
    assert check_converted(manifest, converted)[0].outcome == "pass"
    none = converted.model_copy(update={"rows": ()})
    assert check_converted(manifest, none)[0].outcome == "cannot judge"
