"""What is printed: nothing of a user's is markup or obeyed, and every terminal and pipe can take
it."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iast_export.cli import console, drawing, streams
from iast_export.files.texts import visible

HOSTILE = "a[red]b[/x][build]\x1b[31m\x07\udce9é\u202e"
SHOWN = "a[red]b[/x][build]\\x1b[31m\\x07\\xe9é\\u202e"


def test_names_are_printed_as_they_are_in_lines_tables_titles_and_errors(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.say(HOSTILE)
    drawing.out.print(HOSTILE, markup=True)
    console.table(HOSTILE, ("what", HOSTILE), [(HOSTILE, "x")])
    console.wide_table(HOSTILE, ("what", "b"), [(HOSTILE, "x\ny")])
    assert capsys.readouterr().out.count(SHOWN) == 7
    streams.complain(f"{HOSTILE}\n  → pip install 'iast-export[build]'")
    streams.explain(HOSTILE)
    said = capsys.readouterr().err
    assert said.count(SHOWN) == 2 and "'iast-export[build]'" in said


def test_a_name_with_a_line_feed_makes_no_line_of_its_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console.say("x\n3 of 3 checks passed")
    assert capsys.readouterr().out == "x\\n3 of 3 checks passed\n"
    streams.complain("x\nerror: forged\n  → remedy")
    assert capsys.readouterr().err.splitlines() == ["error: x", "  error: forged", "  → remedy"]


def test_json_keeps_the_bytes_of_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    console.emit_json({"path": str(Path(os.fsdecode(b"caf\xe9")))})
    text = capsys.readouterr().out
    assert text.isascii() and os.fsencode(json.loads(text)["path"]) == b"caf\xe9"


@given(st.text())
def test_what_is_visible_can_be_encoded_and_obeyed_by_no_terminal(text: str) -> None:
    found = visible(text)
    found.encode("utf-8")
    assert found.isprintable() or not any(c < " " or "\x7f" <= c <= "\x9f" for c in found)
    assert visible(found) == found


class Broken(io.TextIOWrapper):
    """A stream on a device that is full, or on a pipe that nobody reads."""

    def __init__(self, error: type[OSError], number: int) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")
        self.failure = error(number, os.strerror(number))

    def write(self, text: str) -> int:
        raise self.failure


@pytest.fixture
def as_before() -> Iterator[None]:
    streams = sys.stdout, sys.stderr
    yield
    sys.stdout, sys.stderr = streams


@pytest.mark.usefixtures("as_before")
def test_a_full_disk_is_remembered_and_a_reader_that_left_is_not_an_error() -> None:
    for failure, number, lost in ((OSError, 28, True), (BrokenPipeError, 32, False)):
        sys.stdout = Broken(failure, number)
        for _ in range(2):
            console.say("x")
            console.table("x", ("a",), [("b",)])
            console.emit_json({})
        error = streams.finish()
        assert (error is not None) == lost
        assert streams.finish() is None


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_a_terminal_without_a_character_gets_the_nearest(encoding: str) -> None:
    data = io.BytesIO()
    sys.stdout = io.TextIOWrapper(data, encoding=encoding)
    console.say("3×3 → größe … 日")
    console.table("t", ("a",), [("≥ 1",)])
    assert streams.finish() is None
    text = data.getvalue().decode(encoding)
    assert "->" in text and "\\u65e5" in text and ">= 1" in text
    assert ("3x3 -> gr\\xf6\\xdfe ..." in text) == (encoding == "ascii")
    sys.stdout.detach()


@pytest.mark.usefixtures("as_before")
def test_a_process_without_stdout_and_stderr_prints_nothing() -> None:
    sys.stdout, sys.stderr = None, None  # type: ignore[assignment]
    console.say("x")
    streams.complain("x")
    console.emit_json({})
    with console.progress_bar() as progress:
        progress("x", 0, 1)
    assert streams.finish() is None


@pytest.mark.usefixtures("as_before")
def test_progress_takes_names_for_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(drawing.err, "is_interactive", True)
    terminal: Any = Terminal()
    sys.stderr = terminal
    with console.progress_bar() as progress:
        progress(HOSTILE, 0, 2)
        progress(HOSTILE, 1, 2)
    assert SHOWN in terminal.getvalue() and "\x1b[31m" not in terminal.getvalue()
