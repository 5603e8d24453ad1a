"""Who works: any `concurrent.futures.Executor`, worker processes of our own, or a Dask cluster.

Tasks go out a few at a time, in order. Where a worker is lost, what it had goes to another; a task
that was there at the time is tried alone, then picture by picture, so that the one picture that
ends whoever draws it is found, and is a row.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from iast_export.errors import ToolError
from iast_export.evaluate.worker import Task, judge, lost

Judged = tuple[Task, list[str]]
# Outstanding per worker; chosen: enough that none waits for the next, few enough to lose.
_AHEAD = 4
# Where nobody says how many workers there are.
_WINDOW = 256


@dataclass(frozen=True)
class Engine:
    """What tasks are given to.

    Attributes:
        start: an executor; called again where the one before broke.
        window: tasks outstanding at most.
        restarts: whether `start` can be called again.
        lost_errors: raised by a future whose worker was lost while the executor goes on.
    """

    start: Callable[[], Executor]
    window: int = _WINDOW
    restarts: bool = False
    lost_errors: tuple[type[BaseException], ...] = ()


def processes(count: int) -> Engine:
    """Worker processes of this machine, started afresh where one is lost."""
    return Engine(lambda: _pool(count), _AHEAD * count, restarts=True)


def given(executor: Executor) -> Engine:
    """Somebody's executor, which stays theirs to shut down; it must reach the same folders."""
    return Engine(lambda: executor)


@contextmanager
def dask(address: str) -> Iterator[Engine]:
    """The workers of a Dask scheduler, such as `tcp://host:8786`, which must see the same folders.

    Raises:
        UsageError: Dask is not installed.
        ToolError: nobody answers there.
    """
    import distributed

    try:
        client = distributed.Client(address, timeout="15s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ToolError(
            f"no Dask scheduler answers at {address}: {error}",
            "start `dask scheduler` and `dask worker`, and give the address that it prints",
        ) from error
    try:
        executor = client.get_executor(pure=False)
        yield Engine(lambda: executor, lost_errors=(distributed.scheduler.KilledWorker,))
    finally:
        client.close()


def results(tasks: Iterable[Task], engine: Engine) -> Iterator[Judged]:
    """Every task with its rows, in the order in which they are done.

    Raises:
        InputError, ToolError: see `worker.judge`; or the executor broke and can't be replaced.
    """
    run = _Run(iter(tasks), engine)
    try:
        yield from run.all()
    finally:
        run.stop()


class _Run:
    def __init__(self, tasks: Iterator[Task], engine: Engine) -> None:
        self._tasks, self._engine = tasks, engine
        self._executor = engine.start()
        self._pending: dict[Future[list[str]], Task] = {}
        self._doubtful: deque[Task] = deque()  # whose worker was lost: each is tried alone
        self._alone = self._broken = False

    def all(self) -> Iterator[Judged]:
        while self._fill():
            done, _ = wait(self._pending, return_when=FIRST_COMPLETED)
            for future in done:
                task, rows = self._pending.pop(future), self._rows(future)
                if rows is not None:
                    yield task, rows
                elif self._alone and len(task.contents) == 1:
                    yield task, lost(task)
                else:
                    self._doubtful.extend(task.apart() if self._alone else [task])
            if self._broken and not self._pending:
                self._replace()

    def stop(self) -> None:
        """What was not begun is not begun; an executor of our own ends."""
        for future in self._pending:
            future.cancel()
        if self._engine.restarts:
            self._executor.shutdown(cancel_futures=True)

    def _fill(self) -> bool:
        """Gives out what may go out now; whether anything is under way."""
        if self._doubtful and not self._pending:
            self._alone = True
            self._submit(self._doubtful.popleft())
        elif not self._doubtful and not self._broken:
            self._alone = False
            for task in islice(self._tasks, self._engine.window - len(self._pending)):
                self._submit(task)
        return bool(self._pending)

    def _submit(self, task: Task) -> None:
        try:
            self._pending[self._executor.submit(judge, task)] = task
        except BrokenExecutor:  # a worker was lost since
            failed: Future[list[str]] = Future()
            failed.set_exception(BrokenExecutor())
            self._pending[failed] = task

    def _rows(self, future: Future[list[str]]) -> list[str] | None:
        """What a task came to; None where its worker was lost."""
        try:
            return future.result()
        except BrokenExecutor:
            self._broken = True
        except self._engine.lost_errors:
            pass
        except CancelledError as error:
            raise ToolError(
                "the workers' scheduler went away", "run again, which goes on from what is judged"
            ) from error
        return None

    def _replace(self) -> None:
        if not self._engine.restarts:
            raise ToolError(
                "the executor broke: a worker was lost",
                "run again, which goes on from what is judged",
            )
        self._executor.shutdown()
        self._executor, self._broken = self._engine.start(), False


def _pool(count: int) -> ProcessPoolExecutor:
    """Processes that start clean, as runtimes have threads that a fork would lose."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # a core each: read once, as a process starts
    context: Any = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(count, mp_context=context, initializer=_start)


def _start() -> None:
    import cv2

    cv2.setNumThreads(1)
