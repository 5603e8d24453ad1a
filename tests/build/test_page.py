"""The page with its verdict, and the command line that a bundle was built by."""

from __future__ import annotations

from pathlib import Path

import pytest

from iast_export.build.gallery import command_line
from iast_export.build.page import write_page
from iast_export.build.request import Request
from iast_export.cli.main import run
from iast_export.gate import judge_alone, make_baseline
from iast_export.recipe import load_recipe
from tests.gate_cases import alter, fidelity, make_bundle, row_of


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    return make_bundle(folder)


def test_a_bundle_without_a_baseline_is_judged_by_rules_alone(bundle: Path) -> None:
    verdict = judge_alone(bundle)
    assert verdict.passed and "rules alone" in verdict.notes[-1]
    assert "baseline" not in {check.name for check in verdict.checks}
    page = write_page(bundle).read_text()
    assert "pass (exit 0)" in page and "judged by rules alone" in page


def test_a_lane_below_the_rules_fails_on_the_page(bundle: Path) -> None:
    place = row_of(bundle, "verify", "litert", "int8")
    alter(bundle, "verify", place, **fidelity([20.0] * 3, 0.98))
    page = write_page(bundle).read_text()
    assert 'class="verdict fail"' in page and "accuracy below the rule (exit 5)" in page


def test_the_verb_writes_the_page_with_a_bundle_beside_it(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "before").mkdir()
    before = make_bundle(tmp_path / "before")
    make_baseline(before, tmp_path / "b.json")
    out, options = tmp_path / "page.html", ["--baseline", str(tmp_path / "b.json")]
    line = ["report", str(bundle), "--against", str(before), *options, "--out", str(out)]
    assert run(line) == 0
    assert f"report  {out}" in capsys.readouterr().out.replace("\n", "")
    page = out.read_text()
    assert "Beside before" in page and "rules alone" not in page


def test_the_page_takes_the_place_of_no_file_of_a_bundle(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = bundle / "manifest.json"
    assert run(["report", str(bundle), "--out", str(manifest)]) == 2
    assert manifest.read_bytes().startswith(b"{")


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    assert run(["report", str(tmp_path)]) == 3
    (tmp_path / "bundle").mkdir()
    bundle = make_bundle(tmp_path / "bundle")
    assert run(["report", str(bundle), "--against", str(tmp_path)]) == 3


def test_a_command_is_told_as_a_shell_takes_it(tmp_path: Path) -> None:
    recipe = load_recipe(None)
    assert command_line(Request(Path("dist/demo"), recipe)) == "iast-export build --out dist/demo"
    request = Request(
        Path("my bundle"),
        recipe,
        network="my_net:factory",
        checkpoint=Path("w.pt"),
        calibration="photos/",
        styles=Path("art"),
        recipe_file=Path("r.toml"),
    )
    assert command_line(request) == (
        "iast-export build w.pt --network my_net:factory --recipe r.toml --calibration photos/ "
        "--styles art --out 'my bundle'"
    )
