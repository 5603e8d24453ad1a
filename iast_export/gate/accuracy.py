"""Checks of fidelity and task scores, against floors and against the baseline."""

from __future__ import annotations

from collections.abc import Mapping

from iast_export.gate.common import check_of, key_of, label_of, no_lane
from iast_export.gate.rules import AccuracyRules, Rules
from iast_export.reports import VerifyReport, VerifyRow
from iast_export.verdict import Check, Outcome


def check_accuracy(verified: VerifyReport, rules: Rules) -> list[Check]:
    """Every row against the floors and ceilings of its precision; a rule of no row can't be judged."""
    held = {row.precision for row in verified.rows}
    checks = [no_lane(f"accuracy.{name}", name) for name in rules.accuracy if name not in held]
    for row in verified.rows:
        limits = rules.accuracy.get(row.precision)
        if limits is not None:
            checks += _floors(row, limits) + _ceilings(row, limits)
    return checks


def check_accuracy_baseline(verified: VerifyReport, accepted: VerifyReport, rules: Rules) -> list[Check]:
    """Every row against the same row of the baseline; on other pictures that can't be judged."""
    limits = rules.accuracy_baseline
    falls = {
        "psnr mean": (limits.max_psnr_mean_fall_db, " dB"),
        "psnr p5": (limits.max_psnr_p5_fall_db, " dB"),
        "ssim mean": (limits.max_ssim_mean_fall, ""),
    }
    if all(limit is None for limit, _ in falls.values()):
        return []
    if verified.set != accepted.set:
        found = f"{verified.set.name}, {verified.set.images} pictures, {verified.set.sha256[:12]}"
        needed = f"{accepted.set.name}, {accepted.set.images} pictures, {accepted.set.sha256[:12]}"
        remedy = "verify on the baseline's evaluation set, or write a new baseline"
        return [check_of("accuracy against the baseline", "coverage", "cannot judge", found, needed, remedy)]
    before = {key_of(row): _fidelity(row) for row in accepted.rows}
    checks = []
    for row in (one for one in verified.rows if key_of(one) in before):
        now, then = _fidelity(row), before[key_of(row)]
        for name, (limit, unit) in falls.items():
            if limit is not None:
                floor = then[name] - limit
                outcome: Outcome = "pass" if now[name] >= floor else "fail"
                rule = f"at least {floor:.4g}{unit} (baseline {then[name]:.4g} less {limit:g})"
                label = f"{name} against the baseline: {label_of(row)}"
                remedy = "find what changed in calibration or quantization since the baseline"
                checks.append(check_of(label, "accuracy", outcome, f"{now[name]:.4g}{unit}", rule, remedy))
    return checks


def _floors(row: VerifyRow, limits: AccuracyRules) -> list[Check]:
    floors: Mapping[str, tuple[float | None, str]] = {
        "psnr mean": (limits.min_psnr_mean_db, " dB"),
        "psnr p5": (limits.min_psnr_p5_db, " dB"),
        "ssim mean": (limits.min_ssim_mean, ""),
        "ssim p5": (limits.min_ssim_p5, ""),
    }
    found = _fidelity(row)
    remedy = "try another calibration method or set, or leave more operators in float"
    return [
        check_of(
            f"{name}: {label_of(row)}",
            "accuracy",
            "pass" if found[name] >= limit else "fail",
            f"{found[name]:.4g}{unit}",
            f"at least {limit:.4g}{unit}",
            remedy,
        )
        for name, (limit, unit) in floors.items()
        if limit is not None
    ]


def _ceilings(row: VerifyRow, limits: AccuracyRules) -> list[Check]:
    checks = []
    for score in ("ssim_content", "style_distance", "lpips_content", "identity"):
        limit: float | None = getattr(limits, f"max_drop_{score}")
        if limit is None:
            continue
        name, rule = f"drop of {score}: {label_of(row)}", f"at most {100 * limit:.3g} %"
        drop: float | None = getattr(row.drop, score)
        if drop is None:
            why = row.not_judged.get(score, "not judged")
            remedy = "verify with the weights that this score needs, or take its rule out"
            checks.append(check_of(name, "accuracy", "cannot judge", why, rule, remedy))
            continue
        outcome: Outcome = "pass" if drop <= limit else "fail"
        remedy = "try another calibration method or set, or leave more operators in float"
        checks.append(check_of(name, "accuracy", outcome, f"{100 * drop:.3g} %", rule, remedy))
    return checks


def _fidelity(row: VerifyRow) -> dict[str, float]:
    return {
        "psnr mean": row.psnr_db.mean,
        "psnr p5": row.psnr_db.p5,
        "ssim mean": row.ssim.mean,
        "ssim p5": row.ssim.p5,
    }
