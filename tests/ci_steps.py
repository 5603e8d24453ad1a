"""Runs the shell steps of an action or a job here, as a runner does, in an empty folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
_EXPRESSION = re.compile(r"\$\{\{ (.+?) \}\}")


def load(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / name).read_text(encoding="utf-8")))


@dataclass
class Machine:
    """An empty folder, and a PATH whose first folder holds `iast-export` and stand-ins."""

    home: Path
    values: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.work, self.bin = self.home / "work", self.home / "bin"
        self.summary, self.output = self.home / "summary.md", self.home / "output.txt"
        for folder in (self.work, self.bin):
            folder.mkdir(parents=True)
        self.stand_in("iast-export", f'exec {shlex.quote(sys.executable)} -m iast_export "$@"')

    def stand_in(self, name: str, script: str) -> None:
        """A program of this name, as a shell script."""
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def sh(self, command: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Runs a command without anything of this process's environment."""
        environment = {
            "PATH": f"{self.bin}:{os.defpath}",
            "HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(self.output),
        }
        environment |= variables
        return subprocess.run(
            command, cwd=self.work, env=environment, capture_output=True, text=True, check=False
        )

    def step(self, step: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """One `run` step, in GitHub's bash; what it puts out is kept in `values`."""
        script = self.home / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        variables = {name: self._filled(str(text)) for name, text in step.get("env", {}).items()}
        done = self.sh(["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)], variables)
        if "id" in step and self.output.exists():
            for line in self.output.read_text(encoding="utf-8").splitlines():
                name, _, value = line.partition("=")
                self.values[f"steps.{step['id']}.outputs.{name}"] = value
        return done

    def is_due(self, step: dict[str, Any]) -> bool:
        """Whether `if` of a step holds; of conditions only `inputs.NAME != ''` is known."""
        if "if" not in step:
            return True
        found = re.fullmatch(r"(inputs\.[\w-]+) != ''", step["if"])
        assert found, step["if"]
        return bool(self.values[found[1]])

    def _filled(self, text: str) -> str:
        return _EXPRESSION.sub(lambda found: self.values[found[1]], text)
