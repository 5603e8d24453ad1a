"""What a stage of a build is: what decides its outputs, which they are, and how they are made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iast_export.build.request import Build
from iast_export.files.artifacts import stage_key


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline.

    Attributes:
        name: the verb.
        params: plain values that decide the outputs, beside the files.
        inputs: files of the user's or of earlier stages that it reads.
        outputs: every file that it writes, known before the first stage runs.
        run: writes them.
        is_apart: whether it reads no file of the bundle, and keeps one core busy for so long that
            another process may make it while the stages before it run (`ahead`).
    """

    name: str
    params: Callable[[Build], dict[str, Any]]
    inputs: Callable[[Build], Sequence[Path]]
    outputs: Callable[[Build], list[Path]]
    run: Callable[[Build], None]
    is_apart: bool = False

    def key(self, build: Build) -> str:
        """Hash of everything that decides the outputs (`stage_key`).

        Raises:
            InputError: an input is missing.
        """
        return stage_key(self.name, self.params(build), self.inputs(build))
