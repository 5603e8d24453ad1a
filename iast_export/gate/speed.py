"""Checks of speed, memory and size; milliseconds are compared on the very same machine only."""

from __future__ import annotations

from collections.abc import Sequence

from iast_export.gate.baseline import MACHINE_FIELDS, MEMORY_FIELDS, RATIO_FIELDS, Baseline, unlike
from iast_export.gate.common import check_of, cover, key_of, label_of, no_lane, unlike_threads
from iast_export.gate.rules import Rules
from iast_export.lanes.four_thirds import PRECISIONS
from iast_export.reports.benchmark import BenchmarkReport, BenchmarkRow
from iast_export.reports.manifest import Manifest
from iast_export.reports.verdict import Check, Outcome

_REMEASURE = (
    "run `iast-export bench` again on a quiet machine, with more blocks (in [benchmark] of the "
    "recipe), or compare with the bundle before it by `iast-export compare`"
)


def check_speed(
    measured: BenchmarkReport, accepted: BenchmarkReport | None, rules: Rules
) -> list[Check]:
    """Ratios to FP32 against floors and baseline; milliseconds on the very same machine only."""
    before = {key_of(row): row for row in accepted.rows} if accepted else {}
    other_set = unlike(measured, accepted, RATIO_FIELDS) if accepted else []
    other_machine = unlike(measured, accepted, MACHINE_FIELDS) if accepted else []
    held = {(row.runtime, row.precision) for row in measured.rows}
    checks = [
        no_lane(f"speed.min_ratio.{runtime}.{precision}", f"{runtime} {precision}")
        for runtime, floors in rules.speed.min_ratio.items()
        for precision in floors
        if (runtime, precision) not in held
    ]
    for row in measured.rows:
        floor = rules.speed.min_ratio.get(row.runtime, {}).get(row.precision)
        if floor is not None:
            checks.append(_ratio("ratio to FP32", row, floor, f"at least {floor:.3g}", rules))
        then = before.get(key_of(row))
        if rules.speed.max_four_thirds is not None and row.precision in PRECISIONS:
            checks.append(_four_thirds(row, rules.speed.max_four_thirds))
        if then is not None and rules.speed.max_ratio_fall is not None and row.precision != "fp32":
            checks.append(_ratio_fall(row, then, other_set, rules))
        if then is not None and rules.speed.max_median_rise is not None:
            checks.append(
                _median_rise(row, then, other_machine, rules, rules.speed.max_median_rise)
            )
    return checks


def check_size(
    manifest: Manifest, measured: BenchmarkReport | None, accepted: Baseline, rules: Rules
) -> list[Check]:
    """Bytes of every file, and peak memory of every row, against the baseline's."""
    checks = []
    if rules.size.max_file_rise is not None:
        now = {entry.path: entry.bytes for entry in manifest.files}
        checks.append(cover("baseline against the files", set(accepted.file_bytes), list(now)))
        for path in sorted(set(now) & set(accepted.file_bytes)):
            then = accepted.file_bytes[path]
            checks.append(_rise(f"bytes: {path}", now[path], then, rules.size.max_file_rise))
    if measured is None or rules.size.max_peak_rss_rise is None:
        return checks
    before = {key_of(row): row for row in accepted.benchmark.rows}
    other = unlike(measured, accepted.benchmark, MEMORY_FIELDS)
    for row in measured.rows:
        then_row = before.get(key_of(row))
        if then_row is None:
            continue
        name, peak = f"peak memory: {label_of(row)}", then_row.peak_rss_bytes
        apart = [*other, *unlike_threads(row, then_row)]
        if row.peak_rss_bytes is None or peak is None or apart:
            found = "; ".join(apart) or ("not measured" if peak else "the baseline has none")
            checks.append(
                check_of(name, "size", "cannot judge", found, "the baseline's", _REMEASURE)
            )
        else:
            checks.append(_rise(name, row.peak_rss_bytes, peak, rules.size.max_peak_rss_rise))
    return checks


def _ratio_fall(
    row: BenchmarkRow, then: BenchmarkRow, other_set: Sequence[str], rules: Rules
) -> Check:
    ratio = then.ratio_to_fp32
    if ratio is None:
        name, rule = f"ratio against the baseline: {label_of(row)}", "the baseline's ratio"
        return check_of(name, "speed", "cannot judge", "the baseline has none", rule, _REMEASURE)
    fall = rules.speed.max_ratio_fall or 0.0
    floor = ratio.value * (1.0 - fall)
    rule = f"at least {floor:.3g} (baseline {ratio.value:.3g} less {100 * fall:.3g} %)"
    unlike_runs = [*other_set, *unlike_threads(row, then)]
    if unlike_runs:
        name = f"ratio against the baseline: {label_of(row)}"
        remedy = "measure on a machine like the baseline's, or write a baseline for this one"
        return check_of(name, "speed", "cannot judge", "; ".join(unlike_runs), rule, remedy)
    return _ratio("ratio against the baseline", row, floor, rule, rules)


def _ratio(what: str, row: BenchmarkRow, floor: float, rule: str, rules: Rules) -> Check:
    """Fails where the whole interval lies below the floor; passes where the value reaches it.

    Where the interval holds the floor, a value below it, or an interval too wide, can't be judged.
    """
    name, ratio = f"{what}: {label_of(row)}", row.ratio_to_fp32
    if ratio is None:
        return check_of(name, "speed", "cannot judge", "no ratio was measured", rule, _REMEASURE)
    if len(row.samples_ms) < rules.speed.min_samples:
        found, rule = (
            f"{len(row.samples_ms)} samples",
            f"at least {rules.speed.min_samples} samples",
        )
        return check_of(name, "speed", "cannot judge", found, rule, _REMEASURE)
    found = f"{ratio.value:.3g} ({ratio.low:.3g} to {ratio.high:.3g})"
    too_wide = ratio.high - ratio.low > rules.speed.max_interval_width * ratio.value
    outcome: Outcome = "pass"
    if ratio.high < floor:
        outcome = "fail"
    elif ratio.low < floor and (ratio.value < floor or too_wide):
        outcome = "cannot judge"
    remedy = "find which operators got slower" if outcome == "fail" else _REMEASURE
    return check_of(name, "speed", outcome, found, rule, remedy)


def _four_thirds(row: BenchmarkRow, limit: float) -> Check:
    """Fails where the whole interval lies above the limit; a value above it alone is not judged."""
    name = f"4:3 against the square: {label_of(row)}"
    rule = f"at most {limit:.3g} times as long for a pixel"
    if row.four_thirds is None:
        why = "not timed, as of a file that takes squares alone"
        return check_of(name, "speed", "cannot judge", why, rule, _REMEASURE)
    ratio = row.four_thirds.per_pixel
    outcome: Outcome = "pass"
    if ratio.value > limit:
        outcome = "fail" if ratio.low > limit else "cannot judge"
    found = f"{ratio.value:.3g} ({ratio.low:.3g} to {ratio.high:.3g})"
    remedy = "find which operators are slow at that shape" if outcome == "fail" else _REMEASURE
    return check_of(name, "speed", outcome, found, rule, remedy)


def _median_rise(
    row: BenchmarkRow, then: BenchmarkRow, other_machine: Sequence[str], rules: Rules, rise: float
) -> Check:
    name, limit = f"median against the baseline: {label_of(row)}", then.median_ms * (1.0 + rise)
    rule = f"at most {limit:.4g} ms (baseline {then.median_ms:.4g} and {100 * rise:.3g} %)"
    unlike_runs = [*other_machine, *unlike_threads(row, then)]
    if unlike_runs:
        found = "; ".join(unlike_runs)
        remedy = (
            "milliseconds compare on the baseline's machine only; take max_median_rise out "
            "otherwise"
        )
        return check_of(name, "speed", "cannot judge", found, rule, remedy)
    if min(len(row.samples_ms), len(then.samples_ms)) < rules.speed.min_samples:
        found = f"{len(row.samples_ms)} samples, baseline {len(then.samples_ms)}"
        return check_of(name, "speed", "cannot judge", found, rule, _REMEASURE)
    outcome: Outcome = "pass" if row.median_ms <= limit else "fail"
    return check_of(
        name, "speed", outcome, f"{row.median_ms:.4g} ms", rule, "find which operators got slower"
    )


def _rise(name: str, now: int, then: int, rise: float) -> Check:
    limit = then * (1.0 + rise)
    rule = f"at most {int(limit):,} bytes (baseline {then:,} and {100 * rise:.3g} %)"
    remedy = "find what grew, or write a new baseline if it is meant"
    return check_of(
        name, "size", "pass" if now <= limit else "fail", f"{now:,} bytes", rule, remedy
    )
