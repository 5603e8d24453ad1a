"""Checks of fidelity and task scores, against floors and against the baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from iast_export.gate.common import check_of, label_of, no_lane
from iast_export.gate.rules import AccuracyRules, Rules
from iast_export.reports.verdict import Check, Outcome
from iast_export.reports.verify import Figures, VerifyReport, VerifyRow


def check_accuracy(verified: VerifyReport, rules: Rules) -> list[Check]:
    """Every row against the limits of its precision, own shapes apart; no rule may lack a row."""
    held = {row.precision for row in verified.rows}
    ruled = {"accuracy": rules.accuracy, "own_shape": rules.own_shape}
    checks = [
        no_lane(f"{part}.{name}", name)
        for part, named in ruled.items()
        for name in named
        if name not in held
    ]
    for row in verified.rows:
        limits, shaped = rules.accuracy.get(row.precision), rules.own_shape.get(row.precision)
        if limits is not None:
            checks += _floors(label_of(row), row, limits) + _ceilings(label_of(row), row, limits)
        if shaped is not None:
            checks += _own_shape(row, shaped)
    return checks


def _own_shape(row: VerifyRow, limits: AccuracyRules) -> list[Check]:
    label = f"{label_of(row)}, own shape"
    if row.own_shape is None:
        found = "no picture that is not square"
        remedy = "verify on photographs of other shapes too, or take the rules of [own_shape] out"
        return [check_of(f"psnr: {label}", "accuracy", "cannot judge", found, "some", remedy)]
    return _floors(label, row.own_shape, limits) + _ceilings(label, row.own_shape, limits)


def check_accuracy_baseline(
    verified: VerifyReport, accepted: VerifyReport, rules: Rules
) -> list[Check]:
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
        return [
            check_of(
                "accuracy against the baseline", "coverage", "cannot judge", found, needed, remedy
            )
        ]
    before = dict(_labeled(accepted))
    checks = []
    for place, figures in _labeled(verified):
        if place not in before:
            continue
        now, then = _fidelity(figures), _fidelity(before[place])
        for name, (limit, unit) in falls.items():
            if limit is not None:
                floor = then[name] - limit
                outcome: Outcome = "pass" if now[name] >= floor else "fail"
                rule = f"at least {floor:.4g}{unit} (baseline {then[name]:.4g} less {limit:g})"
                label = f"{name} against the baseline: {place}"
                remedy = "find what changed in calibration or quantization since the baseline"
                checks.append(
                    check_of(label, "accuracy", outcome, f"{now[name]:.4g}{unit}", rule, remedy)
                )
    return checks


def _labeled(report: VerifyReport) -> Iterator[tuple[str, Figures]]:
    """Every row's figures for squares, then for own shapes, by what checks call them."""
    for row in report.rows:
        yield label_of(row), row
        if row.own_shape is not None:
            yield f"{label_of(row)}, own shape", row.own_shape


def _floors(label: str, row: Figures, limits: AccuracyRules) -> list[Check]:
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
            f"{name}: {label}",
            "accuracy",
            "pass" if found[name] >= limit else "fail",
            f"{found[name]:.4g}{unit}",
            f"at least {limit:.4g}{unit}",
            remedy,
        )
        for name, (limit, unit) in floors.items()
        if limit is not None
    ]


def _ceilings(label: str, row: Figures, limits: AccuracyRules) -> list[Check]:
    checks = []
    for score in ("ssim_content", "style_distance", "lpips_content", "identity"):
        limit: float | None = getattr(limits, f"max_drop_{score}")
        if limit is None:
            continue
        name, rule = f"drop of {score}: {label}", f"at most {100 * limit:.3g} %"
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


def _fidelity(row: Figures) -> dict[str, float]:
    return {
        "psnr mean": row.psnr_db.mean,
        "psnr p5": row.psnr_db.p5,
        "ssim mean": row.ssim.mean,
        "ssim p5": row.ssim.p5,
    }
