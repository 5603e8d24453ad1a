"""What a process of its own is for: work that crashes, hangs, takes all memory, refuses or
succeeds."""

from __future__ import annotations

import os
import signal
import time

from iast_export.errors import AccuracyError


def double(path: str, number: int = 0) -> dict[str, object]:
    print("a runtime says something on stdout")
    return {"path": path, "twice": 2 * number}


def crash(path: str) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(path: str) -> None:
    time.sleep(600)


def take_all_memory(path: str) -> int:
    return len(bytearray(64 << 30))


def refuse(path: str) -> None:
    raise AccuracyError(f"{path} is bad", "make a better one")


def break_down(path: str) -> None:
    raise ZeroDivisionError("a bug of ours")
