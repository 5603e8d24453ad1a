"""A reader that misbehaves as it is told: what the fuzzer itself is tried with.

No default run reads it.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from benchmarks.trust.fuzz.mutate_bytes import mutate_bytes
from benchmarks.trust.fuzz.reader import Reader, SilentAcceptanceError, always
from iast_export.errors import IastExportError, InputError, ToolError


def _read(data: bytes, folder: Path, name: str) -> None:
    words = data.decode("ascii", "replace")
    if words == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if words == "hang":
        time.sleep(3600)
    if words == "memory":
        sum(bytearray(os.urandom(1 << 20) * 1200)[:: 1 << 12])
    if words == "more memory than there is":
        bytearray(1 << 50)
    if words == "silent":
        raise SilentAcceptanceError("taken")
    if words == "refused":
        raise InputError("not whole", "get it again")
    if words == "tool":
        raise ToolError("not run", "try another")
    if words == "no code":
        raise IastExportError("nothing", "nothing")
    if words == "bug":
        raise KeyError("x")


PROBE = Reader("probe", lambda: {"whole": b"whole"}, always(mutate_bytes), _read, 1)
