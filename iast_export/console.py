"""What the command line looks like: progress on long work, tables, plain words for errors."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from iast_export.artifacts import Progress as Callback
from iast_export.artifacts import no_progress
from iast_export.notes import NOTES

_NOT_A_TERMINAL_WIDTH = 140

out = Console(
    emoji=False, highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _NOT_A_TERMINAL_WIDTH
)
err = Console(emoji=False, stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(verbose: bool = False) -> Iterator[Callback]:
    """A progress callback drawn on stderr; silent in CI and when stderr is not a terminal."""
    if os.environ.get("CI") or not sys.stderr.isatty():
        yield _lines if verbose else no_progress
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)
            if done >= total:
                bar.remove_task(tasks.pop(what))

        yield update


def _lines(what: str, done: int, total: int) -> None:
    err.print(f"{what}: {done} of {total}", style="dim")


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
            err.print(f"note: {text}", markup=False)
        known.add(text)

    def finish(self) -> None:
        """Says how many notes of a kind were not printed."""
        for known in self._texts.values():
            if len(known) > 1:
                err.print(f"note: {len(known) - 1} more of: {_without_name(min(known))}", markup=False)


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


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table, the first two columns left, the others right."""
    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for i, column in enumerate(columns):
        drawn.add_column(column, justify="left" if i < 2 else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    out.print(drawn)


def wide_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table of cells of several lines: the first column and the last share what the others leave."""
    drawn = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_lines=True)
    for i, column in enumerate(columns):
        outer = i in (0, len(columns) - 1)
        drawn.add_column(column, justify="left" if outer else "right", ratio=1 if outer else None)
    for row in rows:
        drawn.add_row(*row)
    out.print(drawn)


def emit_json(value: Any) -> None:
    """Prints `value` as JSON on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")
