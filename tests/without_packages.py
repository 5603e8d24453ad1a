"""Runs `iast-export` in a process in which some packages can't be imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
_CODE = """
import importlib.util
import sys
from importlib.machinery import PathFinder
found = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name.partition(".")[0] in {gone} else found(name)
class Missing(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in {gone}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return None
sys.meta_path.insert(0, Missing)
sys.path.insert(0, {root!r})
from iast_export.cli.main import run
sys.exit(run({arguments}))
"""


def run_without(
    gone: Sequence[str], arguments: Sequence[str], cwd: Path
) -> subprocess.CompletedProcess[str]:
    """What `iast-export` ends with and says where the modules `gone` are not installed."""
    code = _CODE.format(gone=set(gone), root=str(_ROOT), arguments=list(arguments))
    command = [sys.executable, "-c", code]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
