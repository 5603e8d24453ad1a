"""What the verbs print: lines, tables and JSON on stdout; progress and notes on stderr.

Light to import: rich is loaded with the first table or progress bar.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal

from iast_export.cli.streams import STDERR, STDOUT
from iast_export.files.artifacts import Progress, no_progress
from iast_export.files.notes import NOTES
from iast_export.files.texts import visible

Talk = Literal["quiet", "usual", "verbose"]

_TALK: ContextVar[Talk] = ContextVar("talk", default="usual")


@contextmanager
def talking(how: Talk) -> Iterator[None]:
    """How much is said on stderr of work that goes well while the block runs."""
    before = _TALK.set(how)
    try:
        yield
    finally:
        _TALK.reset(before)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress callback drawn on stderr; silent in CI and when stderr is not a terminal.

    As lines there, too, where --verbose was given; nothing anywhere where --quiet was.
    """
    talk = _TALK.get()
    if talk == "quiet" or os.environ.get("CI") or not STDERR.isatty():
        yield _lines if talk == "verbose" else no_progress
        return
    from iast_export.cli import drawing

    with drawing.progress_bar() as progress:
        yield progress


def _lines(what: str, done: int, total: int) -> None:
    STDERR.write(f"{visible(what)}: {done} of {total}\n")


def remark(text: str) -> None:
    """A note on stderr, which --quiet leaves out."""
    if _TALK.get() == "quiet":
        return
    from iast_export.cli import drawing  # a progress bar may be drawn there

    drawing.err.print(f"note: {visible(text)}")


def say(line: str) -> None:
    """One line on stdout, whatever names are in it."""
    STDOUT.write(visible(line) + "\n")


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table, the first two columns left, the others right."""
    from iast_export.cli import drawing

    drawing.table(title, columns, rows)


def wide_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table of cells of several lines; first and last column share what others leave."""
    from iast_export.cli import drawing

    drawing.wide_table(title, columns, rows)


def emit_json(value: Any) -> None:
    """Prints `value` as JSON on stdout, in ASCII; foreign bytes of a name stay, as `\\udcNN`."""
    STDOUT.write(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


class _Notes(logging.Handler):
    """Prints the first note of every kind, each once, and counts the others."""

    def __init__(self) -> None:
        super().__init__()
        self._texts: dict[str, set[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Prints a record on stderr, if it is the first of its kind."""
        text = record.getMessage()
        known = self._texts.setdefault(str(getattr(record, "kind", "")), set())
        if not known:
            remark(text)
        known.add(text)

    def finish(self) -> None:
        """Says how many notes of a kind were not printed."""
        for known in self._texts.values():
            if len(known) > 1:
                remark(f"{len(known) - 1} more of: {_without_name(min(known))}")


def _without_name(text: str) -> str:
    """A note without the picture's name that it begins with."""
    return text.rpartition(": ")[2]


@contextmanager
def notes() -> Iterator[None]:
    """Shows on stderr what `notes.note` says while the block runs."""
    listener = _Notes()
    NOTES.addHandler(listener)
    propagates, NOTES.propagate = NOTES.propagate, False
    try:
        yield
    finally:
        NOTES.removeHandler(listener)
        NOTES.propagate = propagates
        listener.finish()
