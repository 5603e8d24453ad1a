"""The table of installs: a line per environment, every extra tried, no bundle no table."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from benchmarks.install import _RECIPE, _RULES, _VERBS, Row, main, markdown
from iast_export.checking import check_files

ROOT = Path(__file__).resolve().parents[2]


def test_every_extra_that_users_install_is_tried() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(declared["optional-dependencies"]) - {"dev", "docs", "faces", "train"}
    assert set(_VERBS) == {"", *extras}


def test_the_recipe_and_the_rules_of_the_trial_can_be_used(tmp_path: Path) -> None:
    for name, text in (("recipe.toml", _RECIPE), ("rules.toml", _RULES)):
        (tmp_path / name).write_text(text)
    checked = check_files([tmp_path / "recipe.toml", tmp_path / "rules.toml"])
    assert [(one.kind, one.exit_code) for one in checked] == [("recipe", 0), ("rules", 0)]


def test_a_verb_that_failed_stands_in_its_line() -> None:
    row = Row("3.12.1", "base", 9.7, 12, 141.2, {"iast-export doctor": "exit 1"})
    assert markdown(row) == "| 3.12.1 | base | 10 | 12 | 141 | iast-export doctor |"


def test_a_folder_that_is_no_bundle_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 3
    assert "build one first" in capsys.readouterr().err
