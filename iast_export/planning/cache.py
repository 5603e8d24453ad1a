"""Where a user's measurements are kept: one JSON file per group, by a hash of all that decides it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TypeVar

from iast_export.errors import InputError
from iast_export.plan_reports import Measurement

M = TypeVar("M", bound=Measurement)


def cache_dir() -> Path:
    """The user's cache folder of iast-export, as the platform wants it.

    XDG_CACHE_HOME, if it is an absolute path, wins everywhere.
    """
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given / "iast-export"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "iast-export"
    if sys.platform == "win32":
        return (
            Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "iast-export" / "Cache"
        )
    return Path.home() / ".cache" / "iast-export"


def load(key: str, kind: type[M]) -> M | None:
    """The measurement of a key; None where there is none, or the file is damaged and to be made anew."""
    path = _path(key)
    if not path.is_file():
        return None
    try:
        found = kind.load(path)
    except InputError:
        return None
    return found if found.key == key else None


def save(measurement: Measurement) -> None:
    """Writes a measurement, whole or not at all.

    Raises:
        InputError: the cache can't be written.
    """
    try:
        measurement.save(_path(measurement.key))
    except InputError as error:
        raise InputError(error.message, "set XDG_CACHE_HOME to a folder that can be written") from error


def _path(key: str) -> Path:
    return cache_dir() / "plan" / f"{key}.json"
