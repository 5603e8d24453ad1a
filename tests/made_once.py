"""What one run of the tests makes once, for all of its workers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from iast_export.files.temporary import only_one

_NAMED = "IAST_EXPORT_TESTS_SHARED"


def share(folder: Path) -> None:
    """Names the folder that the workers of this run have in common."""
    folder.mkdir(exist_ok=True)
    os.environ[_NAMED] = str(folder)


def place(name: str) -> Path:
    """Where `made_once` leaves what it makes of that name."""
    return Path(os.environ[_NAMED]) / name / name


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """What the first worker that asks for it makes, as a file or folder, while others wait."""
    path = place(name)
    path.parent.mkdir(exist_ok=True)
    with only_one(path.parent):
        if not (done := path.parent / "done").exists():
            make(path)
            done.touch()
    return path
