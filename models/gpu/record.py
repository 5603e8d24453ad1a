"""What a run in a box did, as JSON: facts, timings, checkpoints, the hash of each file left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iast_export.errors import InputError
from iast_export.files.artifacts import read_json, sha256_file, write_json

NAME = "run.json"
SCHEMA_VERSION = 1
STATE = ("weights.pt", "optimizer.pt")
CHECKPOINT = "iast.safetensors"
RESULTS = (*STATE, CHECKPOINT, "iast.card.toml", "log.csv", "sheet.png")
STATUSES = ("running", "cut", "done")


class Record:
    """`run.json` in the making."""

    def __init__(self, out: Path, facts: dict[str, Any]) -> None:
        self.out = out
        self.body: dict[str, Any] = {"schema_version": SCHEMA_VERSION, **facts, "checkpoints": []}

    def write(self, status: str, at: dict[str, Any] | None = None) -> None:
        """Writes the state of things; `at` describes a new checkpoint."""
        if at is not None:
            self.body["checkpoints"].append(at)
        files = {
            name: sha256_file(self.out / name) for name in RESULTS if (self.out / name).is_file()
        }
        write_json(self.out / NAME, {**self.body, "status": status, "files": files})


def read_record(results: Path) -> dict[str, Any]:
    """What a run left in `run.json`.

    Raises:
        InputError: there is none, or it is of another version or status.
    """
    path = results / NAME
    if not path.is_file():
        raise InputError(f"{results} has no {NAME}", "give the folder that models.gpu.run wrote")
    body = read_json(path)
    if body.get("schema_version") != SCHEMA_VERSION or body.get("status") not in STATUSES:
        raise InputError(f"{path} is of another version", "unpack it with the code that packed it")
    return body
