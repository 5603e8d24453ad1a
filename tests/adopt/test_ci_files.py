"""The files that others copy or include: their own shell steps run here, on a small bundle."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from iast_export.cli.main import app
from iast_export.gate import make_baseline
from tests.ci_steps import ROOT, Machine, load
from tests.gate_cases import make_bundle

ACTION = "action.yml"
WORKFLOW = ".github/workflows/gate.yml"
RULES = "schema_version = 1\n[accuracy.int8]\nmin_psnr_mean_db = 38.0\n"
WORSE = RULES.replace("38.0", "40.05")
GOOD = {"bundle": "b", "baseline": "baseline.json", "rules": "rules.toml"}
STEPS: list[dict[str, Any]] = load(ACTION)["runs"]["steps"]
GITLAB = load("ci/gitlab.yml")[".iast-export-gate"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A clean folder with a bundle, its baseline and rules that it passes."""
    machine = Machine(tmp_path / "machine")
    (machine.work / "b").mkdir()
    make_bundle(machine.work / "b")
    make_baseline(machine.work / "b", machine.work / "baseline.json")
    (machine.work / "rules.toml").write_text(RULES)
    machine.stand_in("python", 'printf "%s\\n" "$@" >"$HOME/python.txt"')
    return machine


def act(machine: Machine, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The whole action with these inputs; ends, as a job does, with the first step that fails."""
    declared = load(ACTION)["inputs"]
    given = {name.replace("_", "-"): text for name, text in inputs.items()}
    assert set(given) <= set(declared)
    values = {name: given.get(name, about.get("default", "")) for name, about in declared.items()}
    machine.values |= {f"inputs.{name}": text for name, text in values.items()}
    github = {
        "action_path": "/tool",
        "server_url": "https://ci",
        "repository": "a/b",
        "run_id": "7",
    }
    machine.values |= {f"github.{name}": text for name, text in github.items()}
    done = None
    for step in STEPS:
        if "run" in step and machine.is_due(step):
            done = machine.step(step)
            if done.returncode:
                break
    assert done is not None
    return done


# --- the action ---------------------------------------------------------------------------------


def test_a_good_bundle_passes_with_summary_junit_and_comment(machine: Machine) -> None:
    done = act(machine, **GOOD)
    assert done.returncode == 0, done.stderr
    assert machine.values["steps.gate.outputs.exit-code"] == "0"
    summary = machine.summary.read_text(encoding="utf-8")
    assert summary.startswith("## ✅ small: pass") and "<details>" in summary
    junit = ElementTree.parse(machine.work / machine.values["steps.gate.outputs.junit"])
    assert len(junit.findall(".//testcase")) > 50 and not junit.findall(".//failure")
    comment = (machine.work / machine.values["steps.gate.outputs.comment"]).read_text(
        encoding="utf-8"
    )
    assert comment.startswith("<!-- iast-export gate -->\n## ✅") and "<details>" not in comment
    assert comment.endswith("[All checks](https://ci/a/b/actions/runs/7)\n")


def test_a_worse_bundle_fails_with_the_gates_code_and_the_remedy(machine: Machine) -> None:
    (machine.work / "rules.toml").write_text(WORSE)
    assert act(machine, **GOOD).returncode == 5
    comment = (machine.work / "iast-gate" / "comment.md").read_text(encoding="utf-8")
    assert "**fail**" in comment and "another calibration method" in comment
    assert ElementTree.parse(machine.work / "iast-gate" / "gate.xml").findall(".//failure")


def test_without_a_baseline_it_cannot_judge_and_fails(machine: Machine) -> None:
    assert act(machine, bundle="b").returncode == 7
    assert "can't judge" in machine.summary.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("inputs", "code", "says"),
    [
        ({**GOOD, "bundle": "nowhere"}, 3, "nowhere is not a bundle"),
        ({**GOOD, "rules": "none.toml"}, 3, "none.toml is missing"),
        ({**GOOD, "bundle": "--help"}, 3, "is not a bundle"),
        ({**GOOD, "bundle": "$(touch made); `touch made`"}, 3, "is not a bundle"),
    ],
)
def test_no_verdict_fails_and_the_summary_says_why(
    inputs: dict[str, str], code: int, says: str, machine: Machine
) -> None:
    done = act(machine, **inputs)
    assert done.returncode == code
    summary = machine.summary.read_text(encoding="utf-8")
    assert f"no verdict (exit {code})" in summary and says in summary and "→" in summary
    assert machine.values["steps.gate.outputs.junit"] == ""
    assert not (machine.work / "made").exists()


def test_a_gate_that_says_nothing_is_no_pass(machine: Machine) -> None:
    machine.stand_in("iast-export", "exit 0")
    assert act(machine, **GOOD).returncode == 1


def test_a_long_verdict_still_fits_a_comment(machine: Machine) -> None:
    rows = 'while [ $# -gt 1 ]; do [ "$1" = --markdown ] && out=$2; shift; done; '
    machine.stand_in("iast-export", rows + "seq 1 20000 | sed 's/$/ worse/' >\"$out\"; exit 6")
    assert act(machine, **GOOD).returncode == 6
    comment = (machine.work / "iast-gate" / "comment.md").read_text(encoding="utf-8")
    assert 50_000 < len(comment) < 65_536 and "[All checks]" in comment


def test_results_of_somebody_else_are_not_replaced(machine: Machine) -> None:
    (machine.work / "iast-gate").mkdir()
    done = act(machine, **GOOD)
    assert done.returncode == 2 and "give the input results a new folder" in done.stderr
    assert act(machine, **GOOD, results="out/new").returncode == 0


def test_the_bundle_is_built_first_where_a_command_is_given(machine: Machine) -> None:
    assert act(machine, **{**GOOD, "bundle": "made"}, build="mv b made").returncode == 0
    assert act(machine, **GOOD, build="(exit 4) | cat; mv made b").returncode == 4
    assert (machine.work / "made").is_dir()


def test_a_base_bundle_is_compared_with_and_needs_no_baseline(machine: Machine) -> None:
    shutil.copytree(machine.work / "b", machine.work / "base")
    given = {"bundle": "b", "rules": "rules.toml", "base_bundle": "base"}
    assert act(machine, **given).returncode == 0
    junit = ElementTree.parse(machine.work / "iast-gate" / "gate.xml")
    assert "compare" in ElementTree.tostring(junit.getroot(), "unicode")
    assert (machine.work / "iast-gate" / "comparison.json").is_file()


def test_a_base_bundle_that_holds_more_fails_the_job_with_the_comparisons_code(
    machine: Machine,
) -> None:
    shutil.copytree(machine.work / "b", machine.work / "base")
    manifest = machine.work / "base" / "manifest.json"
    said = json.loads(manifest.read_text())
    said["styles"].append({**said["styles"][0], "id": "another"})
    manifest.write_text(json.dumps(said))
    assert act(machine, bundle="b", rules="rules.toml", base_bundle="base").returncode == 7
    assert "style another" in machine.summary.read_text(encoding="utf-8")


def test_a_base_bundle_that_is_not_there_is_no_verdict(machine: Machine) -> None:
    assert act(machine, bundle="b", base_bundle="nowhere").returncode == 3
    summary = machine.summary.read_text(encoding="utf-8")
    assert "no verdict (exit 3)" in summary and "nowhere" in summary


def test_the_time_of_a_comparison_and_the_rules_reach_it(machine: Machine) -> None:
    machine.stand_in("iast-export", 'echo "$@" >>"$HOME/asked.txt"; exit 7')
    act(machine, **GOOD, base_bundle="base", compare_minutes="3")
    (asked,) = (machine.home / "asked.txt").read_text().splitlines()
    wanted = "compare --out iast-gate/comparison.json --minutes 3 --rules rules.toml -- base b"
    assert asked == wanted


@pytest.mark.parametrize(
    ("inputs", "wanted"),
    [
        ({}, "/tool"),
        ({"base_bundle": "base"}, "/tool[run]"),
        ({"base_bundle": "base", "public_key": "key.pem"}, "/tool[run,sign]"),
        ({"base_bundle": "base", "build": "true"}, "/tool[build]"),
        ({"build": "true"}, "/tool[build]"),
        ({"public_key": "key.pem"}, "/tool[sign]"),
        ({"build": "true", "public_key": "key.pem"}, "/tool[build,sign]"),
        ({"build": "true", "extras": "train"}, "/tool[train]"),
    ],
)
def test_what_is_installed_follows_from_the_inputs(
    inputs: dict[str, str], wanted: str, machine: Machine
) -> None:
    machine.stand_in("iast-export", "exit 0")
    act(machine, bundle="b", **inputs)
    asked = (machine.home / "python.txt").read_text().splitlines()
    assert asked[:3] == ["-m", "pip", "install"] and asked[-1] == wanted
    assert asked[asked.index("-c") + 1] == "/tool/constraints.txt"


def test_no_input_is_text_of_a_script_and_every_input_is_used() -> None:
    for step in [*STEPS, *load(WORKFLOW)["jobs"]["gate"]["steps"]]:
        assert "${{" not in step.get("run", "")
        assert re.search(r"^(\./|actions/[\w-]+@v\d+$)", step.get("uses", "./")), step
    for name in (ACTION, WORKFLOW):
        text, raw = (ROOT / name).read_text(), load(name)
        declared = raw["inputs"] if name == ACTION else raw[True]["workflow_call"]["inputs"]
        assert set(re.findall(r"\binputs\.([\w-]+)", text)) == set(declared), name
        assert all(about["description"] for about in declared.values())
    for step in STEPS:
        assert "uses" in step or step["shell"] == "bash"


SCHEMAS = {
    ACTION: "vendor.github-actions",
    WORKFLOW: "vendor.github-workflows",
    ".github/workflows/ci.yml": "vendor.github-workflows",
    "ci/gitlab.yml": "vendor.gitlab-ci",
}


def follows(schema: str, path: Path) -> subprocess.CompletedProcess[str]:
    """check-jsonschema's judgment by a schema that it carries; nothing is fetched."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_file_follows_the_services_schema(name: str) -> None:
    done = follows(SCHEMAS[name], ROOT / name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_refuses_what_the_service_would(tmp_path: Path) -> None:
    path = tmp_path / "action.yml"
    path.write_text((ROOT / ACTION).read_text().replace("using: composite", "using: compose"))
    done = follows(SCHEMAS[ACTION], path)
    assert done.returncode == 1 and "runs" in done.stdout


# --- the reusable workflow ---------------------------------------------------------------------


def test_the_workflow_gives_the_action_only_what_it_takes() -> None:
    job = load(WORKFLOW)["jobs"]["gate"]
    (step,) = (step for step in job["steps"] if step.get("uses") == "./.iast-export")
    declared = load(ACTION)["inputs"]
    assert set(step["with"]) <= set(declared) and step["with"]["bundle"] == "${{ inputs.bundle }}"
    assert all(text == f"${{{{ inputs.{name} }}}}" for name, text in step["with"].items())
    put_out = re.findall(r"steps\.gate\.outputs\.([\w-]+)", (ROOT / WORKFLOW).read_text())
    assert set(put_out) <= set(load(ACTION)["outputs"])


@pytest.mark.parametrize(
    ("own", "asked"),
    [("", "POST repos/a/b/issues/5/comments"), ("31\n32", "PATCH repos/a/b/issues/comments/31")],
)
def test_the_comment_is_written_once_and_then_rewritten(
    own: str, asked: str, machine: Machine
) -> None:
    job = load(WORKFLOW)["jobs"]["gate"]
    (step,) = (step for step in job["steps"] if step.get("name") == "comment")
    log = 'for last; do :; done; case "$*" in *--paginate*) printf "%s" "$OWN";; *) method=$4; '
    machine.stand_in("gh", log + 'echo "$method $last $6" >>"$HOME/gh.txt";; esac')
    step = {**step, "env": {**step["env"], "OWN": own}}
    machine.values |= {
        "github.token": "t",
        "github.event.pull_request.number": "5",
        "github.repository": "a/b",
        "steps.gate.outputs.comment": "out/comment.md",
    }
    done = machine.step(step)
    assert done.returncode == 0, done.stderr
    assert (machine.home / "gh.txt").read_text() == f"{asked} body=@out/comment.md\n"


# --- GitLab -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rules", "code"), [(RULES, 0), (WORSE, 5)])
def test_the_gitlab_job_judges_and_keeps_its_files(rules: str, code: int, machine: Machine) -> None:
    (machine.work / "rules.toml").write_text(rules)
    variables = {
        "IAST_SOURCE": "git+https://host/group/iast-export@v0",
        "IAST_EXTRAS": "build",
        "IAST_BUILD": "mv b made",
        "IAST_BUNDLE": "made",
        "IAST_BASELINE": "baseline.json",
        "IAST_RULES": "rules.toml",
    }
    done = gitlab(machine, variables)
    assert done.returncode == code, done.stderr
    wanted = "iast-export[build] @ git+https://host/group/iast-export@v0"
    assert (machine.home / "python.txt").read_text().splitlines()[-1] == wanted
    junit = GITLAB["artifacts"]["reports"]["junit"].replace("$IAST_RESULTS", "iast-gate")
    assert ElementTree.parse(machine.work / junit).findall(".//testcase")
    assert GITLAB["artifacts"]["when"] == "always"


def test_the_gitlab_job_compares_with_a_base_bundle(machine: Machine) -> None:
    shutil.copytree(machine.work / "b", machine.work / "base")
    given = {"IAST_SOURCE": "x", "IAST_BUNDLE": "b", "IAST_RULES": "rules.toml"}
    done = gitlab(machine, {**given, "IAST_BASE_BUNDLE": "base"})
    assert done.returncode == 0, done.stderr
    assert (machine.work / "iast-gate" / "comparison.json").is_file()
    gone = gitlab(machine, {**given, "IAST_BASE_BUNDLE": "gone", "IAST_RESULTS": "other"})
    assert gone.returncode == 3 and not (machine.work / "other" / "gate.xml").exists()


def test_the_gitlab_job_asks_for_what_it_needs(machine: Machine) -> None:
    done = gitlab(machine, {"IAST_SOURCE": "x"})
    assert done.returncode == 2 and "set IAST_SOURCE and IAST_BUNDLE" in done.stderr
    failed = gitlab(machine, {"IAST_SOURCE": "x", "IAST_BUNDLE": "b", "IAST_BUILD": "exit 4; true"})
    assert failed.returncode == 4 and not (machine.work / "iast-gate").exists()


def gitlab(machine: Machine, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The job's lines in one shell, as GitLab's runner joins them: the first that fails ends it."""
    script = "\n".join([*GITLAB["before_script"], *GITLAB["script"]])
    return machine.sh(["sh", "-ec", script], {**GITLAB["variables"], **variables})


# --- pre-commit ---------------------------------------------------------------------------------


def test_every_hook_calls_a_verb_that_is_there_on_files_it_can_judge() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    names = {
        "recipe.toml": "iast-recipe",
        "ci/gate-rules.toml": "iast-rules",
        "a/my.recipe.toml": "iast-recipe",
    }
    for name in ("pyproject.toml", "rules.toml.txt", "recipes/other.toml", "myrules.toml", *names):
        taken = [hook["id"] for hook in hooks if re.search(hook["files"], name)]
        assert taken == ([names[name]] if name in names else []), name
    for hook in hooks:
        program, verb, *options = shlex.split(hook["entry"])
        assert program == "iast-export" and hook["language"] == "python"
        app.commands[verb].make_context(verb, [*options, "some.toml"]).close()
