"""A command in a process of its own: exit code, seconds, peak memory, its last sentence."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

ROOT = Path(__file__).resolve().parents[2]
TOO_LATE = 124  # as timeout(1) says it
_LONGEST_SENTENCE = 400


@dataclass(frozen=True)
class Ran:
    """How a command ended.

    Attributes:
        code: its exit code; 124: it took too long; negative: the signal that ended it.
        seconds: from start to end.
        peak_bytes: resident memory of the largest of its processes.
        sentence: what it said last about a failure; None where it succeeded.
    """

    code: int
    seconds: float
    peak_bytes: int
    sentence: str | None


def run(command: Sequence[str], limit_s: float) -> Ran:
    """Runs Python with `command` from the project's root, one thread each."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "200"}
    started, late = time.monotonic(), False
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )

        def end() -> None:
            nonlocal late
            late = True
            os.killpg(child.pid, signal.SIGKILL)

        timer = Timer(limit_s, end)
        timer.start()
        _, status, usage = os.wait4(child.pid, 0)
        timer.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace")
    seconds = time.monotonic() - started
    code = TOO_LATE if late else child.returncode
    sentence = f"took longer than {limit_s:.0f} s" if late else sentence_of(text)
    return Ran(code, seconds, usage.ru_maxrss * 1024, sentence if code else None)


def sentence_of(text: str) -> str:
    """The error and its remedy, or a traceback's last line."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    _, found, tail = text.rpartition("error: ")
    lines = [line.strip() for line in (tail if found else text).splitlines() if line.strip()]
    told = " ".join(lines if found else lines[-1:]) or "said nothing"
    return told if len(told) <= _LONGEST_SENTENCE else told[: _LONGEST_SENTENCE - 3] + "..."
