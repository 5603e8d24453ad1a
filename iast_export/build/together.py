"""Independent pieces of a stage, done by all cores at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from iast_export.environment import usable_cores

T = TypeVar("T")
R = TypeVar("R")


def together(
    work: Callable[[T, int], R],
    pieces: Sequence[T],
    is_large: Callable[[T], bool] = lambda piece: False,
) -> list[R]:
    """What `work(piece, threads)` returns for each piece, in their order.

    Runtimes gain little by a second thread and let go of Python's lock while they run, so pieces
    have a core each, or more where there are fewer pieces than cores. Results do not depend on how
    many there are.

    Args:
        work: is told how many threads it may use.
        pieces: the longest first, so that no core is idle for long at the end.
        is_large: whether a piece holds so much memory that it has all cores and none beside it.
            Those are done first.
    """
    large = [is_large(piece) for piece in pieces]
    alone = [work(piece, usable_cores()) for piece, one in zip(pieces, large, strict=True) if one]
    rest = [piece for piece, one in zip(pieces, large, strict=True) if not one]
    threads = max(1, usable_cores() // max(1, len(rest)))
    with ThreadPoolExecutor(max_workers=usable_cores()) as pool:
        beside = pool.map(lambda piece: work(piece, threads), rest)
        done = {True: iter(alone), False: beside}
        return [next(done[one]) for one in large]
