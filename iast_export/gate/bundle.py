"""Everything about a bundle that needs no rules and no baseline to be judged."""

from __future__ import annotations

from pathlib import Path

from iast_export.errors import CannotJudgeError, InputError
from iast_export.gate.baseline import Baseline, check_machine
from iast_export.gate.contract import check_contract
from iast_export.gate.integrity import (
    check_belonging,
    check_converted,
    check_coverage,
    check_files,
    check_quantized,
)
from iast_export.gate.recompute import check_figures
from iast_export.gate.shapes import check_shapes
from iast_export.gate.statistics import check_statistics
from iast_export.reports.base import BENCHMARK_PATH, CONVERT_PATH, QUANTIZE_PATH, VERIFY_PATH
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.convert import ConvertReport
from iast_export.reports.manifest import Manifest, load_manifest
from iast_export.reports.quantize import QuantizeReport
from iast_export.reports.verdict import Check, Verdict
from iast_export.reports.verify import VerifyReport


def check_bundle(
    folder: Path,
    manifest: Manifest,
    verified: VerifyReport | None,
    measured: BenchmarkReport | None,
) -> list[Check]:
    """Files, contents and promises of the manifest, and whether the reports speak of them.

    Raises:
        InputError: reports/quantize.json or convert.json is unreadable or altered.
    """
    checks, contents, others = check_files(folder, manifest)
    checks += check_contract(folder, manifest, others)
    checks += check_shapes(folder, manifest) + check_statistics(folder, manifest)
    quantized, converted = folder / QUANTIZE_PATH, folder / CONVERT_PATH
    if quantized.is_file():
        report = QuantizeReport.load(quantized)
        checks += check_belonging(manifest, report) + check_quantized(manifest, report, contents)
    if converted.is_file():
        found = ConvertReport.load(converted)
        checks += check_belonging(manifest, found) + check_converted(manifest, found)
    if verified is None or measured is None:
        return checks
    checks += check_belonging(manifest, verified, measured)
    checks += check_figures(verified, measured, "reports")
    checks += check_coverage(manifest, verified, measured)
    return [*checks, check_machine("reports", measured)]


def make_baseline(folder: Path, path: Path) -> Baseline:
    """Writes the figures of the bundle in `folder` as a baseline.

    Raises:
        InputError: the bundle or a report is missing, unreadable or altered, or a figure doesn't
            follow from its raw values.
        CannotJudgeError: a lane was not measured.
    """
    manifest = load_manifest(folder)
    verified = VerifyReport.load(folder / VERIFY_PATH)
    measured = BenchmarkReport.load(folder / BENCHMARK_PATH)
    checks = check_bundle(folder, manifest, verified, measured)
    wrong = Verdict(bundle=manifest.name, checks=tuple(checks)).worst()
    if wrong:
        kind = InputError if wrong[0].exit_code == InputError.exit_code else CannotJudgeError
        raise kind(
            f"{folder} can't become a baseline: {wrong[0].name}: {wrong[0].measured}",
            wrong[0].remedy,
        )
    draft = Baseline(
        bundle=manifest.name,
        file_bytes={entry.path: entry.bytes for entry in manifest.files},
        verify=verified,
        benchmark=measured,
        sha256="0" * 64,
    )
    baseline = draft.model_copy(update={"sha256": draft.content_sha256()})
    baseline.save(path)
    return baseline
