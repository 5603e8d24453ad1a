"""Notes: each kind is printed once, the rest is counted, and nothing of a user's is markup."""

from __future__ import annotations

import pytest

from iast_export.cli import console
from iast_export.files.notes import NOTES, heard, note


def test_the_first_of_a_kind_is_printed_and_the_others_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with console.notes():
        for name in ("[red]a.png", "b.png", "b.png", "c.png"):
            note("alpha", f"{name}: laid over white")
        note("frames", "d.gif: the first of its 2 pictures is used")
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "note: [red]a.png: laid over white",
        "note: d.gif: the first of its 2 pictures is used",
        "note: 2 more of: laid over white",
    ]


def test_who_listens_leaves_the_channel_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    handlers, propagates = list(NOTES.handlers), NOTES.propagate
    with pytest.raises(KeyError), console.notes():
        raise KeyError
    assert (NOTES.handlers, NOTES.propagate) == (handlers, propagates)
    note("alpha", "heard by a program")
    assert "heard by a program" in caplog.text


def test_who_listens_hears_each_note_once_and_nothing_after() -> None:
    with heard() as texts:
        for text in ("alpha", "beta", "alpha"):
            note("kind", text)
    note("kind", "later")
    assert texts == ["alpha", "beta"]
