"""stdout and stderr that outlive their readers: what can't be written is remembered, not raised.

Terminals that can't show a character get the nearest ASCII. A reader that goes away does not end
the work; output that can't be written is remembered, so that the exit code can say it. Imports
nothing large: help, versions, completions and errors need this alone.
"""

from __future__ import annotations

import codecs
import errno
import os
import select
import sys
from collections.abc import Callable
from typing import Any

import click

from iast_export.files.texts import visible

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


class Stream:
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
        """Writes what is held; a broken stream is led nowhere again, as a tool may undo that."""
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


STDOUT, STDERR = Stream("stdout"), Stream("stderr")


def finish() -> OSError | None:
    """Writes what is still held; why output on stdout was lost, if it was."""
    STDOUT.finish()
    STDERR.finish()
    lost, STDOUT.lost = STDOUT.lost, None
    return lost


def complain(message: str) -> None:
    """An error's words on stderr; later lines are indented, so none passes for another."""
    first, *others = visible(message, one_line=False).split("\n")
    indented = [line if line.startswith("  ") else f"  {line}" for line in others]
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    colored = STDERR.isatty() and not plain
    word = click.style("error:", fg="red", bold=True) if colored else "error:"
    STDERR.write("\n".join((f"{word} {first}", *indented)) + "\n")


def explain(text: str) -> None:
    """Words on stderr that are no error, such as how a verb is used."""
    STDERR.write(visible(text, one_line=False) + "\n")


def is_unread() -> bool:
    """Whether nobody reads stdout any longer, a pipe that is closed at the other end."""
    if not hasattr(select, "poll"):
        return False
    poller = select.poll()
    try:
        poller.register(STDOUT.fileno(), 0)
    except (OSError, AttributeError):
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poller.poll(0))
