"""Where a user's measurements are kept: a JSON file per group, by a hash of what decides it."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import TypeVar

from iast_export.errors import InputError
from iast_export.reports.plan import Measurement

M = TypeVar("M", bound=Measurement)


def cache_dir() -> Path:
    """The user's cache folder of iast-export, as the platform wants it.

    XDG_CACHE_HOME, if it is an absolute path, wins everywhere. A user without a home folder, or
    whose home can't be written (a container's, say), gets one of their own in the folder for
    temporary files.

    Raises:
        InputError: that folder is there already and belongs to someone else.
    """
    usual = _usual()
    return _temporary() if usual is None or fallback() else usual


def fallback() -> str:
    """Why the cache is kept among temporary files, for a note; empty where it is not."""
    usual = _usual()
    if usual is None:
        return "there is no home folder"
    if _given() is None and not _can_be_written(usual):
        return f"{usual} can't be written"
    return ""


def _usual() -> Path | None:
    given, home = _given(), _home()
    if given is not None:
        return given / "iast-export"
    if sys.platform == "win32" and "LOCALAPPDATA" in os.environ:
        return Path(os.environ["LOCALAPPDATA"]) / "iast-export" / "Cache"
    if home is None:
        return None
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "iast-export"
    if sys.platform == "win32":
        return home / "AppData" / "Local" / "iast-export" / "Cache"
    return home / ".cache" / "iast-export"


def _given() -> Path | None:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return given if given.is_absolute() else None


def _home() -> Path | None:
    try:
        home = Path.home()
    except (RuntimeError, KeyError):  # neither HOME nor an entry in the list of users
        return None
    return home if home.is_absolute() else None


def _can_be_written(folder: Path) -> bool:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def _temporary() -> Path:
    owner = os.getuid() if hasattr(os, "getuid") else "user"
    folder = Path(tempfile.gettempdir()) / f"iast-export-{owner}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, 0) or found.st_mode & 0o022:
        raise InputError(
            f"{folder} is not this user's own folder", "set XDG_CACHE_HOME to one that is"
        )
    return folder


def load(key: str, kind: type[M]) -> M | None:
    """The measurement of a key; None where there is none, or a damaged one."""
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
        raise InputError(
            error.message, "set XDG_CACHE_HOME to a folder that can be written"
        ) from error


def _path(key: str) -> Path:
    return cache_dir() / "plan" / f"{key}.json"
