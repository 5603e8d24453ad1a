"""Notes: what a user should know of an input though nothing is wrong, as alpha laid over white.

They go through `logging`, so that no function hands a callback down; the command line shows them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

NOTES = logging.getLogger("iast_export.files.notes")


def note(kind: str, text: str) -> None:
    """Says `text`; of many notes of one `kind` a listener may show one and count the others."""
    NOTES.warning("%s", text, extra={"kind": kind})


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a note once."""
        if (text := record.getMessage()) not in self.texts:
            self.texts.append(text)


@contextmanager
def heard() -> Iterator[list[str]]:
    """What is said while the block runs, each once, for who shows it elsewhere than a terminal."""
    listener = _Heard()
    NOTES.addHandler(listener)
    try:
        yield listener.texts
    finally:
        NOTES.removeHandler(listener)
