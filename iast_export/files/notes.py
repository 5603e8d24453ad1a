"""Notes: what a user should know of an input though nothing is wrong, as alpha laid over white.

They go through `logging`, so that no function hands a callback down; the command line shows them.
"""

from __future__ import annotations

import logging

NOTES = logging.getLogger("iast_export.files.notes")


def note(kind: str, text: str) -> None:
    """Says `text`; of many notes of one `kind` a listener may show one and count the others."""
    NOTES.warning("%s", text, extra={"kind": kind})
