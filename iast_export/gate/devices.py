"""Checks of imported results of phones: pictures, times, and what no phone was asked. No torch.

Nothing is asked of phones unless a rule does. Emulators never count as phones; of each phone its
latest self-test and its latest benchmark count.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from iast_export.bundle.added import check_result_belongs
from iast_export.errors import InputError
from iast_export.gate.common import check_of
from iast_export.gate.rules import DeviceRules
from iast_export.metrics.bootstrap import Interval, Resampling, central_interval, medians
from iast_export.reports.device import (
    DEVICE_FOLDER,
    DeviceBenchmarkRow,
    DeviceResult,
    DeviceRow,
    SelfTestRow,
)
from iast_export.reports.manifest import Manifest
from iast_export.reports.verdict import Check, Outcome

_RUN = "run the app's checks on a phone and `iast-export device import RESULT.json --bundle DIR`"
_AGAIN = "run the benchmark again on that phone, cool, charged and with nothing else to do"
_SHIP = "don't ship that lane to that phone, or report what its runtime computes"
# As Android counts heat: from here on it slows the processor down noticeably.
_HOT = ("moderate", "severe", "critical", "emergency", "shutdown")
# As the ratios of a bundle's own benchmark.
_RESAMPLES = 4000


def check_devices(folder: Path, manifest: Manifest, rules: DeviceRules) -> list[Check]:
    """What the rules ask of phones; nothing where they don't.

    A result of another build of the bundle, or one that can't be read, is no evidence: a check of
    its own says so.
    """
    if not rules.asks:
        return []
    results, checks = _load(folder)
    tested, timed = (_latest(results, kind) for kind in ("selftest", "benchmark"))
    if rules.min_phones is not None:
        checks.append(_enough(tested, rules.min_phones))
    if rules.selftest and not tested:
        checks.append(_unjudged("goldens on phones", "no self-test", "some", _RUN))
    if rules.times and not timed:
        checks.append(_unjudged("times on phones", "no benchmark", "some", _RUN))
    for result in tested:
        checks += _pictures(result, manifest, rules)
    for result in timed:
        checks += _ratios(result, rules)
        checks += _milliseconds(result, rules)
    return checks


def _load(folder: Path) -> tuple[list[DeviceResult], list[Check]]:
    found, checks = [], []
    for path in sorted((folder / DEVICE_FOLDER).glob("*.json")):
        try:
            result = DeviceResult.load(path)
            check_result_belongs(folder, result)
        except InputError as error:
            what = f"a phone's result: {path.name}"
            checks.append(_unjudged(what, error.message, "of this bundle", error.remedy))
            continue
        found.append(result)
    return found, checks


def _latest(results: Sequence[DeviceResult], kind: str) -> list[DeviceResult]:
    of_phone: dict[str, DeviceResult] = {}
    for one in sorted(results, key=lambda one: one.created_at):
        if one.kind == kind and not one.device.emulated:
            of_phone[_name(one)] = one
    return [of_phone[name] for name in sorted(of_phone)]


def _enough(tested: Sequence[DeviceResult], wanted: int) -> Check:
    outcome: Outcome = "pass" if len(tested) >= wanted else "cannot judge"
    found = ", ".join([str(len(tested)), *(_name(one) for one in tested)])
    return check_of(
        "phones that drew the goldens", "coverage", outcome, found, f"at least {wanted}", _RUN
    )


def _pictures(result: DeviceResult, manifest: Manifest, rules: DeviceRules) -> Iterator[Check]:
    """Every golden picture that an accelerator was to draw, by the manifest's own tolerance."""
    for accelerator in rules.selftest:
        rows = [row for row in result.selftest if row.asked == accelerator]
        if not rows:
            name = f"goldens: {_name(result)}, {accelerator}"
            yield _unjudged(name, "no self-test", f"on the {accelerator}", _RUN)
        yield from (_picture(result, row, manifest) for row in rows)


def _picture(result: DeviceResult, row: SelfTestRow, manifest: Manifest) -> Check:
    name, worst = f"golden: {_label(result, row)}", row.max_level_difference
    tolerance = _tolerance(row, manifest)
    if tolerance is None:
        return _unjudged(name, "the bundle promises no such picture", "a golden", _RUN)
    rule = f"at most {tolerance} levels"
    if worst is None and row.asked == "gpu":  # nobody promised that phone's driver
        return _unjudged(name, row.message or "not opened", rule, _SHIP)
    outcome: Outcome = "pass" if worst is not None and worst <= tolerance else "fail"
    found = f"{worst} levels" if worst is not None else row.message or "not drawn"
    return check_of(name, "accuracy", outcome, found, rule, _SHIP)


def _tolerance(row: SelfTestRow, manifest: Manifest) -> int | None:
    for golden in manifest.golden:
        if golden.tier == row.tier and (row.runtime, row.precision) in golden.lanes():
            of_gpu = golden.gpu_tolerance_levels.get(row.precision)
            return of_gpu if row.asked == "gpu" else golden.tolerance_levels[row.runtime]
    return None


def _ratios(result: DeviceResult, rules: DeviceRules) -> Iterator[Check]:
    """Of each lane to FP32 on the same phone's processor, where a whole interval decides."""
    for runtime, floors in rules.min_ratio.items():
        for precision, floor in floors.items():
            lane = (runtime, precision, "cpu")
            rows = [r for r in result.benchmark if (r.runtime, r.precision, r.asked) == lane]
            if not rows:
                name = f"ratio to FP32: {_name(result)} {runtime} {precision}"
                yield _unjudged(name, "not measured", "a benchmark", _AGAIN)
            yield from (_ratio(result, row, floor, rules.min_samples) for row in rows)


def _ratio(result: DeviceResult, row: DeviceBenchmarkRow, floor: float, least: int) -> Check:
    name, rule = f"ratio to FP32: {_label(result, row)}", f"at least {floor:.3g}"
    alike = (row.runtime, row.tier, row.files, row.threads, "fp32", "cpu")
    base = [
        one
        for one in result.benchmark
        if (one.runtime, one.tier, one.files, one.threads, one.precision, one.asked) == alike
    ]
    fault = _fault(result, row, least) if base else "no FP32 beside it"
    fault = fault or _fault(result, base[0], least)
    if fault:
        return _unjudged(name, fault, rule, _AGAIN)
    found = _ratio_of(base[0].samples_ms, row.samples_ms)
    outcome: Outcome = "pass" if max(found.low, found.value) >= floor else "cannot judge"
    if found.high < floor:
        outcome = "fail"
    return check_of(name, "speed", outcome, str(found), rule, _AGAIN)


def _ratio_of(base_ms: Sequence[float], own_ms: Sequence[float]) -> Interval:
    """Of the medians; each side is drawn by itself, since a phone's rounds are not pairs."""
    value = statistics.median(base_ms) / statistics.median(own_ms)
    base, own = (
        medians(np.array(times), Resampling(_RESAMPLES, seed, kept_stream=True).draws(len(times)))
        for seed, times in enumerate((base_ms, own_ms))
    )
    return central_interval(base / own, value)


def _milliseconds(result: DeviceResult, rules: DeviceRules) -> Iterator[Check]:
    """The fastest of a lane's ways on that phone, since that is the one to take."""
    for lane, limits in rules.max_median_ms.items():
        for tier, limit in limits.items():
            name, rule = f"median: {_name(result)} {lane} {tier}", f"at most {limit:g} ms"
            own = [row for row in result.benchmark if _is_of(row, lane, tier)]
            faults = [_fault(result, row, rules.min_samples) for row in own]
            judged = [row for row, fault in zip(own, faults, strict=True) if not fault]
            if not judged:
                found = "; ".join(dict.fromkeys(faults)) or "not measured"
                yield _unjudged(name, found, rule, _AGAIN)
                continue
            best = min(judged, key=lambda row: statistics.median(row.samples_ms))
            median = statistics.median(best.samples_ms)
            outcome: Outcome = "pass" if median <= limit else "fail"
            found = f"{median:.3g} ms on the {best.asked}"
            yield check_of(name, "speed", outcome, found, rule, _AGAIN)


def _is_of(row: DeviceRow, lane: str, tier: str) -> bool:
    return (f"{row.runtime}-{row.precision}", row.tier) == (lane, tier)


def _fault(result: DeviceResult, row: DeviceBenchmarkRow, least: int) -> str:
    """Why a row can't be judged; empty where it can."""
    if row.message:
        return row.message
    if len(row.samples_ms) < least:
        return f"{len(row.samples_ms)} samples, {least} are needed"
    heat = result.state.thermal_status
    return f"the phone was hot ({heat})" if heat in _HOT else ""


def _name(result: DeviceResult) -> str:
    return f"{result.device.manufacturer} {result.device.model}"


def _label(result: DeviceResult, row: DeviceRow) -> str:
    lane = f"{row.runtime} {row.precision} {row.tier}"
    return f"{_name(result)} {lane}, {row.asked}, {row.files}"


def _unjudged(name: str, found: str, rule: str, remedy: str) -> Check:
    return check_of(name, "coverage", "cannot judge", found, rule, remedy)
