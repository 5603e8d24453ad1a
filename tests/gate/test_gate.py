"""The gate: every documented exit code, a planted failure for every rule, nothing skipped in
silence."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iast_export.errors import CannotJudgeError, InputError, RecipeError
from iast_export.files.artifacts import read_json, write_json
from iast_export.gate import gate, load_baseline, load_rules, make_baseline, parse_rules
from iast_export.gate.rules import Rules
from iast_export.reports.verdict import Check, Verdict
from tests.gate_cases import alter, fidelity, make_bundle, retime, row_of

ROOT = Path(__file__).resolve().parents[2]
ALL_RULES = """
schema_version = 1
[accuracy.int8]
min_psnr_mean_db = 38
min_psnr_p5_db = 32.0
min_ssim_mean = 0.95
min_ssim_p5 = 0.95
max_drop_ssim_content = 0.02
max_drop_style_distance = 0.02
[accuracy_baseline]
max_psnr_mean_fall_db = 0.5
max_psnr_p5_fall_db = 0.5
max_ssim_mean_fall = 0.005
[speed]
min_samples = 6
max_interval_width = 0.3
max_ratio_fall = 0.1
max_median_rise = 0.1
[speed.min_ratio.litert]
int8 = 2.0
[size]
max_file_rise = 0.02
max_peak_rss_rise = 0.1
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    return make_bundle(folder)


@pytest.fixture
def baseline(bundle: Path, tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    make_baseline(bundle, path)
    return path


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(ALL_RULES)
    return path


def _bad(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.worst()]


def test_a_bundle_passes_against_its_own_baseline_with_the_packaged_rules(
    bundle: Path, baseline: Path
) -> None:
    verdict = gate(bundle, baseline)
    assert _bad(verdict) == []
    assert verdict.exit_code == 0
    assert len(verdict.checks) > 40


def test_all_rules_are_checked_and_named(bundle: Path, baseline: Path, rules: Path) -> None:
    verdict = gate(bundle, baseline, rules)
    assert verdict.passed
    kinds = {check.name.split(":")[0] for check in verdict.checks}
    assert {
        "file",
        "psnr mean",
        "psnr p5",
        "ssim mean",
        "ssim p5",
        "drop of ssim_content",
        "drop of style_distance",
        "psnr mean against the baseline",
        "psnr p5 against the baseline",
        "ssim mean against the baseline",
        "ratio to FP32",
        "ratio against the baseline",
        "median against the baseline",
        "bytes",
        "peak memory",
        "coverage",
    } <= kinds


@pytest.mark.parametrize(
    ("values", "check"),
    [
        (fidelity([37.0, 37.0, 37.0], 0.98), "psnr mean: litert int8 d2-256px"),
        (fidelity([30.0, 45.0, 45.0], 0.98), "psnr p5: litert int8 d2-256px"),
        (fidelity([38.0, 40.0, 42.0], 0.94), "ssim mean: litert int8 d2-256px"),
        (fidelity([38.0, 40.0, 42.0], 0.94), "ssim p5: litert int8 d2-256px"),
        (
            fidelity([38.0, 40.0, 42.0], 0.98, (0.03, 0.0)),
            "drop of ssim_content: litert int8 d2-256px",
        ),
        (
            fidelity([38.0, 40.0, 42.0], 0.98, (0.0, 0.03)),
            "drop of style_distance: litert int8 d2-256px",
        ),
        (
            fidelity([38.0, 39.0, 41.0], 0.98),
            "psnr mean against the baseline: litert int8 d2-256px",
        ),
        (fidelity([37.0, 41.0, 42.0], 0.98), "psnr p5 against the baseline: litert int8 d2-256px"),
        (
            fidelity([38.0, 40.0, 42.0], 0.97),
            "ssim mean against the baseline: litert int8 d2-256px",
        ),
    ],
)
def test_5_each_accuracy_rule_fails_by_name(
    bundle: Path, baseline: Path, rules: Path, values: dict[str, Any], check: str
) -> None:
    alter(bundle, "verify", row_of(bundle, "verify", "litert", "int8"), **values)
    verdict = gate(bundle, baseline, rules)
    assert verdict.exit_code == 5
    assert check in _bad(verdict)
    assert all(one.remedy for one in verdict.worst())


STEADY = (-0.02, -0.01, 0.0, 0.01, 0.02)


@pytest.mark.parametrize(
    ("speed", "values", "check"),
    [
        (1.5, {}, "ratio to FP32: litert int8 d2-256px"),
        (2.5, {}, "ratio against the baseline: litert int8 d2-256px"),
        (2.6, {}, "median against the baseline: litert int8 d2-256px"),
        (3.0, {"peak_rss_bytes": 120_000_000}, "peak memory: litert int8 d2-256px"),
    ],
)
def test_6_each_speed_and_memory_rule_fails_by_name(
    bundle: Path, baseline: Path, rules: Path, speed: float, values: dict[str, Any], check: str
) -> None:
    retime(bundle, [speed + step for step in STEADY], **values)
    verdict = gate(bundle, baseline, rules)
    assert verdict.exit_code == 6
    assert check in _bad(verdict)


def _smaller_in_baseline(path: Path) -> None:
    """A baseline whose LiteRT INT8 file was half as large."""
    found = load_baseline(path)
    sizes = {
        name: size // 2 if name.endswith("litert-int8.bin") else size
        for name, size in found.file_bytes.items()
    }
    changed = found.model_copy(update={"file_bytes": sizes})
    changed.model_copy(update={"sha256": changed.content_sha256()}).save(path)


def test_6_a_file_that_grew_fails_by_name(bundle: Path, baseline: Path) -> None:
    _smaller_in_baseline(baseline)
    verdict = gate(bundle, baseline)
    assert verdict.exit_code == 6
    assert _bad(verdict) == ["bytes: models/litert-int8.bin"]


def test_noise_does_not_fail_and_does_not_hide_a_fall(
    bundle: Path, baseline: Path, tmp_path: Path
) -> None:
    rules = tmp_path / "ratios.toml"
    rules.write_text(ALL_RULES.replace("max_median_rise = 0.1\n", ""))
    retime(bundle, [2.6, 2.8, 2.9, 3.0, 3.2])
    assert gate(bundle, baseline, rules).exit_code == 0
    retime(bundle, [2.5, 2.55, 2.6, 2.7, 2.8])
    assert gate(bundle, baseline, rules).exit_code == 7
    retime(bundle, [1.5, 2.0, 3.0, 4.0, 4.5])
    verdict = gate(bundle, baseline, rules)
    assert verdict.exit_code == 7
    assert "more blocks" in verdict.worst()[0].remedy


def test_7_without_a_baseline_the_rest_is_still_judged(bundle: Path, tmp_path: Path) -> None:
    for path in (None, tmp_path / "none.json"):
        verdict = gate(bundle, path)
        assert verdict.exit_code == 7
        assert _bad(verdict) == ["baseline"]
        assert verdict.count("pass") > 20


def test_7_too_few_samples_can_not_be_judged(bundle: Path, tmp_path: Path) -> None:
    rules = tmp_path / "many.toml"
    rules.write_text(ALL_RULES.replace("min_samples = 6", "min_samples = 12"))
    make_baseline(bundle, tmp_path / "b.json")
    verdict = gate(bundle, tmp_path / "b.json", rules)
    assert verdict.exit_code == 7
    assert verdict.worst()[0].measured.startswith("10 samples")


def _machine(bundle: Path, **values: Any) -> None:
    path = bundle / "reports" / "benchmark.json"
    raw = read_json(path)
    raw["machine"] |= values
    write_json(path, raw)


def test_7_milliseconds_of_another_machine_are_never_compared(
    bundle: Path, baseline: Path, rules: Path
) -> None:
    _machine(bundle, cpu="another one")
    verdict = gate(bundle, baseline, rules)
    assert verdict.exit_code == 7
    assert {name.split(":")[0] for name in _bad(verdict)} == {"median against the baseline"}
    assert "cpu: another one" in verdict.notes[0]


def test_a_ratio_compares_across_machines_of_the_same_instruction_set_only(
    bundle: Path, baseline: Path
) -> None:
    _machine(bundle, cpu="another one", cores=64)
    assert gate(bundle, baseline).exit_code == 0
    _machine(bundle, flags=["neon"])
    verdict = gate(bundle, baseline)
    assert verdict.exit_code == 7
    assert {name.split(":")[0] for name in _bad(verdict)} == {"ratio against the baseline"}


def test_7_other_pictures_or_threads_are_not_compared(bundle: Path, baseline: Path) -> None:
    for row in range(len(read_json(bundle / "reports/benchmark.json")["rows"])):
        alter(bundle, "benchmark", row, threads=4)
    verdict = gate(bundle, baseline)
    assert verdict.exit_code == 7
    assert verdict.worst()[0].measured == "threads: 4, 1"
    path = bundle / "reports" / "verify.json"
    raw = read_json(path)
    raw["set"]["sha256"] = "9" * 64
    write_json(path, raw)
    assert "accuracy against the baseline" in _bad(gate(bundle, baseline))


@pytest.mark.parametrize("report", ["verify", "benchmark"])
def test_7_an_empty_report_does_not_pass(bundle: Path, baseline: Path, report: str) -> None:
    path = bundle / "reports" / f"{report}.json"
    write_json(path, read_json(path) | {"rows": []})
    verdict = gate(bundle, baseline)
    assert verdict.exit_code == 7
    assert f"report: {report}.json" in _bad(verdict)


@pytest.mark.parametrize("report", ["verify", "benchmark"])
def test_7_a_row_dropped_from_a_report_is_missed(bundle: Path, baseline: Path, report: str) -> None:
    path = bundle / "reports" / f"{report}.json"
    raw = read_json(path)
    del raw["rows"][row_of(bundle, report, "litert", "int8")]
    write_json(path, raw)
    verdict = gate(bundle, baseline)
    assert verdict.exit_code == 7
    assert _bad(verdict) == [
        f"coverage: {report}.json",
        f"coverage: baseline against {report}.json",
    ]
    assert "missing litert int8 d2-256px" in verdict.worst()[0].measured


def test_7_a_row_that_the_baseline_lacks_and_a_row_told_twice_are_noticed(
    bundle: Path, baseline: Path
) -> None:
    found = load_baseline(baseline)
    fewer = found.benchmark.model_copy(update={"rows": found.benchmark.rows[:-1]})
    changed = found.model_copy(update={"benchmark": fewer})
    changed.model_copy(update={"sha256": changed.content_sha256()}).save(baseline)
    verdict = gate(bundle, baseline)
    assert verdict.exit_code == 7
    assert any("new litert int8 d1-512px" in check.measured for check in verdict.worst())
    path = bundle / "reports" / "verify.json"
    raw = read_json(path)
    write_json(path, raw | {"rows": [*raw["rows"], raw["rows"][0]]})
    assert any("twice" in check.measured for check in gate(bundle, baseline).checks)


@pytest.mark.parametrize(
    ("psnrs", "style_drop", "check"),
    [
        ([20.0, 21.0, 22.0], -0.002, "psnr mean: litert int8"),
        ([32.5, 38.0, 40.5], -0.002, "psnr p5 against the baseline: litert int8"),
        ([35.1, 37.1, 39.1], 0.04, "drop of style_distance: litert int8"),
    ],
)
def test_5_pictures_in_their_own_shape_have_rules_of_their_own(
    bundle: Path, baseline: Path, psnrs: list[float], style_drop: float, check: str
) -> None:
    row = row_of(bundle, "verify", "litert", "int8")
    whole = read_json(bundle / "reports" / "verify.json")["rows"][row]["own_shape"]
    other = fidelity(psnrs, whole["ssim"]["mean"], (0.001, style_drop), size=(256, 171))
    alter(bundle, "verify", row, own_shape=whole | other)
    verdict = gate(bundle, baseline)
    assert verdict.exit_code == 5
    assert f"{check} d2-256px, own shape" in _bad(verdict)


def test_7_where_only_squares_were_judged_the_rules_for_other_shapes_can_not_pass(
    bundle: Path,
) -> None:
    rows = read_json(bundle / "reports" / "verify.json")["rows"]
    for row in range(len(rows)):
        alter(bundle, "verify", row, own_shape=None)
    verdict = gate(bundle, None)
    assert verdict.exit_code == 7
    assert any("own shape" in name for name in _bad(verdict))


def test_3_a_row_without_the_other_shapes_that_its_tier_was_judged_on_was_altered(
    bundle: Path, baseline: Path
) -> None:
    alter(bundle, "verify", row_of(bundle, "verify", "litert", "int8"), own_shape=None)
    assert gate(bundle, baseline).exit_code == 3


def test_7_a_rule_for_a_score_that_was_not_judged_can_not_pass(
    bundle: Path, baseline: Path, tmp_path: Path
) -> None:
    path = tmp_path / "r.toml"
    path.write_text("schema_version = 1\n[accuracy.int8]\nmax_drop_identity = 0.1\n")
    verdict = gate(bundle, baseline, path)
    assert verdict.exit_code == 7
    assert verdict.worst()[0].measured == "no model"


@pytest.mark.parametrize(
    "name", ["models/litert-int8.bin", "styles/ink.f32", "golden/d2-256px-litert-int8.png"]
)
def test_3_an_altered_or_missing_file_fails_before_all_else(
    bundle: Path, baseline: Path, name: str
) -> None:
    alter(bundle, "verify", row_of(bundle, "verify", "litert", "int8"), **fidelity([9.0] * 3, 0.5))
    data = bytearray((bundle / name).read_bytes())
    data[0] ^= 1
    (bundle / name).write_bytes(data)
    verdict = gate(bundle, baseline)
    assert verdict.exit_code == 3
    assert _bad(verdict)[0] == f"file: {name}"
    (bundle / name).unlink()
    assert gate(bundle, baseline).worst()[0].measured == "missing"


@pytest.mark.parametrize(
    ("report", "values"),
    [
        ("benchmark", {"median_ms": 1.0}),
        ("benchmark", {"p90_ms": 1.0}),
        ("verify", {"psnr_db__mean": 90.0}),
        ("verify", {"psnr_db__p5": 39.0}),
        ("verify", {"ssim__mean": 1.0}),
        ("verify", {"images": 300}),
        ("verify", {"own_shape__psnr_db__mean": 45.0}),
        ("verify", {"own_shape__images": 30}),
    ],
)
def test_3_a_report_whose_figures_do_not_follow_from_its_raw_values_was_altered(
    bundle: Path, baseline: Path, report: str, values: dict[str, Any]
) -> None:
    alter(bundle, report, row_of(bundle, report, "litert", "int8"), **values)
    verdict = gate(bundle, baseline)
    assert verdict.exit_code == 3
    (check,) = verdict.worst()
    assert check.name.endswith("of litert int8 d2-256px")
    assert next(iter(values)).replace("__", ".") in check.measured


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _nan(path: Path) -> None:
    path.write_text(re.sub(r": \d+\.\d+", ": NaN", path.read_text(), count=1))


@pytest.mark.parametrize("damage", [_cut, _nan, Path.unlink], ids=["cut", "NaN", "missing"])
@pytest.mark.parametrize("report", ["verify", "benchmark"])
def test_3_an_unreadable_report_is_refused(
    bundle: Path, baseline: Path, report: str, damage: Callable[[Path], None]
) -> None:
    damage(bundle / "reports" / f"{report}.json")
    with pytest.raises(InputError, match=f"{report}.json") as caught:
        gate(bundle, baseline)
    assert caught.value.exit_code == 3


def test_3_an_edited_baseline_is_refused(bundle: Path, baseline: Path) -> None:
    raw = read_json(baseline)
    raw["verify"]["rows"][0]["psnr_db"]["mean"] -= 10
    write_json(baseline, raw)
    with pytest.raises(InputError, match="take it from version control again"):
        gate(bundle, baseline)
    _cut(baseline)
    with pytest.raises(InputError, match="not valid JSON"):
        gate(bundle, baseline)


def test_3_no_bundle_and_a_foreign_schema_are_refused(
    bundle: Path, baseline: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="is not a bundle"):
        gate(tmp_path / "nowhere", baseline)
    write_json(baseline, read_json(baseline) | {"schema_version": 9})
    with pytest.raises(InputError, match="schema_version 9"):
        gate(bundle, baseline)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[accuracy.int8]\nmin_psnr_mean = 30\n", "perhaps you meant 'min_psnr_mean_db'"),
        ("[accuracy.int9]\nmin_psnr_mean_db = 30\n", "perhaps you meant 'int8'"),
        ("[acuracy.int8]\nmin_psnr_mean_db = 30\n", "perhaps you meant 'accuracy'"),
        ("[speed.min_ratio.lite_rt]\nint8 = 1\n", "perhaps you meant 'litert'"),
        ("[speed.min_ratio.litert]\nint_8 = 1\n", "perhaps you meant 'int8'"),
        ("[speed]\nmin_sample = 4\n", "perhaps you meant 'min_samples'"),
        ("[size]\nmax_files_rise = 4\n", "perhaps you meant 'max_file_rise'"),
        ("[accuracy_baseline]\nmax_ssim_fall = 4\n", "perhaps you meant 'max_ssim_mean_fall'"),
        ("[speed]\nmin_samples = 1\n", "speed.min_samples: .* found 1"),
        ("[size]\nmax_file_rise = nan\n", "size.max_file_rise"),
        ("[accuracy.int8]\nmin_psnr_mean_db = true\n", "min_psnr_mean_db: .* found True"),
        ("[accuracy.int8]\nmin_psnr_mean_db = '40'\n", "min_psnr_mean_db: .* found '40'"),
        ("[speed]\nmin_samples = 4.0\n", "min_samples: .* found 4.0"),
        (
            "[speed]\nmin_samples = 99999999999999999999\n",
            "min_samples: an integer of more than 64 bits",
        ),
        ("[speed\n", "not valid TOML"),
    ],
)
def test_2_rules_that_can_not_be_used_are_refused_with_a_suggestion(text: str, match: str) -> None:
    with pytest.raises(RecipeError, match=match) as caught:
        parse_rules(b"schema_version = 1\n" + text.encode(), "rules.toml")
    assert caught.value.exit_code == 2


def test_2_rules_without_their_schema_version_are_refused() -> None:
    with pytest.raises(RecipeError, match="schema_version"):
        parse_rules(b"[speed]\nmin_samples = 4\n", "rules.toml")
    for version in (b"true", b"1.0", b"2", b"'1'"):
        with pytest.raises(RecipeError, match="schema_version"):
            parse_rules(b"schema_version = " + version, "rules.toml")


def test_the_rules_of_the_benchmarks_folder_are_nowhere_laxer_than_the_packaged_ones() -> None:
    assert load_rules(None) == load_rules(ROOT / "iast_export" / "data" / "default_rules.toml")
    packaged, own = (
        _limits(load_rules(path)) for path in (None, ROOT / "benchmarks" / "rules.toml")
    )
    missing = {name for name in packaged if name not in own}
    laxer = {
        name
        for name, limit in packaged.items()
        if name not in missing and (own[name] < limit if ".min_" in name else own[name] > limit)
    }
    assert packaged and (missing, laxer) == (set(), set())


def _limits(rules: Rules) -> dict[str, float]:
    """Every limit that rules set, by its place in the file."""
    found: dict[str, float] = {}
    tables: list[tuple[str, object]] = [("", rules.model_dump())]
    while tables:
        place, value = tables.pop()
        if isinstance(value, dict):
            tables += [(f"{place}.{key}", inner) for key, inner in value.items()]
        elif isinstance(value, float):
            found[place] = value
    return found


def test_a_baseline_is_not_made_from_an_altered_bundle(bundle: Path, tmp_path: Path) -> None:
    (bundle / "models" / "litert-int8.bin").write_bytes(b"other")
    with pytest.raises(InputError, match=r"can't become a baseline: file: models/litert-int8.bin"):
        make_baseline(bundle, tmp_path / "b.json")
    assert not (tmp_path / "b.json").exists()


def test_a_baseline_is_the_same_for_the_same_bundle(
    bundle: Path, baseline: Path, tmp_path: Path
) -> None:
    make_baseline(bundle, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == baseline.read_bytes()
    with pytest.raises(CannotJudgeError, match="--write-baseline"):
        load_baseline(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("codes", "wanted"),
    [((), 7), ((0,), 0), ((7, 0), 7), ((6, 7), 6), ((7, 6, 5), 5), ((6, 5, 3, 7, 0), 3)],
)
def test_of_several_failures_the_strongest_decides(codes: tuple[int, ...], wanted: int) -> None:
    made = {
        0: ("speed", "pass"),
        3: ("integrity", "fail"),
        5: ("accuracy", "fail"),
        6: ("size", "fail"),
        7: ("accuracy", "cannot judge"),
    }
    checks = [
        Check.model_validate(
            {"name": "x", "kind": made[c][0], "outcome": made[c][1], "measured": "", "rule": ""}
        )
        for c in codes
    ]
    assert Verdict(bundle="b", checks=tuple(checks)).exit_code == wanted


def test_the_gate_loads_no_torch_no_runtime_and_no_page() -> None:
    """It parses models and never runs them, and is as quick to start as that allows."""
    heavy = ("torch", "onnxruntime", "cv2", "jinja2", "skimage", "matplotlib")
    code = (
        f"import sys, iast_export.gate, iast_export.pages; sys.exit(bool(set({heavy}) & "
        "set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    code = (
        "import sys, iast_export.pages; iast_export.pages.write_html; sys.exit('torch' in "
        "sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
