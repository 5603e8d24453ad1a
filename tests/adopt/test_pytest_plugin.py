"""The gate inside pytest: a test per check, failing with its remedy; fixtures."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from iast_export.gate import gate, make_baseline
from iast_export.stylize import stylize as _stylize  # noqa: F401 - or each inner run loads it anew
from tests.gate_cases import alter, make_bundle, row_of

pytest_plugins = ["pytester"]

PLUGIN = "iast_export.pytest_plugin"
ROOT = Path(__file__).resolve().parents[2]
RULES = "schema_version = 1\n[accuracy.int8]\nmin_psnr_mean_db = 38.0\n"
ONE_TEST = "def test_theirs():\n    pass\n"
PSNR = "iast-gate::psnr mean: litert int8 d2-256px"


@pytest.fixture
def folder(pytester: pytest.Pytester) -> Path:
    """Another project: a bundle in `b`, its baseline and rules."""
    (pytester.path / "b").mkdir()
    make_bundle(pytester.path / "b")
    make_baseline(pytester.path / "b", pytester.path / "baseline.json")
    (pytester.path / "rules.toml").write_text(RULES)
    return pytester.path


def run(pytester: pytest.Pytester, *options: str, plugin: str = PLUGIN) -> pytest.RunResult:
    quiet = ("-p", "no:anyio", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "error")
    return pytester.runpytest_inprocess("-p", plugin, *quiet, *options)


def judged(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    given = ("--iast-bundle", "b", "--iast-rules", "rules.toml", "--iast-baseline", "baseline.json")
    return run(pytester, *given, *options)


def test_a_good_bundle_is_a_passing_test_per_check(pytester: pytest.Pytester, folder: Path) -> None:
    checks = gate(folder / "b", folder / "baseline.json", folder / "rules.toml").checks
    result = judged(pytester, "-v")
    result.assert_outcomes(passed=len(checks))
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [f"*collected {len(checks)} items", f"{PSNR} PASSED*", "small: pass (exit 0)*"]
    )
    assert "iast-gate::coverage: verify.json PASSED" in result.stdout.str()
    for precision in ("int8", "fp16"):
        assert any(f"litert {precision} d2-256px" in check.name for check in checks)


def test_a_worse_lane_fails_its_own_test_with_value_rule_and_remedy(
    pytester: pytest.Pytester, folder: Path
) -> None:
    (folder / "rules.toml").write_text(RULES.replace("38.0", "40.05"))
    result = judged(pytester)
    assert result.ret == 1
    text = result.stdout.str()
    assert "accuracy (exit 5): measured 40 dB, needed at least 40.05 dB" in text
    assert "→ try another calibration method or set" in text
    failed = [line for line in text.splitlines() if line.startswith("FAILED")]
    assert failed and all("psnr mean: onnxruntime int8" in line for line in failed)


def test_what_cannot_be_judged_fails_and_says_so(pytester: pytest.Pytester, folder: Path) -> None:
    result = run(pytester, "--iast-bundle", "b", "--iast-rules", "rules.toml")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*cannot judge (exit 7): measured no baseline was given*"])
    result.stdout.fnmatch_lines(["*→ give --baseline FILE (pytest: --iast-baseline FILE) or *"])


def test_an_altered_report_fails_as_altered(pytester: pytest.Pytester, folder: Path) -> None:
    row = row_of(folder / "b", "verify", "litert", "int8")
    alter(folder / "b", "verify", row, psnr_db__mean=60.0)
    result = judged(pytester)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*integrity (exit 3): *psnr_db.mean is 60, the raw values give*"])


def test_checks_come_behind_the_projects_own_tests_and_are_chosen_by_k_and_m(
    pytester: pytest.Pytester, folder: Path
) -> None:
    pytester.makepyfile(test_own=ONE_TEST)
    checks = len(gate(folder / "b", folder / "baseline.json", folder / "rules.toml").checks)
    judged(pytester).assert_outcomes(passed=checks + 1)
    judged(pytester, "-m", "not iast_gate").assert_outcomes(passed=1, deselected=checks)
    marked = judged(pytester, "-m", "iast_gate", "--strict-markers")
    marked.assert_outcomes(passed=checks, deselected=1)
    found = judged(pytester, "-k", "psnr and litert and d1").parseoutcomes()
    assert found["passed"] == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--iast-bundle", "nowhere"), "nowhere is not a bundle"),
        (("--iast-bundle", "b", "--iast-rules", "none.toml"), "none.toml is missing"),
        (("--iast-bundle", "b", "--iast-rules", "typo.toml"), "perhaps you meant 'accuracy'"),
        (("--iast-rules", "rules.toml"), "--iast-rules needs a bundle"),
        (("--iast-baseline", "baseline.json"), "→ add --iast-bundle DIR"),
        (("--iast-bundle", ""), "--iast-bundle: a path is needed"),
    ],
)
def test_what_cannot_be_used_ends_the_run_with_its_remedy(
    options: tuple[str, ...], says: str, pytester: pytest.Pytester, folder: Path
) -> None:
    (folder / "typo.toml").write_text(RULES.replace("accuracy", "acuracy"))
    result = run(pytester, *options)
    assert result.ret in (pytest.ExitCode.INTERRUPTED, pytest.ExitCode.USAGE_ERROR)
    assert says in result.stdout.str() + result.stderr.str()


def test_the_junit_file_holds_the_measured_value(pytester: pytest.Pytester, folder: Path) -> None:
    assert judged(pytester, "--junitxml=out.xml").ret == 0
    text = (folder / "out.xml").read_text()
    assert 'name="measured" value="40.1 dB"' in text and 'value="at least 38 dB"' in text


def test_the_fixture_opens_the_bundle(pytester: pytest.Pytester, folder: Path) -> None:
    pytester.makepyfile(
        """
        def test_theirs(iast_bundle):
            assert iast_bundle.path.is_absolute() and (iast_bundle.path / "manifest.json").is_file()
            assert [style.id for style in iast_bundle.manifest.styles] == ["ink"]
        """
    )
    run(pytester, "--iast-bundle", "b", "-m", "not iast_gate").assert_outcomes(
        passed=1, deselected=len(gate(folder / "b", None).checks)
    )
    without = run(pytester)
    without.assert_outcomes(errors=1)
    without.stdout.fnmatch_lines(["*this test needs a bundle*", "*→ add --iast-bundle DIR"])


def test_the_fixture_stylizes(pytester: pytest.Pytester, small_bundle: Path) -> None:
    pytester.makepyfile(
        """
        import numpy as np
        import pytest
        from iast_export.errors import UsageError

        def test_theirs(stylize, iast_bundle):
            rgb = np.full((48, 40, 3), 120, np.uint8)
            style = iast_bundle.manifest.styles[0].id
            first = stylize(rgb, style, runtime="onnxruntime", precision="fp32")
            again = stylize(rgb, style, runtime="onnxruntime", precision="fp32")
            assert first.shape == rgb.shape and first.dtype == np.uint8
            assert np.array_equal(first, again) and len(iast_bundle._engines) == 1
            with pytest.raises(UsageError, match="outside 0..1"):
                stylize(rgb, style, strength=2.0)
            with pytest.raises(UsageError, match="neither a style"):
                stylize(rgb, "nothing")
            for wrong in (rgb / 255, rgb[:, :, 0], rgb[:, :, :2]):
                with pytest.raises(UsageError, match="a picture is uint8"):
                    stylize(wrong, style)
        """
    )
    result = run(pytester, "--iast-bundle", str(small_bundle), "-m", "not iast_gate")
    assert result.parseoutcomes()["passed"] == 1, result.stdout.str()


def test_without_options_nothing_is_added_to_a_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_theirs(pytestconfig):
            assert not pytestconfig.pluginmanager.has_plugin("iast_export.gate_run")
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_loading_the_plugin_loads_nothing_else_of_the_package() -> None:
    code = (
        f"import sys, pytest; before = set(sys.modules); import {PLUGIN}\n"
        "print(*sorted(n for n in set(sys.modules) - before if not n.startswith('_')))"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.split() == ["iast_export", PLUGIN]


def test_the_wheel_declares_the_plugin_under_its_modules_name() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    assert declared == {"pytest11": {PLUGIN: PLUGIN}}
    assert import_module(PLUGIN)
