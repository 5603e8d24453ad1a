"""The verbs: in the order of use, with examples that can be typed, quiet where asked, quick to
start."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from iast_export.build.pipeline import STAGE_NAMES
from iast_export.cli import console
from iast_export.cli.main import SECTIONS, app, run
from iast_export.cli.stages import STAGES
from iast_export.files.notes import note

ROOT = Path(__file__).resolve().parents[2]


def every(group: click.Group = app, *before: str) -> Iterator[tuple[str, click.Command]]:
    """All verbs by name, those of a group as `style list`."""
    for name, command in group.commands.items():
        words = (*before, name)
        yield " ".join(words), command
        if isinstance(command, click.Group):
            yield from every(command, *words)


VERBS = dict(every())
WORKING = {name: one for name, one in VERBS.items() if not isinstance(one, click.Group)}


def examples(command: click.Command) -> list[str]:
    """Command lines of ours in a help text."""
    lines = [line.strip() for line in (command.help or "").partition("Example:")[2].splitlines()]
    return [line for line in lines if line.startswith("iast-export ")]


def parse(line: str) -> str:
    """Reads a command line as a shell and the program would, without running it; the verb."""
    words = shlex.split(line, comments=True)[1:]
    words = words[: words.index(">")] if ">" in words else words
    context, command = click.Context(app, info_name="iast-export"), click.Command("")
    group: click.Group | None = app
    while group is not None:
        _, found, words = group.resolve_command(context, words)
        assert found is not None
        command, group = found, found if isinstance(found, click.Group) else None
        if group is not None:
            context = click.Context(group, context, info_name=group.name)
    made = command.make_context(command.name, words, parent=context)
    made.close()
    return made.command_path.removeprefix("iast-export ")


@pytest.mark.parametrize("verb", VERBS)
def test_every_example_of_a_verb_can_be_typed_and_one_is_of_the_verb_itself(verb: str) -> None:
    found = [parse(line) for line in examples(VERBS[verb])]
    assert any(one == verb or one.startswith(f"{verb} ") for one in found), found


def test_a_mistake_in_an_example_is_found() -> None:
    with pytest.raises(click.NoSuchOption):
        parse("iast-export gate dist/demo --baselin b.json")
    with pytest.raises(click.UsageError):
        parse("iast-export style ad dist/demo")


def test_the_examples_of_the_program_itself_can_be_typed() -> None:
    assert [parse(line) for line in examples(app)] == ["build", "stylize"]


def test_every_stage_of_the_pipeline_is_a_verb_in_its_order() -> None:
    assert tuple(STAGES) == tuple(STAGE_NAMES)


def test_help_lists_the_verbs_whole_and_in_the_order_of_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    listed = [line.split()[0] for line in said.splitlines() if line[2:3].isalpha()]
    wanted = [verb for section in SECTIONS.values() for verb in section]
    assert [word for word in listed if word in wanted] == wanted
    assert "..." not in said.replace("[ARGS]...", "") and "Exit codes:" in said


@pytest.mark.parametrize("verb", WORKING)
def test_a_bundles_folder_is_called_dir(verb: str) -> None:
    for param in WORKING[verb].params:
        if param.name == "folder" or (param.name == "out" and verb in ("build", *STAGES)):
            assert param.metavar == "DIR", param.name
        assert "BUNDLE" not in (param.metavar or "")


@pytest.mark.parametrize("verb", WORKING)
def test_every_verb_can_be_quiet_or_verbose_and_not_both(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = WORKING[verb].get_params(click.Context(WORKING[verb]))
    assert {"quiet", "verbose"} <= {option.name for option in options}


def test_quiet_and_verbose_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--quiet", "--verbose"]) == 2
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "note: a picture is left out\n"),
        (["--quiet"], ""),
        (["-v"], "measure: 1 of 2\nnote: a picture is left out\n"),
    ],
)
def test_quiet_keeps_results_and_errors_and_leaves_out_the_rest(
    options: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work() -> list[object]:
        with console.progress_bar() as progress:
            progress("measure", 1, 2)
        note("pictures", "a picture is left out")
        return []

    monkeypatch.setattr("iast_export.environment.doctor", work)
    assert run(["doctor", *options]) == 0
    found = capsys.readouterr()
    assert found.err == said and "LiteRT" in found.out
    assert run(["inspect", "nowhere", *options]) == 3
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--version"], ("pydantic", "rich", "numpy", "iast_export.cli.gate")),
        (["--help"], ("pydantic", "rich", "numpy")),
        (["gate", "--help"], ("pydantic", "rich", "numpy", "iast_export.cli.build")),
        (["gate", "nowhere"], ("torch", "onnxruntime", "cv2", "jinja2", "skimage", "matplotlib")),
        (["gate", "nowhere", "--json"], ("rich",)),
    ],
)
def test_only_what_is_used_is_loaded(arguments: list[str], unwanted: tuple[str, ...]) -> None:
    code = (
        "import sys; from iast_export.cli.main import run; run(sys.argv[1:]); "
        f"print(*sorted(set({unwanted!r}) & set(sys.modules)), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == ""


def test_a_verb_that_is_not_there_is_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["ladde"]) == 2
    assert "ladder" in capsys.readouterr().err
