"""Tables and progress bars, by rich; imported when the first is drawn.

Nothing that is printed is ever markup: strings come out as they are, with what a terminal would
obey (control characters, bytes of a name that is not UTF-8) written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, cast

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from iast_export.cli.streams import STDERR, STDOUT, Stream
from iast_export.files.artifacts import Progress as Callback
from iast_export.files.texts import visible

# Columns where there is no terminal, as in CI: tables keep their lines.
_NOT_A_TERMINAL_WIDTH = 140


class _Console(Console):
    """A console that takes strings for what they are."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As `Console.print`, without markup."""
        plain = (Text(visible(o, one_line=False)) if isinstance(o, str) else o for o in objects)
        super().print(*plain, **options)


def _console(stream: Stream, width: int | None = None) -> _Console:
    # rich asks for a TextIO; it writes, flushes, and asks for the encoding and whether it is a
    # terminal.
    file = cast(IO[str], stream)
    return _Console(
        file=file, emoji=False, highlight=False, markup=False, soft_wrap=True, width=width
    )


out = _console(STDOUT, None if STDOUT.isatty() else _NOT_A_TERMINAL_WIDTH)
err = _console(STDERR)


@contextmanager
def progress_bar() -> Iterator[Callback]:
    """A progress callback drawn on stderr."""
    what_column = TextColumn("{task.description}", markup=False)
    times = TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn()
    columns = (what_column, BarColumn(), MofNCompleteColumn(), *times)
    with Progress(*columns, console=err, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(visible(what), total=total)
            bar.update(tasks[what], completed=done, total=total)
            if done >= total:
                bar.remove_task(tasks.pop(what))

        yield update


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table, the first two columns left, the others right."""
    drawn = Table(title=_title(title), title_justify="left", box=box.SIMPLE_HEAD)
    for i, column in enumerate(columns):
        drawn.add_column(_cell(column), justify="left" if i < 2 else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*map(_cell, row))
    out.print(drawn)


def wide_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table of cells of several lines; first and last column share what others leave."""
    drawn = Table(title=_title(title), title_justify="left", box=box.SIMPLE_HEAD, show_lines=True)
    for i, column in enumerate(columns):
        outer = i in (0, len(columns) - 1)
        drawn.add_column(
            _cell(column), justify="left" if outer else "right", ratio=1 if outer else None
        )
    for row in rows:
        drawn.add_row(*map(_cell, row))
    out.print(drawn)


def _title(text: str) -> Text:
    return Text(visible(text), style="table.title")


def _cell(text: str) -> Text:
    return Text(visible(text, one_line=False))
