"""Environments of their own for tools that don't fit beside the product's packages, pinned."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from iast_export.errors import ToolError

INSTALL_TIMEOUT_S = 420.0


@dataclass(frozen=True)
class Environment:
    """A tool's packages.

    Attributes:
        name: of its folder.
        pins: what pip installs.
    """

    name: str
    pins: tuple[str, ...]

    def folder(self, root: Path) -> Path:
        """Its place under `root`, another one for other pins."""
        return (
            root / f"{self.name}-{hashlib.sha256(json.dumps(self.pins).encode()).hexdigest()[:8]}"
        )


def interpreter(environment: Environment, root: Path, timeout_s: float = INSTALL_TIMEOUT_S) -> Path:
    """The environment's Python; it is created first where it isn't there.

    Raises:
        ToolError: it can't be created in time; nothing half-made is left.
    """
    folder = environment.folder(root)
    python, stamp = folder / "bin" / "python", folder / "installed"
    if stamp.is_file():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    pip = (
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
    )
    try:
        _run((sys.executable, "-m", "venv", str(folder)), timeout_s)
        _run((*pip, "--only-binary=:all:", *environment.pins), timeout_s)
    except ToolError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    stamp.touch()
    return python


def _run(command: tuple[str, ...], timeout_s: float) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(
            f"installing took longer than {timeout_s:.0f} s", "run this again"
        ) from error
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        last = (said or done.stderr.strip().splitlines() or ["no word"])[-1]
        raise ToolError(f"not installed: {last}", "check the network and the pins")
