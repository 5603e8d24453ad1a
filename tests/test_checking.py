"""`check`: hand-written files are told apart by content and judged, all of them, before a build."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from iast_export.checking import KINDS, check_files, exit_code, kind_of
from iast_export.cli.main import run
from iast_export.errors import RecipeError
from iast_export.files.artifacts import sets_dir

DATA = Path(str(resources.files("iast_export") / "data"))
PACKAGED = {
    "recipe": DATA / "default_recipe.toml",
    "rules": DATA / "default_rules.toml",
    "set": sets_dir() / "evaluation.toml",
}


def test_the_packaged_files_are_usable_and_told_apart() -> None:
    found = check_files([PACKAGED[kind] for kind in KINDS])
    assert [(one.kind, one.exit_code) for one in found] == [(kind, 0) for kind in KINDS]


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("[calibraton]\n[verify]", "recipe", "unknown key 'calibraton'"),
        ('[calibration]\nmethod = "best"', "recipe", "found 'best'"),
        ("schema_version = 1\n[acuracy.int8]", "rules", "unknown key 'acuracy'"),
        ("schema_version = 1", "rules", "sets no limit"),
        ("schema_version = 2\n[size]\nmax_file_rise = 0.1", "rules", "schema_version"),
        ("images = []", "set", "images: Tuple should have at least 1 item"),
        ('[[images]]\nid = "a"', "set", "images.0.sha256: it is missing"),
        ("[calibration", None, "not valid TOML"),
        ('name = "iast"', None, "It holds name"),
        ("", None, "It holds no key"),
        ("tiers = []\nimages = []", None, "a recipe, rules or a set?"),
        ("[tool.other]\na = 1", None, "It holds tool"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_fault(
    text: str, kind: str | None, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.toml"
    path.write_text(text)
    (one,) = check_files([path])
    assert (one.kind, one.exit_code) == (kind, 2)
    assert says in one.message and one.remedy


def test_a_bad_file_does_not_hide_the_others(tmp_path: Path) -> None:
    bad, missing = tmp_path / "bad.toml", tmp_path / "none.toml"
    bad.write_text("[tier]")
    found = check_files([missing, bad, PACKAGED["rules"]])
    assert [one.exit_code for one in found] == [3, 2, 0]
    assert exit_code(found) == 3 and exit_code(found[1:]) == 2 and exit_code(found[2:]) == 0


def test_what_it_must_be_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "plain.toml"
    path.write_text('name = "mine"')
    assert check_files([path], "recipe")[0].exit_code == 0
    assert "unknown key 'name'" in check_files([path], "rules")[0].message
    with pytest.raises(RecipeError, match="say which with --as"):
        kind_of(path.read_bytes(), "plain.toml")


def test_the_command_tells_all_and_ends_with_the_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[[tiers]]\ndepht = 1")
    good = str(PACKAGED["recipe"])
    assert run(["check", good]) == 0
    assert capsys.readouterr().out.strip().endswith("can be used (recipe)")
    assert run(["check", str(bad), good]) == 2
    said = capsys.readouterr()
    assert "perhaps you meant 'depth'" in said.err and "can be used (recipe)" in said.out
    assert run(["check", "--json", str(bad), good]) == 2
    rows = json.loads(capsys.readouterr().out)
    assert [(row["kind"], row["exit_code"]) for row in rows] == [("recipe", 2), ("recipe", 0)]
    assert run(["check"]) == 2 and run(["check", str(tmp_path / "none.toml")]) == 3
