"""What a shell gets: a script of its own, and the words that fit."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from iast_export.cli.completion import SHELLS
from iast_export.cli.main import run


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_a_script_that_asks_the_program(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["completion", shell]) == 0
    said = capsys.readouterr()
    assert f"_IAST_EXPORT_COMPLETE={shell}_complete" in said.out and said.err == ""


def test_a_shell_that_is_not_known_is_refused_with_those_that_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["completion", "tcsh"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "at", "wanted"),
    [
        ("iast-export la", 1, ["ladder", "lanes"]),
        ("iast-export style ", 2, ["list", "find", "add", "remove"]),
        ("iast-export stylize --prec", 2, ["--precision"]),
        ("iast-export stylize --runtime lite", 3, ["litert", "litert-compiled"]),
        ("iast-export verify --lad", 2, []),
    ],
)
def test_the_words_that_fit_are_answered_in_the_order_of_help(
    typed: str,
    at: int,
    wanted: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("_IAST_EXPORT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(at))
    run([])
    found = capsys.readouterr().out.split()
    assert [word.partition(",")[2] for word in found] == wanted


def test_bash_takes_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    run(["completion", "bash"])
    script = capsys.readouterr().out + "complete -p iast-export\n"
    done = subprocess.run([bash], input=script, capture_output=True, text=True, check=True)
    assert "_iast_export_completion" in done.stdout
