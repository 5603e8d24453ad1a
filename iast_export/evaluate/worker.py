"""A worker's half: draws and judges the pairs of one task, by the rules of `verify`.

The models of one tier are opened once per worker and held until a task of another tier comes, so
that its memory is bounded by the largest tier. What can't be read or drawn is a row.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iast_export.bundle.shaped import load_shapes
from iast_export.environment import kernel_facts
from iast_export.errors import IastExportError, InputError, ToolError
from iast_export.evaluate.plan import StyleSource
from iast_export.lanes.judge import Reference, Scorers, judge_picture, task_scores
from iast_export.lanes.lane import Lane
from iast_export.lanes.opened import OpenBundle
from iast_export.lanes.views import EvaluationPair, View, seen_at
from iast_export.metrics.style import style_statistics
from iast_export.pictures.images import Rgb, center_square, to_tensor
from iast_export.pictures.imagesets import SetImage
from iast_export.reports.evaluation import EvaluatedRow, Failed
from iast_export.reports.manifest import LaneKey
from iast_export.reports.verify import PairScore
from iast_export.runtimes.session import Session
from iast_export.runtimes.target import TARGETS
from iast_export.specs import REFERENCE, STRENGTH, STYLE_ENCODER_SIDE_PX, STYLE_IMAGE

# One session each and no lock of theirs: a worker's threads take turns.
_TURN = threading.Lock()
_opened: OpenTier | None = None


@dataclass(frozen=True)
class Subject:
    """What a task's pairs are judged by.

    Attributes:
        folder: of the bundle, absolute.
        manifest_sha256: that it must have.
        tier: its id.
        keys: the lanes to judge.
        own_shape: whether photographs keep their shape.
    """

    folder: Path
    manifest_sha256: str
    tier: str
    keys: tuple[LaneKey, ...]
    own_shape: bool


@dataclass(frozen=True)
class Task:
    """Some photographs in one style at one tier."""

    subject: Subject
    style: StyleSource
    contents: tuple[SetImage, ...]

    def apart(self) -> list[Task]:
        """A task for each photograph."""
        return [replace(self, contents=(one,)) for one in self.contents]


def judge(task: Task) -> list[str]:
    """A row per photograph and lane, each a line of JSON.

    Raises:
        InputError: the bundle is missing here or another one, or a model was altered.
        ToolError: a runtime refuses its file.
    """
    global _opened
    with _TURN:
        if _opened is None or _opened.subject != task.subject:
            _opened = None  # its sessions go before others come
            _opened = OpenTier(task.subject)
        rows = _opened.rows(task)
    return [line_of(row) for row in rows]


def lost(task: Task) -> list[str]:
    """The rows of a task that ended every worker it was given to."""
    error = ToolError("drawing it ended the process", "draw it alone with `iast-export stylize`")
    return [
        line_of(_failure(task.subject, one.id, task.style.id, key, error))
        for one in task.contents
        for key in task.subject.keys
    ]


def line_of(row: EvaluatedRow) -> str:
    """A row as a line of its file, newline and all."""
    body = row.model_dump(mode="json", exclude_none=True)
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True) + "\n"


@dataclass(frozen=True)
class _OpenStyle:
    feeds: Mapping[str, NDArray[np.float32]]
    statistics: NDArray[np.float64]


class OpenTier:
    """The lanes of one tier, open, and the style that was last drawn in.

    Raises:
        InputError, ToolError: see `judge`.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._bundle = OpenBundle.of(subject.folder)
        if self._bundle.side.manifest_sha256 != subject.manifest_sha256:
            raise InputError(
                f"{subject.folder} is another bundle than the run's",
                "let every worker see the same folder",
            )
        self._reference = self._open((*REFERENCE, subject.tier))
        self._lanes = {key: self._open(key) for key in subject.keys}
        self._multiple_px = (
            self._bundle.manifest.network.size_multiple_px if subject.own_shape else None
        )
        self._style: tuple[StyleSource, _OpenStyle | Exception] | None = None

    def rows(self, task: Task) -> list[EvaluatedRow]:
        """What became of each photograph in each lane."""
        return [row for one in task.contents for row in self._pair(one, task.style)]

    def _pair(self, content: SetImage, style: StyleSource) -> list[EvaluatedRow]:
        ids = content.id, style.id
        try:
            reference = self._refer(content, style)
        except Exception as error:  # a picture is a row, whatever it does to who reads it
            told = _named(error, content, style)
            return [_failure(self.subject, *ids, key, told) for key in self.subject.keys]
        return [self._row(ids, key, reference) for key in self.subject.keys]

    def _row(self, ids: tuple[str, str], key: LaneKey, reference: Reference) -> EvaluatedRow:
        lane, session = self._lanes[key]
        view = reference.view
        try:
            picture = lane.stylize(session, view.content, view.pair.feeds, self._multiple_px)
            judged = judge_picture(reference, picture, Scorers())
        except Exception as error:
            return _failure(self.subject, *ids, key, error)
        return _row(ids, key, judged=judged)

    def _refer(self, content: SetImage, source: StyleSource) -> Reference:
        """What ONNX FP32 makes of a pair."""
        style, rgb = self._style_of(source), content.load()
        pair = EvaluationPair(content.id, source.id, rgb, style.feeds, style.statistics)
        lane, session = self._reference
        view = View(pair, seen_at(rgb, lane.tier, own_shape=self.subject.own_shape))
        picture = lane.stylize(session, view.content, pair.feeds, self._multiple_px)
        return Reference(view, picture, task_scores(view, picture, Scorers()), lane.sha256 or "")

    def _open(self, key: LaneKey) -> tuple[Lane, Session]:
        lane = self._bundle.lane(key)
        if self.subject.own_shape:
            lane = replace(lane, shapes=load_shapes(self._bundle.seals, lane.path, lane.read()))
        return lane, lane.open()

    def _style_of(self, source: StyleSource) -> _OpenStyle:
        """A style, encoded when it is another than the last.

        Raises:
            Exception: it can't be read; the same for each of its photographs.
        """
        if self._style is None or self._style[0] != source:
            self._style = source, self._encoded(source)
        found = self._style[1]
        if isinstance(found, Exception):
            raise found
        return found

    def _encoded(self, source: StyleSource) -> _OpenStyle | Exception:
        try:
            if source.picture is None:
                statistics = self._bundle.statistics(source.id)
                assert statistics is not None, "the plan takes only styles with a thumbnail"
                return _OpenStyle(self._bundle.feeds(source.id), statistics)
            return self._encode(source.picture.load())
        except Exception as error:
            return error

    def _encode(self, rgb: Rgb) -> _OpenStyle:
        """An artwork through the bundle's ONNX style encoder."""
        manifest, square = self._bundle.manifest, center_square(rgb, STYLE_ENCODER_SIDE_PX)
        file = next(
            one
            for one in manifest.files
            if (one.role, one.runtime) == ("style_encoder", REFERENCE[0])
        )
        path = self._bundle.folder / file.path
        session = TARGETS[file.runtime].open(self._bundle.seals.read(path), where=path)
        feeds: dict[str, Any] = dict(session.run({STYLE_IMAGE: to_tensor(square)}))
        shapes = manifest.network.code_shapes
        if STRENGTH in shapes:
            feeds[STRENGTH] = np.ones(shapes[STRENGTH], np.float32)
        return _OpenStyle(feeds, style_statistics(square))


def _row(
    ids: Sequence[str],
    key: LaneKey,
    judged: PairScore | None = None,
    failed: Failed | None = None,
) -> EvaluatedRow:
    runtime, precision, tier = key
    return EvaluatedRow(
        content=ids[0],
        style=ids[1],
        runtime=runtime,
        precision=precision,
        tier=tier,
        machine=_machine(),
        judged=judged,
        failed=failed,
    )


def _failure(
    subject: Subject, content: str, style: str, key: LaneKey, error: Exception
) -> EvaluatedRow:
    message = error.message if isinstance(error, IastExportError) else str(error)
    words = " ".join(message.split()).replace(str(subject.folder), "the bundle")
    failed = Failed(kind=type(error).__name__, message=words or "it said nothing")
    return _row((content, style), key, failed=failed)


def _named(error: Exception, content: SetImage, style: StyleSource) -> Exception:
    """The error with names in place of paths, which differ between machines."""
    if not isinstance(error, IastExportError):
        return error
    message = error.message
    for image in (content, style.picture):
        if image is not None:
            message = message.replace(image.origin, image.id).replace(str(image.path), image.id)
    return type(error)(message, error.remedy)


@cache
def _machine() -> str:
    facts = kernel_facts()
    flags = facts["flags"]
    shown = " ".join(flags) if isinstance(flags, list) else str(flags)
    return f"{facts['architecture']} {facts['cpu']} {shown}".strip()
