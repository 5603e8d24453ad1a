"""Checks that nothing was altered, dropped or measured twice."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path

from iast_export.artifacts import sha256_file
from iast_export.errors import InputError
from iast_export.gate.baseline import Baseline
from iast_export.gate.common import check_of, cover, key_of, label_of
from iast_export.reports import BenchmarkReport, Figures, Manifest, VerifyReport
from iast_export.verdict import Check, Outcome

REFERENCE = ("onnxruntime", "fp32")
_TOLERANCE = 1e-6


def check_files(folder: Path, manifest: Manifest) -> list[Check]:
    """Every model, style, thumbnail and golden picture of the manifest is there and unaltered."""
    checks = []
    for path, sha256 in manifest.hashes().items():
        try:
            found = sha256_file(folder / path)
        except InputError:
            found = "missing"
        checks.append(
            check_of(
                f"file: {path}",
                "integrity",
                "pass" if found == sha256 else "fail",
                found[:16],
                f"SHA-256 {sha256[:16]}",
                "build the bundle again, and don't edit it afterwards",
            )
        )
    return checks


def check_consistency(manifest: Manifest, verified: VerifyReport, measured: BenchmarkReport) -> list[Check]:
    """The reports agree with themselves and with the manifest: summaries follow from the raw values."""
    remedy = "a report was altered or belongs to another build; run `iast-export verify` and `bench` again"
    sizes = {entry.bytes for entry in manifest.files}
    wrong = [
        label_of(row) for row in measured.rows if not _same(row.median_ms, statistics.median(row.samples_ms))
    ]
    wrong += [label_of(row) for row in measured.rows if row.file_bytes not in sizes]
    wrong += [
        label_of(row)
        for row in verified.rows
        if any(figures.pairs and not _follows(figures) for figures in (row, row.own_shape) if figures)
    ]
    outcome: Outcome = "fail" if wrong else "pass"
    found = ", ".join(sorted(set(wrong))) if wrong else "all follow"
    rule = "medians, means and sizes follow from the raw values and the manifest"
    return [check_of("reports: figures follow from raw values", "integrity", outcome, found, rule, remedy)]


def check_coverage(manifest: Manifest, verified: VerifyReport, measured: BenchmarkReport) -> list[Check]:
    """Every lane of the manifest has one row in each report (the FP32 reference none in verify)."""
    lanes = {
        (entry.runtime, entry.precision, tier.id)
        for entry in manifest.files
        if entry.role == "transfer"
        for tier in manifest.tiers
        if entry.tier in (None, tier.id)
    }
    judged = {lane for lane in lanes if lane[:2] != REFERENCE}
    return [
        cover("verify.json", judged, [key_of(row) for row in verified.rows]),
        cover("benchmark.json", lanes, [key_of(row) for row in measured.rows]),
    ]


def check_rows_match(verified: VerifyReport, measured: BenchmarkReport, accepted: Baseline) -> list[Check]:
    """The reports and the baseline hold the same rows: nothing was dropped, nothing is new."""
    return [
        cover(
            "baseline against verify.json",
            {key_of(row) for row in accepted.verify.rows},
            [key_of(row) for row in verified.rows],
        ),
        cover(
            "baseline against benchmark.json",
            {key_of(row) for row in accepted.benchmark.rows},
            [key_of(row) for row in measured.rows],
        ),
    ]


def _follows(row: Figures) -> bool:
    psnrs, ssims = [one.psnr_db for one in row.pairs], [one.ssim for one in row.pairs]
    return (
        row.images == len(row.pairs)
        and _same(row.psnr_db.mean, statistics.fmean(psnrs))
        and _same(row.ssim.mean, statistics.fmean(ssims))
        and _among(row.psnr_db.p5, psnrs)
        and _among(row.ssim.p5, ssims)
    )


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= _TOLERANCE * max(1.0, abs(other))


def _among(value: float, values: Iterable[float]) -> bool:
    return any(_same(value, one) for one in values)
