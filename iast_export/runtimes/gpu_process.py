"""The process that holds a model on the GPU, seen from here, and the environment it needs.

The driver is the system's. `VK_DRIVER_FILES`, Vulkan's own variable, names another one, such as a
software driver unpacked aside; libraries beside that driver are found too.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from iast_export.errors import InputError, ToolError
from iast_export.runtimes.gpu_worker import Answer, Request

DRIVER_VARIABLE = "VK_DRIVER_FILES"
SOFTWARE = (
    "a software one: python3 android_demo/tools/install_gpu.py, then VK_DRIVER_FILES=DRIVER.json"
)
# Chosen: software drivers compile a tier for minutes.
TIMEOUT_S = 600.0


class GpuProcess:
    """A process that holds one model on the GPU (`gpu_worker`), and its log."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "iast_export.runtimes.gpu_worker", str(theirs.fileno())],
            env=gpu_environment(os.environ),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        theirs.close()
        self._connection = Connection(ours.detach())

    def ask(self, request: Request) -> Answer:
        """The process's answer.

        Raises:
            ToolError: it failed at running, ended, or took too long.
        """
        try:
            self._connection.send(request)
            if not self._connection.poll(TIMEOUT_S):
                raise ToolError(
                    f"{self.what} took more than {TIMEOUT_S:.0f} s", "try a smaller tier"
                )
            answer: Answer = self._connection.recv()
        except (EOFError, OSError) as error:
            code = self.process.wait()
            ended = f"signal {-code}" if code < 0 else f"exit code {code}"
            last = " ".join(self.log().strip().splitlines()[-2:])
            raise ToolError(
                f"the GPU's process ended with {ended} at {self.what}: {last}", "try another driver"
            ) from error
        if answer.get("error") and request["verb"] == "run":
            raise ToolError(f"the GPU failed at {self.what}: {answer['error']}", "try the CPU")
        return answer

    def log(self) -> str:
        """What the process has written so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        """Ends the process and waits for it."""
        self._connection.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()


def gpu_environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that uses the GPU: libraries beside a named driver are found.

    Raises:
        InputError: `VK_DRIVER_FILES` names a file that describes no driver.
    """
    folders = [str(Path(__file__).resolve().parents[2])]
    environment = {**given, "PYTHONPATH": _joined([*folders, given.get("PYTHONPATH")])}
    drivers = [Path(one) for one in given.get(DRIVER_VARIABLE, "").split(os.pathsep) if one]
    libraries = [str(_library(driver).parent) for driver in drivers]
    if libraries:
        environment["LD_LIBRARY_PATH"] = _joined([*libraries, given.get("LD_LIBRARY_PATH")])
        environment[DRIVER_VARIABLE] = os.pathsep.join(str(driver.resolve()) for driver in drivers)
    return environment


def _joined(folders: list[str | None]) -> str:
    return os.pathsep.join(folder for folder in folders if folder)


def _library(driver: Path) -> Path:
    """The library that a Vulkan driver's description names."""
    try:
        named = json.loads(driver.read_text(encoding="utf-8"))["ICD"]["library_path"]
        return (driver.parent / str(named)).resolve()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{DRIVER_VARIABLE} names {driver}, which describes no Vulkan driver: {error}",
            f"name a driver's .json file; {SOFTWARE}",
        ) from error
