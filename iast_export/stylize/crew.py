"""Workers with an engine each: jobs run side by side, results come in the order of the jobs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

from iast_export.stylize.lifted import Lifted

R = TypeVar("R")
Job = Callable[[Lifted], R]


class Crew:
    """See above; made by `crew`.

    Args:
        engines: one per worker, all of the same tier; the first one's facts are the crew's.
        pool: as many threads.
    """

    def __init__(self, engines: list[Lifted], pool: ThreadPoolExecutor) -> None:
        self.facts, self._count, self._pool = engines[0], len(engines), pool
        self._idle: SimpleQueue[Lifted] = SimpleQueue()
        for engine in engines:
            self._idle.put(engine)

    def run(self, jobs: Iterable[Job[R]]) -> Iterator[R]:
        """Each job's result, in order; at most two jobs per worker are taken ahead."""
        ahead: deque[Future[R]] = deque()
        try:
            for job in jobs:
                ahead.append(self._pool.submit(self._one, job))
                if len(ahead) > 2 * self._count:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:  # whoever stops listening, or a job that failed, ends the others
            for waiting in ahead:
                waiting.cancel()

    def _one(self, job: Job[R]) -> R:
        engine = self._idle.get()
        try:
            return job(engine)
        finally:
            self._idle.put(engine)


@contextmanager
def crew(open_one: Callable[[], Lifted], workers: int) -> Iterator[Crew]:
    """A crew of `workers` engines, ended with the block."""
    with ThreadPoolExecutor(workers) as pool:
        yield Crew(list(pool.map(lambda _: open_one(), range(workers))), pool)
