"""What the command line looks like: progress on long work, tables, plain words for errors.

Nothing that is printed is ever markup: strings come out as they are, with what a terminal would
obey (control characters, bytes of a name that is not UTF-8) written out. Terminals that can't show
a character get the nearest ASCII. A reader that goes away does not end the work; output that can't
be written is remembered, so that the exit code can say it.
"""

from __future__ import annotations

import codecs
import errno
import json
import logging
import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, cast

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from iast_export.files.artifacts import Progress as Callback
from iast_export.files.artifacts import no_progress
from iast_export.files.notes import NOTES
from iast_export.files.texts import visible

# Columns where there is no terminal, as in CI: tables keep their lines.
_NOT_A_TERMINAL_WIDTH = 140
_PLAINER = "iast-export-plainer"
_NEAREST = {
    "→": "->",
    "×": "x",
    "…": "...",
    "–": "-",
    "—": "-",
    "±": "+-",
    "≥": ">=",
    "≤": "<=",
    "µ": "u",
    "²": "2",
    "·": ".",
}


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """Handler of `_PLAINER`: what an encoding lacks as the nearest ASCII, or as its code point."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(_NEAREST.get(c) or visible_in_ascii(c) for c in found), error.end


def visible_in_ascii(text: str) -> str:
    r"""`text` in ASCII, other characters as `\xfc`."""
    return visible(text).encode("ascii", "backslashreplace").decode("ascii")


codecs.register_error(_PLAINER, _plainer)


class _Stream:
    """stdout or stderr as it is at the time of writing, outlived by the work that writes to it."""

    def __init__(self, name: str) -> None:
        self.lost: OSError | None = None  # why output could not be written; no reader is no loss
        self._name = name
        self._gone: Any = None

    @property
    def encoding(self) -> str:
        return str(getattr(self._now(), "encoding", None) or "utf-8")

    def write(self, text: str) -> int:
        stream = self._now()
        if stream is not None and stream is not self._gone:
            # Its own error handler may be strict, and its encoding ASCII.
            self._try(stream.write, text.encode(self.encoding, _PLAINER).decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        stream = self._now()
        if stream is not None and stream is not self._gone:
            self._try(stream.flush)

    def isatty(self) -> bool:
        stream = self._now()
        return stream is not None and not stream.closed and bool(stream.isatty())

    def fileno(self) -> int:
        return int(self._now().fileno())

    def finish(self) -> None:
        """Writes what is still held; a broken stream is led nowhere again, in case a tool put it
        back."""
        self.flush()
        if self._gone is not None and self._gone is self._now():
            _lead_nowhere(self._gone)

    def _now(self) -> Any:
        stream = getattr(sys, self._name)
        return getattr(stream, "rich_proxied_file", stream)

    def _try(self, act: Callable[..., Any], *arguments: str) -> None:
        try:
            act(*arguments)
        except OSError as error:
            self._gone = self._now()
            if error.errno not in (errno.EPIPE, errno.EBADF):
                self.lost = error
            _lead_nowhere(self._gone)


def _lead_nowhere(stream: Any) -> None:
    """Points a broken stream at the null device, so that Python can flush and close it in peace."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, AttributeError):
        return  # not a file of the system, such as a test's


class _Console(Console):
    """A console that takes strings for what they are."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As `Console.print`, without markup."""
        plain = (Text(visible(o, one_line=False)) if isinstance(o, str) else o for o in objects)
        super().print(*plain, **options)


def _console(stream: _Stream, width: int | None = None) -> _Console:
    # rich asks for a TextIO; it writes, flushes, and asks for the encoding and whether it is a
    # terminal.
    file = cast(IO[str], stream)
    return _Console(
        file=file, emoji=False, highlight=False, markup=False, soft_wrap=True, width=width
    )


_stdout, _stderr = _Stream("stdout"), _Stream("stderr")
out = _console(_stdout, None if _stdout.isatty() else _NOT_A_TERMINAL_WIDTH)
err = _console(_stderr)


def finish() -> OSError | None:
    """Writes what is still held; why output on stdout was lost, if it was."""
    _stdout.finish()
    _stderr.finish()
    lost, _stdout.lost = _stdout.lost, None
    return lost


@contextmanager
def progress_bar(verbose: bool = False) -> Iterator[Callback]:
    """A progress callback drawn on stderr; silent in CI and when stderr is not a terminal."""
    if os.environ.get("CI") or not _stderr.isatty():
        yield _lines if verbose else no_progress
        return
    what_column = TextColumn("{task.description}", markup=False)
    columns = (what_column, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        tasks: dict[str, Any] = {}

        def update(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(visible(what), total=total)
            bar.update(tasks[what], completed=done, total=total)
            if done >= total:
                bar.remove_task(tasks.pop(what))

        yield update


def _lines(what: str, done: int, total: int) -> None:
    err.print(f"{visible(what)}: {done} of {total}", style="dim")


def complain(message: str) -> None:
    """An error's words on stderr; lines after the first are indented, so that none can pass for
    another."""
    first, *others = visible(message, one_line=False).split("\n")
    indented = [line if line.startswith("  ") else f"  {line}" for line in others]
    err.print(Text.assemble(("error:", "bold red"), " ", "\n".join((first, *indented))))


def explain(text: str) -> None:
    """Words on stderr that are no error, such as how a verb is used."""
    err.print(text)


def is_unread() -> bool:
    """Whether nobody reads stdout any longer, a pipe that is closed at the other end."""
    if not hasattr(select, "poll"):
        return False
    poller = select.poll()
    try:
        poller.register(_stdout.fileno(), 0)
    except (OSError, AttributeError):
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poller.poll(0))


def say(line: str) -> None:
    """One line on stdout, whatever names are in it."""
    out.print(visible(line))


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
            explain(f"note: {visible(text)}")
        known.add(text)

    def finish(self) -> None:
        """Says how many notes of a kind were not printed."""
        for known in self._texts.values():
            if len(known) > 1:
                explain(f"note: {len(known) - 1} more of: {visible(_without_name(min(known)))}")


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
    drawn = Table(title=_title(title), title_justify="left", box=box.SIMPLE_HEAD)
    for i, column in enumerate(columns):
        drawn.add_column(_cell(column), justify="left" if i < 2 else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*map(_cell, row))
    out.print(drawn)


def wide_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table of cells of several lines: the first column and the last share what the
    others leave."""
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


def emit_json(value: Any) -> None:
    """Prints `value` as JSON on stdout, in ASCII; a name that is not UTF-8 keeps its bytes as
    `\\udcNN`."""
    _stdout.write(json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")
