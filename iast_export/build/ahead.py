"""A stage that reads no file of the bundle, made in another process while the ones before it run.

Tracing keeps one core busy and Python's lock with it, so the second core needs a process of its
own. It writes to a folder of its own too: were this process killed, the other would still run for
some seconds, and must not write to a bundle in which somebody else works by then.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType

from iast_export.build.request import Build
from iast_export.build.stage import Stage
from iast_export.files.apart import Apart
from iast_export.files.artifacts import read_bytes, write_atomic


class Ahead:
    """The outputs of a stage, on their way; leaving it as a context ends what isn't done.

    Raises:
        InputError: there is no folder for temporary files.
    """

    def __init__(self, build: Build, stage: Stage) -> None:
        self._build, self._stage = build, stage
        self._folder = tempfile.TemporaryDirectory()
        job = {"stage": stage.name, "told": build.request.told(Path(self._folder.name))}
        self._work = Apart("iast_export.build.pipeline:make_apart", job, f"stage {stage.name}")

    def take(self) -> None:
        """Waits for the outputs and puts them into the bundle.

        Raises:
            IastExportError: whatever the stage raised.
        """
        name, root = self._stage.name, self._build.root
        self._build.progress(name, 0, 1)
        self._work.result()
        for path in self._stage.outputs(self._build):
            write_atomic(path, read_bytes(Path(self._folder.name) / path.relative_to(root)))
        self._build.progress(name, 1, 1)

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._work.end()
        self._folder.cleanup()
