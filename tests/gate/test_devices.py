"""Phones: nothing is asked unless a rule does; differs is 5, slow is 6, not known is 7."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iast_export.errors import RecipeError
from iast_export.files.artifacts import sha256_file
from iast_export.gate.devices import check_devices
from iast_export.gate.rules import DeviceRules, parse_rules
from iast_export.reports.manifest import load_manifest
from iast_export.reports.verdict import Check, Verdict
from tests.gate_cases import make_bundle

TIER = "d2-256px"
FAST = (9.9, 10.0, 10.1, 10.0, 9.9, 10.1, 10.0, 10.0)
SLOW = tuple(3 * ms for ms in FAST)
LANE = {"runtime": "litert", "precision": "int8", "tier": TIER, "accelerator": "CPU"}
DEVICE = {
    "manufacturer": "Maker",
    "model": "Phone",
    "soc": None,
    "android_release": "16",
    "sdk_int": 36,
    "abi": "arm64-v8a",
    "cores": 8,
    "emulated": False,
}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    make_bundle(folder)
    told = json.loads((folder / "manifest.json").read_text())
    for golden in told["golden"]:
        golden["gpu_tolerance_levels"] = {"int8": 20}
    (folder / "manifest.json").write_text(json.dumps(told))
    return folder


def add(
    bundle: Path,
    kind: str,
    rows: list[dict[str, Any]],
    *,
    at: str = "12:00:00",
    heat: str = "none",
    manifest_sha256: str = "",
    **device: Any,
) -> None:
    """Puts a phone's result where `device import` does."""
    state = {"battery_percent": 80, "charging": True, "thermal_status": heat, "screen_on": True}
    manifest_sha256 = manifest_sha256 or sha256_file(bundle / "manifest.json")
    result = {
        "schema_version": 2,
        "kind": kind,
        "created_by": "iast-demo",
        "created_at": f"2026-11-20T{at}Z",
        "bundle": {"name": "small", "manifest_sha256": manifest_sha256},
        "device": {**DEVICE, **device},
        "state": state,
        "selftest": [],
        "benchmark": [],
        kind: [{**LANE, **row} for row in rows],
    }
    folder = bundle / "reports" / "device"
    folder.mkdir(exist_ok=True)
    number = len(list(folder.iterdir()))
    (folder / f"{number}.json").write_text(json.dumps(result))


def drawn(levels: int | None = 1, message: str = "", **row: Any) -> dict[str, Any]:
    """A golden picture; the phone's own tolerance is as large as it likes."""
    status = "error" if levels is None else "pass"
    share = None if levels is None else 0.01
    told = {"status": status, "max_level_difference": levels, "differing_share": share}
    return {"style": "ink", "tolerance_levels": 255, "message": message, **told, **row}


def timed(samples: tuple[float, ...] = FAST, message: str = "", **row: Any) -> dict[str, Any]:
    return {"threads": 4, "warmup_ms": [], "samples_ms": samples, "message": message, **row}


def judged(bundle: Path, **rules: Any) -> list[Check]:
    return check_devices(bundle, load_manifest(bundle), DeviceRules.model_validate(rules))


def code(checks: list[Check]) -> int:
    return Verdict(bundle="small", checks=tuple(checks)).exit_code


RATIO = {"min_ratio": {"litert": {"int8": 2.0}}}
MEDIAN = {"max_median_ms": {"litert-int8": {TIER: 20.0}}}


def test_without_a_rule_a_failing_phone_changes_nothing(bundle: Path) -> None:
    add(bundle, "selftest", [drawn(200)])
    assert judged(bundle) == []


def test_a_picture_within_the_bundles_own_tolerance_passes(bundle: Path) -> None:
    add(bundle, "selftest", [drawn(1)])
    checks = judged(bundle, selftest=["cpu"], min_phones=1)
    assert code(checks) == 0
    assert [one.name for one in checks] == [
        "phones that drew the goldens",
        f"golden: Maker Phone litert int8 {TIER}, cpu, tiers",
    ]


@pytest.mark.parametrize("row", [drawn(200), drawn(None, "no memory")])
def test_5_a_picture_that_differs_or_is_not_drawn(bundle: Path, row: dict[str, Any]) -> None:
    add(bundle, "selftest", [row])
    (check,) = judged(bundle, selftest=["cpu"])
    assert check.exit_code == 5 and check.remedy
    assert check.measured in ("200 levels", "no memory")


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([drawn(None, "no OpenCL here", asked="gpu")], "no OpenCL here"),
        ([drawn(1)], "no self-test"),
    ],
    ids=["did not open", "was not asked"],
)
def test_7_a_gpu_that_a_rule_asks_for_and_that_did_not_draw(
    bundle: Path, rows: list[dict[str, Any]], found: str
) -> None:
    add(bundle, "selftest", rows)
    (check,) = judged(bundle, selftest=["gpu"])
    assert (check.exit_code, check.measured) == (7, found)


def test_6_a_lane_that_is_slower_than_its_floor_or_its_milliseconds(bundle: Path) -> None:
    full = timed(FAST, precision="fp32")
    add(bundle, "benchmark", [timed(SLOW), full])
    assert code(judged(bundle, **RATIO)) == 6
    assert code(judged(bundle, **MEDIAN)) == 6


def test_a_lane_that_is_fast_enough_passes(bundle: Path) -> None:
    add(bundle, "benchmark", [timed(FAST), timed(SLOW, precision="fp32")])
    checks = judged(bundle, **RATIO, **MEDIAN)
    assert code(checks) == 0
    assert checks[0].measured.startswith("3.000 (")


def test_the_fastest_accelerator_is_held_to_the_milliseconds(bundle: Path) -> None:
    refused = timed((), "did not open", asked="gpu", files="dispatch")
    add(bundle, "benchmark", [timed(SLOW), timed(FAST, asked="gpu"), refused])
    (check,) = judged(bundle, **MEDIAN)
    assert (check.outcome, check.measured) == ("pass", "10 ms on the gpu")


@pytest.mark.parametrize(
    ("rows", "heat", "found"),
    [
        ([timed(FAST)], "severe", "the phone was hot (severe)"),
        ([timed(FAST[:3])], "none", "3 samples, 8 are needed"),
        ([timed((), "killed")], "none", "killed"),
        ([timed(FAST, precision="fp16")], "none", "not measured"),
    ],
    ids=["hot", "few", "ended", "other lane"],
)
def test_7_times_that_say_nothing(
    bundle: Path, rows: list[dict[str, Any]], heat: str, found: str
) -> None:
    full = timed(SLOW, precision="fp32")
    add(bundle, "benchmark", [*rows, full], heat=heat)
    for rules in (RATIO, MEDIAN):
        (check,) = judged(bundle, **rules)
        assert (check.exit_code, check.measured) == (7, found)


def test_7_a_ratio_without_fp32_beside_it(bundle: Path) -> None:
    add(bundle, "benchmark", [timed(FAST)])
    (check,) = judged(bundle, **RATIO)
    assert (check.exit_code, check.measured) == (7, "no FP32 beside it")


@pytest.mark.parametrize("added", [{}, {"emulated": True}, {"manifest_sha256": "0" * 64}])
def test_7_no_phone_at_all(bundle: Path, added: dict[str, Any]) -> None:
    if added:
        add(bundle, "selftest", [drawn()], **added)
        add(bundle, "benchmark", [timed()], **added)
    for rules in ({"min_phones": 1}, {"selftest": ["cpu"]}, RATIO, MEDIAN):
        assert code(judged(bundle, **rules)) == 7


def test_of_each_phone_the_latest_result_counts(bundle: Path) -> None:
    add(bundle, "selftest", [drawn(1)], at="13:00:00")
    add(bundle, "selftest", [drawn(200)], at="12:00:00")
    add(bundle, "selftest", [drawn(1)], model="Tablet")
    assert code(judged(bundle, selftest=["cpu"], min_phones=2)) == 0
    assert code(judged(bundle, selftest=["cpu"], min_phones=3)) == 7


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[devices.max_median_ms.tpu-int8]\nd2 = 1.0", "is no lane"),
        ("[devices.max_median_ms.litert-int8]\n", "sets no limit"),
        ("[devices.min_ratio.litert]\n", "sets no limit"),
        ("[devices]\nmin_samples = 9\n", "sets no limit"),
    ],
)
def test_2_rules_that_ask_nothing_are_refused(text: str, match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        parse_rules(f"schema_version = 1\n{text}".encode(), "rules")


def test_rules_for_phones_alone_are_rules() -> None:
    text = b'schema_version = 1\n[devices]\nselftest = ["cpu", "gpu"]\n'
    assert parse_rules(text, "rules").devices.selftest == ("cpu", "gpu")
