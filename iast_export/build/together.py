"""Independent pieces of a stage, done by all cores at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from iast_export.environment import usable_cores

T = TypeVar("T")
R = TypeVar("R")


def together(work: Callable[[T, int], R], pieces: Sequence[T]) -> list[R]:
    """What `work(piece, threads)` returns for each piece, in their order.

    Runtimes gain little by a second thread and let go of Python's lock while they run, so pieces
    have a core each, or more where there are fewer pieces than cores. Results do not depend on how
    many there are.

    Args:
        work: is told how many threads it may use.
        pieces: the longest first, so that no core is idle for long at the end.
    """
    threads = max(1, usable_cores() // max(1, len(pieces)))
    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        return list(pool.map(lambda piece: work(piece, threads), pieces))
