"""What the training commands say while they work, from wherever in them it is known."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LOG = logging.getLogger("models")


def tell(line: str) -> None:
    """Says a line, where a command listens."""
    _LOG.info(line)


@contextmanager
def aloud() -> Iterator[None]:
    """Prints on stdout what is told while the block runs, each line at once."""
    shown = logging.StreamHandler(sys.stdout)
    level, propagates = _LOG.level, _LOG.propagate
    _LOG.addHandler(shown)
    _LOG.setLevel(logging.INFO)
    _LOG.propagate = False
    try:
        yield
    finally:
        _LOG.removeHandler(shown)
        _LOG.setLevel(level)
        _LOG.propagate = propagates
