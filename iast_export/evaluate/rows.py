"""Rows on the disk: lines of JSON that are only ever added, one file per shard.

A line is whole or, where the process was killed while it wrote, the last and without its end; then
it is taken off before others are added. Nothing else of a file ever changes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import read_bytes
from iast_export.files.system_errors import of_system
from iast_export.files.temporary import Lock, try_lock
from iast_export.reports.base import first_error
from iast_export.reports.evaluation import EvaluatedRow

_CHUNK_BYTES = 1 << 16


class RowWriter:
    """A shard's open file."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path, self._handle = path, handle

    def add(self, lines: Sequence[str]) -> None:
        """Adds whole lines, in one write where the system takes them so.

        Raises:
            InputError: the disk is full or gone.
        """
        data = memoryview("".join(lines).encode())
        try:
            while data:
                data = data[os.write(self._handle, data) :]
        except OSError as error:
            raise InputError(
                f"{self._path} can't be written: {error.strerror}",
                "make space; run again, which goes on from what is judged",
            ) from error


@contextmanager
def writing(path: Path) -> Iterator[RowWriter]:
    """The file of a shard, locked for this process, to add rows to.

    Raises:
        InputError: it can't be opened.
        UsageError: another process adds rows there.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        raise of_system(error) or error from error
    try:
        if try_lock(handle) is Lock.ELSEWHERE:
            raise UsageError(
                f"another iast-export evaluates into {path}", "wait for it, or take another shard"
            )
        os.ftruncate(handle, _whole_bytes(handle))
        yield RowWriter(path, handle)
        os.fsync(handle)
    finally:
        os.close(handle)


def _whole_bytes(handle: int) -> int:
    """How many bytes of a file are whole lines."""
    end = os.fstat(handle).st_size
    while end:
        start = max(0, end - _CHUNK_BYTES)
        place = os.pread(handle, end - start, start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        end = start
    return 0


def read_rows(paths: Iterable[Path]) -> Iterator[EvaluatedRow]:
    """The rows of some files; a last line without its end is none.

    Raises:
        InputError: a file can't be read, or a line is no row.
    """
    for path in paths:
        for number, line in enumerate(read_bytes(path).split(b"\n")[:-1], 1):
            yield _parsed(line, f"{path}:{number}")


def _parsed(line: bytes, where: str) -> EvaluatedRow:
    remedy = "it was altered: remove the line, and evaluate again what it told"
    try:
        return EvaluatedRow.model_validate_json(line, strict=True)
    except ValidationError as error:
        raise InputError(f"{where} is no row: {first_error(error)}", remedy) from error
