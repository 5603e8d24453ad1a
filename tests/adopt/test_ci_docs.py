"""docs/ci.md: every command that needs no network runs, and what it shows to copy is taken."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from iast_export.checking import check_files
from tests.ci_steps import ROOT, Machine, load
from tests.gate_cases import make_bundle

PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
# They reach other machines; the build's bundle is there already.
ELSEWHERE = ("git ", "pip ", "iast-export build ")


def blocks(language: str) -> list[str]:
    return [text for kind, text in BLOCKS if kind == language]


def commands() -> list[tuple[str, int]]:
    """Every command in the page's order, and the exit code that it is said to end with."""
    lines = [line for text in blocks("sh") for line in text.splitlines()]
    found = [re.fullmatch(r"(.+?)(?:\s+# exit (\d))?", line) for line in lines]
    return [(one[1], int(one[2] or 0)) for one in found if one and not one[1].startswith(ELSEWHERE)]


def test_every_command_ends_as_the_page_says(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    python = shlex.quote(sys.executable)
    options = "-p iast_export.pytest_plugin -p no:cacheprovider -p no:anyio"
    machine.stand_in("pytest", f'exec {python} -m pytest {options} "$@"')
    for name in ("bundle", "main-bundle"):
        (machine.work / name).mkdir()
        make_bundle(machine.work / name)
    (machine.work / "rules.toml").write_text(blocks("toml")[0])
    told = commands()
    assert len(told) > 10 and {code for _, code in told} == {0, 1, 5, 7}
    for command, code in told:
        done = machine.sh(["bash", "-c", command], {})
        assert done.returncode == code, (command, done.stdout[-2000:], done.stderr)


@pytest.mark.parametrize("rules", blocks("toml"))
def test_the_rules_shown_can_be_used(rules: str, tmp_path: Path) -> None:
    path = tmp_path / "shown.toml"
    path.write_text(rules if "schema_version" in rules else f"schema_version = 1\n{rules}")
    assert [(one.kind, one.exit_code) for one in check_files([path])] == [("rules", 0)]


def test_the_files_shown_use_only_what_is_there() -> None:
    action = load("action.yml")["inputs"]
    called = load(".github/workflows/gate.yml")[True]["workflow_call"]["inputs"]
    job = load("ci/gitlab.yml")[".iast-export-gate"]
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    seen = set()
    for shown in (found for text in blocks("yaml") for found in _tables(yaml.safe_load(text))):
        if str(shown.get("uses", "")).startswith("OWNER/iast-export"):
            known = called if ".github" in shown["uses"] else action
            needed = {name for name, about in known.items() if about.get("required")}
            assert needed <= set(shown["with"]) <= set(known), shown
            seen.add("workflow" if known is called else "action")
        if shown.get("extends") == ".iast-export-gate":
            assert set(shown["variables"]) <= set(job["variables"])
            seen.add("gitlab")
        if str(shown.get("id", "")).startswith("iast-"):
            assert shown["id"] in [hook["id"] for hook in hooks]
            seen.add("hook")
    assert seen == {"workflow", "action", "gitlab", "hook"}


def _tables(value: Any) -> list[dict[Any, Any]]:
    """Every table in a YAML value, at any depth."""
    if isinstance(value, dict):
        return [value, *_tables(list(value.values()))]
    return [table for one in value for table in _tables(one)] if isinstance(value, list) else []


def test_the_test_shown_passes_on_a_real_bundle(small_bundle: Path, tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    (test,) = blocks("python")
    (machine.work / "test_shown.py").write_text(test)
    options = ["-p", "iast_export.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:anyio"]
    command = [sys.executable, "-m", "pytest", *options, "-q", "-m", "not iast_gate"]
    done = machine.sh([*command, "--iast-bundle", str(small_bundle)], {})
    assert done.returncode == 0, done.stdout
