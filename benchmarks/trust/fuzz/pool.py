"""Worker processes that read inputs: a crash is seen and the worker replaced, a hang is ended."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from benchmarks.trust.fuzz.cases import CRASH, HANG, MEMORY, Result, draw, judge, seeds_of
from benchmarks.trust.fuzz.readers import ALL

Case = tuple[str, int, int]
"""Reader, seed, index."""
Given = tuple[str, str, bytes]
"""Reader, a seed's name, bytes."""
_WARM_S = 300.0
_GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """What one case may take."""

    seconds: float = 30.0
    bytes: int = _GIB


class _Worker:
    """One process and what it works on."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other,), daemon=True)
        self.process.start()
        other.close()
        self.task: Case | Given | None = None
        self.deadline = 0.0
        self.warm: set[str] = set()

    def give(self, task: Case | Given, limits: Limits) -> None:
        """Sends a task; the first of a reader has time to import what that needs."""
        self.task = task
        self.deadline = time.monotonic() + (limits.seconds if task[0] in self.warm else _WARM_S)
        self.warm.add(task[0])
        self.pipe.send((task, limits.bytes))

    def end(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


def run_cases(
    tasks: Iterable[Case | Given],
    workers: int,
    limits: Limits,
    until: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[Case | Given, Result]]:
    """The results of all tasks, as they come; no new one begins once `until` says so."""
    queue, pool = iter(tasks), [_Worker() for _ in range(workers)]
    try:
        for worker in pool:
            _next(worker, queue, limits, until)
        while any(worker.task is not None for worker in pool):
            busy = [worker for worker in pool if worker.task is not None]
            first = min(worker.deadline for worker in busy)
            ready = wait([worker.pipe for worker in busy], max(0.0, first - time.monotonic()))
            for n, worker in enumerate(pool):
                task = worker.task
                if task is None or (
                    worker.pipe not in ready and time.monotonic() < worker.deadline
                ):
                    continue
                result = (
                    _received(worker) if worker.pipe in ready else Result(HANG, "no answer in time")
                )
                if result.outcome in (CRASH, HANG, MEMORY):
                    worker.end()
                    pool[n] = worker = _Worker()
                _next(worker, queue, limits, until)
                yield task, result
    finally:
        for worker in pool:
            worker.end()


def _next(worker: _Worker, queue: Iterator[Any], limits: Limits, until: Callable[[], bool]) -> None:
    task = None if until() else next(queue, None)
    worker.task = None
    if task is not None:
        worker.give(task, limits)


def _received(worker: _Worker) -> Result:
    try:
        result: Result | Exception = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        code = worker.process.exitcode or 0
        return Result(CRASH, signal.Signals(-code).name if code < 0 else f"exit code {code}")
    if isinstance(result, Exception):
        raise RuntimeError(f"the fuzzer itself failed at {worker.task}") from result
    return result


def _serve(pipe: Connection) -> None:
    """Reads what it is told, until it is ended. What native code prints goes nowhere."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    os.nice(5)
    while True:
        task, limit_bytes = pipe.recv()
        reader = task[0]
        try:
            name, data = (
                (task[1], task[2]) if isinstance(task[2], bytes) else draw(reader, task[1], task[2])
            )
            _warm_up(reader)
        except Exception as error:  # a fault of the fuzzer's own, which the other side raises
            pipe.send(error)
            return
        _bound_memory(4 * limit_bytes)
        before = _peak_bytes()
        result = judge(reader, name, data)
        if not result.is_finding and _peak_bytes() - before > limit_bytes:
            result = Result(MEMORY, f"more than {limit_bytes >> 20} MiB")
        pipe.send(result)


_WARM: set[str] = set()


def _warm_up(reader: str) -> None:
    """Imports what a reader needs by reading its seeds, all of which it must take."""
    if reader in _WARM:
        return
    _WARM.add(reader)
    for name, data in seeds_of(reader).items() if ALL[reader].all_valid else ():
        found = judge(reader, name, data)
        if found.outcome != "taken":
            raise RuntimeError(f"the reader {reader} refuses its own seed {name}: {found.detail}")


def _bound_memory(more_bytes: int) -> None:
    """A case may map so much more than is in use: what asks for all fails, not the machine."""
    with open("/proc/self/statm") as stream:
        mapped = int(stream.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + more_bytes, resource.RLIM_INFINITY))


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
