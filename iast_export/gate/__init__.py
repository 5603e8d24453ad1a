"""Gate: judges a bundle by rules and a baseline, and decides the exit code. Needs no torch.

Nothing is skipped in silence: what can't be judged is a check of its own, and ends with exit code 7
unless something stronger was found. Of several codes the first of 3, 5, 6, 7 is taken.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from iast_export.bundle.signing import signature_fault
from iast_export.errors import CannotJudgeError
from iast_export.files.artifacts import read_json
from iast_export.gate.accuracy import check_accuracy, check_accuracy_baseline
from iast_export.gate.baseline import (
    MACHINE_FIELDS,
    Baseline,
    check_baseline,
    load_baseline,
    unlike,
)
from iast_export.gate.bundle import check_bundle, make_baseline
from iast_export.gate.common import check_of
from iast_export.gate.comparison import check_comparison, load_comparison
from iast_export.gate.devices import check_devices
from iast_export.gate.integrity import check_rows_match
from iast_export.gate.large import check_large
from iast_export.gate.rules import Rules, load_rules, parse_rules
from iast_export.gate.speed import check_size, check_speed
from iast_export.gate.video import check_video
from iast_export.reports.base import BENCHMARK_PATH, VERIFY_PATH, Report
from iast_export.reports.benchmark import BenchmarkReport
from iast_export.reports.manifest import load_manifest
from iast_export.reports.verdict import Check, Outcome, Verdict
from iast_export.reports.verify import VerifyReport

__all__ = [
    "Baseline",
    "Rules",
    "gate",
    "judge_alone",
    "load_baseline",
    "load_rules",
    "make_baseline",
    "parse_rules",
]

R = TypeVar("R", bound=Report)
# The check of having one.
_BASELINE = "baseline"


def gate(
    folder: Path,
    baseline: Path | None,
    rules: Path | None = None,
    public_key: Path | None = None,
    comparison: Path | None = None,
) -> Verdict:
    """Every check of the bundle in `folder`, and the exit code that follows (`Verdict.exit_code`).

    Args:
        folder: a bundle with its reports.
        baseline: from `make_baseline`. None or a file that isn't there: what needs a baseline can't
            be judged, the rest still is. None needs no baseline where there is a comparison.
        rules: TOML; None: the packaged rules.
        public_key: PEM, of who must have signed the bundle; None: a signature is not asked for.
        comparison: what `compare BASE folder` measured; None: nothing.

    Raises:
        UsageError: the rules or the key can't be used.
        InputError: the manifest, a report, the baseline or the comparison is unreadable, altered or
            of another bundle. (A model that was altered is a failed check, with the same exit
            code.)
    """
    used = load_rules(rules)
    manifest = load_manifest(folder)
    compared = load_comparison(comparison, folder) if comparison else None
    accepted, checks = (None, []) if compared and baseline is None else _baseline(baseline)
    if public_key is not None:
        checks.append(_signature(folder, public_key))
    verified, nothing = _report(folder / VERIFY_PATH, VerifyReport)
    checks += nothing
    measured, nothing = _report(folder / BENCHMARK_PATH, BenchmarkReport)
    checks += nothing + check_bundle(folder, manifest, verified, measured)
    if accepted is not None:
        checks += check_baseline(manifest, accepted)
    if verified is not None:
        checks += check_accuracy(verified, used) + check_video(verified, used)
        checks += check_large(manifest, verified, used)
    if verified is not None and accepted is not None:
        checks += check_accuracy_baseline(verified, accepted.verify, used)
    if measured is not None:
        checks += check_speed(measured, accepted.benchmark if accepted else None, used)
    if accepted is not None:
        checks += check_size(manifest, measured, accepted, used)
    if verified is not None and measured is not None and accepted is not None:
        checks += check_rows_match(verified, measured, accepted)
    checks += check_devices(folder, manifest, used.devices)
    if compared is not None:
        checks += check_comparison(compared, used.comparison)
    return Verdict(bundle=manifest.name, checks=tuple(checks), notes=_notes(measured, accepted))


def judge_alone(folder: Path, rules: Path | None = None) -> Verdict:
    """The verdict on a bundle that nobody has a baseline of: what `gate` can judge without one.

    Raises:
        UsageError, InputError: as `gate`.
    """
    verdict = gate(folder, None, rules)
    own = tuple(check for check in verdict.checks if check.name != _BASELINE)
    note = "judged by rules alone; whether anything got worse needs a baseline or another bundle"
    return verdict.model_copy(update={"checks": own, "notes": (*verdict.notes, note)})


def _baseline(path: Path | None) -> tuple[Baseline | None, list[Check]]:
    try:
        if path is None:
            raise CannotJudgeError(
                "no baseline was given",
                "give --baseline FILE (pytest: --iast-baseline FILE) or --comparison FILE",
            )
        return load_baseline(path), []
    except CannotJudgeError as error:
        return None, [_unjudged(_BASELINE, error.message, "a baseline", error.remedy)]


def _signature(folder: Path, public_key: Path) -> Check:
    fault = signature_fault(folder, public_key)
    outcome: Outcome = "fail" if fault else "pass"
    remedy = "take the bundle from who signed it, or sign it with `iast-export sign`"
    return check_of(
        "signature", "integrity", outcome, fault or "good", f"made by {public_key}", remedy
    )


def _report(path: Path, kind: type[R]) -> tuple[R | None, list[Check]]:
    if read_json(path).get("rows") == []:
        remedy = f"make it again with `iast-export {kind.made_by}`"
        return None, [_unjudged(f"report: {path.name}", "no rows", "at least one row", remedy)]
    return kind.load(path), []


def _unjudged(name: str, measured: str, rule: str, remedy: str) -> Check:
    return Check(
        name=name,
        kind="coverage",
        outcome="cannot judge",
        measured=measured,
        rule=rule,
        remedy=remedy,
    )


def _notes(measured: BenchmarkReport | None, accepted: Baseline | None) -> tuple[str, ...]:
    if measured is None or accepted is None:
        return ()
    notes = [
        f"another machine than the baseline's, {what}"
        for what in unlike(measured, accepted.benchmark, MACHINE_FIELDS)
    ]
    if measured.clock != accepted.benchmark.clock:
        notes.append(
            f"timed by the {measured.clock} clock, the baseline by {accepted.benchmark.clock}"
        )
    for tool in sorted(set(measured.versions) | set(accepted.benchmark.versions)):
        now, then = measured.versions.get(tool), accepted.benchmark.versions.get(tool)
        if now != then:
            notes.append(f"{tool} is {now}, the baseline had {then}")
    return tuple(notes)
