"""Temporary files: in private folders, and gone after the next run at the latest.

A private folder has a name that nobody else gives, mode 0700, and is locked by the process that
uses it. The system releases the lock however the process ends, so a folder that can be locked is a
leftover.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path

if sys.platform != "win32":
    import fcntl

PREFIX = ".iast-export-tmp-"
_NAME = re.compile(re.escape(PREFIX) + "[0-9a-f]{16}")
_OWN: set[tuple[int, int]] = set()  # folders that this process works in
_LOG = logging.getLogger("iast_export")
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM)  # the system can't


class Lock(Enum):
    """What came of locking a folder."""

    HELD = auto()
    ELSEWHERE = auto()
    UNKNOWN = auto()


@contextmanager
def private_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent` for this process alone, removed with all that is in it.

    Raises:
        OSError: it can't be made.
    """
    folder, lock = _make(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def remove_leftovers(parent: Path) -> None:
    """Deletes the private folders in `parent` whose processes ended without doing so."""
    try:
        names = [name for name in os.listdir(parent) if _NAME.fullmatch(name)]
    except OSError:
        return
    for name in names:
        _remove_if_left(parent / name)


@contextmanager
def scratch() -> Iterator[None]:
    """Keeps all that is made in the system's temporary folder in a private one.

    Also what wrapped tools make there.

    What earlier runs left there when they were killed is removed first.
    """
    try:
        parent = Path(tempfile.gettempdir())
    except FileNotFoundError:  # nowhere to write: verbs that need to will say so, others don't
        yield
        return
    remove_leftovers(parent)
    before, named = tempfile.tempdir, os.environ.get("TMPDIR")
    with private_folder(parent) as folder:
        tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
        try:
            yield
        finally:
            tempfile.tempdir = before
            os.environ.pop("TMPDIR")
            if named is not None:
                os.environ["TMPDIR"] = named


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it, so that they outlive a power cut.

    Raises:
        OSError: it can't be made.
    """
    missing = [place for place in (folder, *folder.parents) if not os.path.lexists(place)]
    folder.mkdir(parents=True, exist_ok=True)
    for place in missing:
        sync_folder(place.parent)


def sync_folder(folder: Path) -> None:
    """Makes new names in a folder outlive a power cut, where the system can.

    Raises:
        OSError: the disk failed.
    """
    if sys.platform == "win32":  # folders can't be opened there
        return
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def _make(parent: Path) -> tuple[Path, int | None]:
    while True:
        folder = parent / f"{PREFIX}{secrets.token_hex(8)}"
        folder.mkdir(mode=0o700)
        lock = _open(folder)
        if lock is None and sys.platform == "win32":
            return folder, None
        if lock is not None:
            found = try_lock(lock)
            if found is not Lock.ELSEWHERE and folder.is_dir():
                return folder, lock
            os.close(lock)
        # another process took it for a leftover before it was locked


def _remove_if_left(folder: Path) -> None:
    lock = _open(folder)
    if lock is None:
        return
    try:
        if _is_own(lock) and try_lock(lock) is Lock.HELD:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _is_own(handle: int) -> bool:
    return sys.platform == "win32" or os.fstat(handle).st_uid == os.geteuid()


def _open(folder: Path) -> int | None:
    """A handle of a folder; None where there is no folder, only a link to one, or no handles."""
    if sys.platform == "win32":
        return None
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None


def try_lock(handle: int) -> Lock:
    """Locks an open folder for this process, without waiting."""
    if sys.platform == "win32":
        return Lock.UNKNOWN
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return Lock.ELSEWHERE
    except OSError:
        return Lock.UNKNOWN
    return Lock.HELD


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keeps other processes from working in a folder meanwhile; waits, with a word, for their end.

    A build that waits goes on from what the other one made. Within one process it may be nested.
    Where the disk takes no locks this says so.

    Raises:
        OSError: the folder can't be opened.
    """
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    place = os.fstat(handle).st_dev, os.fstat(handle).st_ino
    if place in _OWN:
        os.close(handle)
        yield
        return
    try:
        found = try_lock(handle)
        if found is Lock.ELSEWHERE:
            _LOG.warning("another iast-export works in %s: waiting until it has ended", folder)
            fcntl.flock(handle, fcntl.LOCK_EX)
        elif found is Lock.UNKNOWN:
            _LOG.warning(
                "%s is on a disk that takes no locks: run one iast-export at a time there", folder
            )
        _OWN.add(place)
        yield
    finally:
        _OWN.discard(place)
        os.close(handle)
