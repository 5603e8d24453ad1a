"""Tasks and those who work: what a lost worker had is done elsewhere, once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from pathlib import Path
from typing import Any

import pytest

from iast_export.errors import ToolError
from iast_export.evaluate import engines
from iast_export.evaluate.engines import Engine, given, results
from iast_export.evaluate.plan import StyleSource
from iast_export.evaluate.worker import Subject, Task
from iast_export.pictures.imagesets import SetImage

SUBJECT = Subject(Path("b"), "0" * 64, "d1-32px", (("litert", "int8", "d1-32px"),), False)


def image(name: str) -> SetImage:
    return SetImage(name, name, Path(name), "0" * 64, "", "")


def tasks(count: int, each: int = 2) -> list[Task]:
    return [
        Task(SUBJECT, StyleSource("s"), tuple(image(f"c{i}-{j}") for j in range(each)))
        for i in range(count)
    ]


class Fragile(Executor):
    """Does tasks at once; breaks for good at one that holds a picture of `deadly`."""

    def __init__(self, deadly: set[str], error: type[BaseException] = BrokenExecutor) -> None:
        self.deadly, self.error, self.broken = deadly, error, False
        self.done: list[str] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.broken and self.error is BrokenExecutor:
            raise BrokenExecutor
        future: Future[Any] = Future()
        names = [one.id for one in args[0].contents]
        if self.deadly & set(names):
            self.broken = True
            future.set_exception(self.error())
        else:
            self.done += names
            future.set_result([f"{name}\n" for name in names])
        return future


def names_of(engine: Engine, count: int = 4) -> list[str]:
    """Contents in rows, those of pictures that no worker survived as `lost NAME`."""
    found = []
    for _, lines in results(tasks(count), engine):
        for line in lines:
            named = line.startswith("{")
            found.append(f"lost {json.loads(line)['content']}" if named else line.strip())
    return sorted(found)


ALL = sorted(f"c{i}-{j}" for i in range(4) for j in range(2))


def test_any_executor_does_every_task_once() -> None:
    executor = Fragile(set())
    assert names_of(given(executor)) == ALL
    assert sorted(executor.done) == ALL


def test_one_picture_that_ends_every_worker_is_found_and_is_a_row() -> None:
    started: list[Fragile] = []

    def start() -> Executor:
        started.append(Fragile({"c1-1"}))
        return started[-1]

    found = names_of(Engine(start, window=3, restarts=True))
    assert found == sorted([name for name in ALL if name != "c1-1"] + ["lost c1-1"])
    assert len(started) > 1


def test_a_worker_lost_once_costs_no_row() -> None:
    deadly = {"c2-0"}

    def start() -> Executor:
        made = Fragile(set(deadly))
        deadly.clear()
        return made

    assert names_of(Engine(start, window=8, restarts=True)) == ALL


def test_a_cluster_that_goes_on_without_its_worker_is_not_replaced() -> None:
    class KilledError(Exception):
        pass

    executor = Fragile({"c0-0"}, KilledError)
    found = names_of(Engine(lambda: executor, lost_errors=(KilledError,)))
    assert found == sorted([*ALL[1:], "lost c0-0"])


def test_a_given_executor_that_broke_is_an_error_with_what_to_do() -> None:
    with pytest.raises(ToolError, match="run again"):
        names_of(given(Fragile({"c0-0"})))


def test_a_scheduler_that_goes_away_is_an_error_with_what_to_do() -> None:
    with pytest.raises(ToolError, match="scheduler went away"):
        names_of(given(Fragile({"c0-0"}, CancelledError)))


def test_a_worker_of_its_own_uses_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    executor = engines.processes(1).start()
    executor.shutdown()
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OPENBLAS_NUM_THREADS"]) == ("4", "1")
