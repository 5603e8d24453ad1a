"""Work on a file that may end the process that does it, done in a process of its own.

A model that somebody hands us can crash a runtime, take all memory or never come back. Here that is
an error which names the file. Run as `python -c BOOT PACKAGE_PARENT JSON`, this module is that
process.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from iast_export import errors
from iast_export.errors import IastExportError, InputError, ToolError

# Unlike `-m`, which would let a stray `json.py` of the current folder in; the package is the
# caller's own.
_BOOT = (
    "import sys; own = sys.argv[1]; sys.path[:] = [own, *filter(None, sys.path)]; "
    "import iast_export; "
    "sys.path[:] = [*sys.path[1:], own]; "
    "from iast_export.files import apart; apart.main(sys.argv[2])"
)
# Chosen: what takes so long does not come back. A file that nothing vouches for gets less.
_TIMEOUT_S = 300.0
_FOREIGN_TIMEOUT_S = 60.0
# Chosen, far above what any file of a bundle takes to be opened.
_FOREIGN_MEMORY_BYTES = 4 << 30


class Apart:
    """A call of `module:function` in a fresh process, under way from the start on.

    Args:
        target: of this package; its result is plain JSON values.
        job: its arguments, plain JSON values.
        what: the file or lane that the work is about, for messages.
        memory_bytes: of address space that it may take; None: all there is.
    """

    def __init__(
        self,
        target: str,
        job: Mapping[str, Any],
        what: object,
        *,
        memory_bytes: int | None = None,
    ) -> None:
        asked = json.dumps({"target": target, "job": dict(job), "memory_bytes": memory_bytes})
        command = [sys.executable, "-c", _BOOT, str(Path(__file__).resolve().parents[2]), asked]
        environment = dict(os.environ)
        if memory_bytes is not None:
            environment |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._what = what
        # Files, since a pipe that nobody reads yet would stop who writes to it.
        self._said, self._complained = (_file_of_nobody() for _ in range(2))
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._complained,
        )

    def result(self, timeout_s: float | None = None) -> Any:
        """What the function returned.

        Args:
            timeout_s: after which the process is ended; None: never.

        Raises:
            InputError: the process crashed, took too long or too much memory.
            IastExportError: whatever the function raised.
            ToolError: it failed in another way.
        """
        try:
            code = self._process.wait(timeout_s)
            said, complained = (_content(one) for one in (self._said, self._complained))
        except subprocess.TimeoutExpired as error:
            raise _lost(self._what, f"was not done after {timeout_s:g} s") from error
        finally:
            self.end()
        if code < 0:
            raise _lost(self._what, f"ended the process that opened it by signal {-code}")
        return _answer(said, complained, self._what)

    def end(self) -> None:
        """Ends the process if it still runs, and lets go of what it said."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._said.close()
        self._complained.close()


def call_apart(
    target: str,
    job: Mapping[str, Any],
    what: object,
    *,
    timeout_s: float = _TIMEOUT_S,
    memory_bytes: int | None = None,
) -> Any:
    """What `module:function` returns for `**job`, computed in a fresh process; see `Apart`."""
    return Apart(target, job, what, memory_bytes=memory_bytes).result(timeout_s)


def read_foreign(target: str, path: Path, **job: Any) -> Any:
    """What a function says about a file that nothing vouches for, by `call_apart` within limits.

    Raises:
        InputError: the file crashed the process, took too long or too much memory.
        IastExportError: see `call_apart`.
    """
    return call_apart(
        target,
        {"path": str(path), **job},
        path,
        timeout_s=_FOREIGN_TIMEOUT_S,
        memory_bytes=_FOREIGN_MEMORY_BYTES,
    )


def _file_of_nobody() -> IO[bytes]:
    """A file without a name, which lives as long as it is open: its user closes it."""
    return tempfile.TemporaryFile()


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _lost(what: object, how: str) -> InputError:
    return InputError(
        f"{what} {how}", "use a file that the runtime can run; build or convert it again"
    )


def _answer(said: bytes, complained: bytes, what: object) -> Any:
    try:
        answer = json.loads(said.splitlines()[-1])
    except (IndexError, ValueError) as error:
        words = complained.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"]
        raise ToolError(
            f"the process for {what} failed: {words[-1]}", "report this with the file"
        ) from error
    if "failed" not in answer:
        return answer["result"]
    if answer["failed"] == MemoryError.__name__:
        raise _lost(what, "needs more memory than a model file may")
    raise getattr(errors, answer["failed"])(answer["message"], answer["remedy"])


def main(asked: str) -> None:
    """The process's half: does the work and writes one line of JSON."""
    given = json.loads(asked)
    if given["memory_bytes"] is not None:
        _limit_memory(given["memory_bytes"])
    module, _, function = given["target"].partition(":")
    answer: dict[str, Any]
    try:
        answer = {"result": getattr(importlib.import_module(module), function)(**given["job"])}
    except IastExportError as error:
        answer = {"failed": type(error).__name__, "message": error.message, "remedy": error.remedy}
    except MemoryError as error:
        answer = {"failed": type(error).__name__}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    sys.stdout.flush()


def _limit_memory(size_bytes: int) -> None:
    """Bounds this process's address space, where the system can.

    macOS refuses, Windows has no such limit.
    """
    try:
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        limit = size_bytes if hard == resource.RLIM_INFINITY else min(size_bytes, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (ImportError, ValueError, OSError):
        return
