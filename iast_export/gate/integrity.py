"""Checks that nothing was altered, dropped, swapped or measured twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from iast_export.bundle.belonging import said, strangers
from iast_export.errors import InputError
from iast_export.families import FAMILIES
from iast_export.files.artifacts import read_bytes, sha256_bytes
from iast_export.gate.baseline import Baseline
from iast_export.gate.common import check_of, cover, key_of, label_of
from iast_export.gate.contents import Contents, content_faults, read_contents
from iast_export.reports.base import Report
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.convert import ConvertReport
from iast_export.reports.manifest import FileEntry, Manifest
from iast_export.reports.quantize import QuantizeReport
from iast_export.reports.verdict import Check, Outcome
from iast_export.reports.verify import VerifyReport
from iast_export.specs import REFERENCE

_REBUILD = "build the bundle again, and don't edit it afterwards"


def check_files(
    folder: Path, manifest: Manifest
) -> tuple[list[Check], dict[str, Contents], dict[str, bytes]]:
    """Every file of a bundle is there, unaltered, and a model what it is called.

    That is: models, styles, thumbnails and golden pictures.

    Returns:
        The checks; the contents of every model that is unaltered; the bytes of the other unaltered
        files.
    """
    models = {entry.path: entry for entry in manifest.files}
    checks: list[Check] = []
    contents: dict[str, Contents] = {}
    others: dict[str, bytes] = {}
    for path, sha256 in manifest.hashes().items():
        try:
            data = read_bytes(folder / path)
        except InputError:
            checks.append(_file_check(path, "missing", sha256))
            continue
        found = sha256_bytes(data)
        checks.append(_file_check(path, found, sha256))
        if found == sha256 and path not in models:
            others[path] = data
        elif found == sha256:
            check, read = _model_check(manifest, models[path], data)
            checks.append(check)
            contents |= {path: read} if read else {}
    return checks, contents, others


def _file_check(path: str, found: str, wanted: str) -> Check:
    outcome: Outcome = "pass" if found == wanted else "fail"
    return check_of(
        f"file: {path}", "integrity", outcome, found[:16], f"SHA-256 {wanted[:16]}", _REBUILD
    )


def _model_check(
    manifest: Manifest, entry: FileEntry, data: bytes
) -> tuple[Check, Contents | None]:
    """Whether a model's bytes are what the manifest calls them, and what was read of them."""
    name, rule = (
        f"contents: {entry.path}",
        f"{entry.runtime} {entry.precision} {entry.role} as listed",
    )
    try:
        read = read_contents(entry, data)
    except ValueError as error:
        found = " ".join(f"no such model: {error}".split())[:200]
        return check_of(name, "integrity", "fail", found, rule, _REBUILD), None
    faults = list(content_faults(manifest, entry, read))
    if len(data) != entry.bytes:
        faults.append(f"{len(data)} bytes, the manifest says {entry.bytes}")
    outcome: Outcome = "fail" if faults else "pass"
    return check_of(name, "integrity", outcome, said(faults) or "as listed", rule, _REBUILD), read


def check_quantized(
    manifest: Manifest, quantized: QuantizeReport, contents: Mapping[str, Contents]
) -> list[Check]:
    """Lanes below FP32 are in integers where quantize.json says so, and else the very FP32 file."""
    faults = list(_quantized_faults(manifest, quantized, contents))
    outcome: Outcome = "fail" if faults else "pass"
    rule = "a lane is in integers, or the FP32 file itself where nothing could be quantized"
    name = "reports: quantize.json and the files"
    return [check_of(name, "integrity", outcome, said(faults) or "agree", rule, _REBUILD)]


def _quantized_faults(
    manifest: Manifest, quantized: QuantizeReport, contents: Mapping[str, Contents]
) -> Iterator[str]:
    rows = {row.path: row for row in quantized.rows}
    if len(rows) != len(quantized.rows):
        yield "a file is told more than once"
    full = {
        (entry.runtime, entry.role, entry.tier): entry.sha256
        for entry in manifest.files
        if entry.precision == "fp32"
    }
    for entry in manifest.files:
        row, read = rows.get(entry.path), contents.get(entry.path)
        if entry.precision == "fp32" or read is None:
            continue
        if row is None and entry.role == "transfer":
            yield f"quantize.json has no row of {entry.path}"
        if entry.precision == "fp16":
            continue
        same = entry.sha256 == full.get((entry.runtime, entry.role, entry.tier))
        if not read.in_integers and not same:
            yield f"{entry.path} holds no integers"
        told = row is not None and sum(row.quantized_ops.values()) > 0
        if row is not None and entry.precision == "int8" and told != read.in_integers:
            yield (
                f"quantize.json tells of {sum(row.quantized_ops.values())} operators in "
                f"{entry.path}"
            )


def check_belonging(manifest: Manifest, *reports: Report) -> list[Check]:
    """Every report speaks of this bundle's files, sets and styles, by their SHA-256."""
    checks = []
    for report in reports:
        found = strangers(manifest, report)
        remedy = f"it is another bundle's; make it again with `iast-export {report.made_by}`"
        outcome: Outcome = "fail" if found else "pass"
        name = f"reports: {report.made_by} speaks of this bundle"
        rule = "SHA-256 of the bundle's own files, sets and styles"
        checks.append(
            check_of(name, "integrity", outcome, said(found) or "all its own", rule, remedy)
        )
    return checks


def check_converted(manifest: Manifest, converted: ConvertReport) -> list[Check]:
    """convert.json tells of every FP32 TFLite file once."""
    wanted = {
        entry.path
        for entry in manifest.files
        if entry.precision == "fp32" and FAMILIES[entry.runtime].suffix == ".tflite"
    }
    return [cover("convert.json", wanted, [row.path for row in converted.rows])]


def check_coverage(
    manifest: Manifest, verified: VerifyReport, measured: BenchmarkReport
) -> list[Check]:
    """Every lane of the manifest has one row in each report (the FP32 reference none in verify)."""
    lanes = set(manifest.lanes())
    judged = {lane for lane in lanes if lane[:2] != REFERENCE}
    return [
        cover("verify.json", judged, [key_of(row) for row in verified.rows]),
        cover("benchmark.json", lanes, [key_of(row) for row in measured.rows]),
    ]


def check_rows_match(
    verified: VerifyReport, measured: BenchmarkReport, accepted: Baseline
) -> list[Check]:
    """The reports and the baseline hold the same rows and pairs: none was dropped, none is new."""
    then, now = ([key_of(row) for row in one.rows] for one in (accepted.verify, verified))
    before, after = ([key_of(row) for row in one.rows] for one in (accepted.benchmark, measured))
    return [
        cover("baseline against verify.json", set(then), now),
        cover("baseline against benchmark.json", set(before), after),
        cover("rows of the baseline's verify.json", set(then), then),
        cover("rows of the baseline's benchmark.json", set(before), before),
        *_check_pairs(verified, accepted.verify),
    ]


def _check_pairs(verified: VerifyReport, accepted: VerifyReport) -> list[Check]:
    """On the same set every row holds the pairs of the baseline's row, in both its parts."""
    if verified.set != accepted.set:
        return []
    before = {key_of(row): row.keys() for row in accepted.rows}
    other = [
        label_of(row) for row in verified.rows if before.get(key_of(row), row.keys()) != row.keys()
    ]
    outcome: Outcome = "cannot judge" if other else "pass"
    name, rule = "coverage: the baseline's pairs", "the same pictures and styles as the baseline"
    remedy = "verify with the baseline's recipe, or write a new baseline"
    return [check_of(name, "coverage", outcome, said(other) or "the same", rule, remedy)]
