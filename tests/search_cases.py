"""A drawn-up network of four groups, whose decibels and milliseconds simply add up."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from iast_export.reports.search import Candidate
from iast_export.search.budgets import parse_budgets
from iast_export.search.greedy import Search, SearchOutcome
from iast_export.search.measure import OutOfTimeError

GAINS = {"a": 0.2, "b": 6.0, "c": 3.0, "d": 0.1}
COSTS_MS = {"a": 1.0, "b": 1.0, "c": 3.0, "d": -0.5}
SPREAD = np.array([-1.0, -0.5, 0.5, 1.0])
REFERENCE = [{"style_distance": 0.2, "identity": None}] * 4


def made(in_float: Collection[str]) -> Candidate:
    """A candidate whose decibels, milliseconds and bytes are sums over its groups."""
    names = tuple(name for name in GAINS if name in in_float)
    time = 10.0 + sum(COSTS_MS[name] for name in names)
    drift = [1.0, 1.001, 1.0, 0.999, 1.0]
    return Candidate(
        in_float=names,
        psnr_db=tuple(35.0 + sum(GAINS[name] for name in names) + SPREAD),
        ssim=(0.9,) * 4,
        scores=({"style_distance": 0.21, "identity": None},) * 4,
        blocks_ms=tuple((time * d, time * d) for d in drift),
        base_blocks_ms=tuple((10.0 * d, 10.0 * d) for d in drift),
        file_bytes=1000 + 100 * len(names),
    )


def found_with(*texts: str, limit: int = 99) -> tuple[SearchOutcome, list[tuple[str, ...]]]:
    """A search over the drawn-up groups that ends after `limit` measurements."""
    order: list[tuple[str, ...]] = []

    def measure(in_float: Collection[str]) -> Candidate:
        candidate = made(in_float)
        if candidate.in_float not in order:
            if len(order) >= limit:
                raise OutOfTimeError
            order.append(candidate.in_float)
        return candidate

    return Search(list(GAINS), measure, parse_budgets(texts), REFERENCE).run(), order
