"""What the gate's checks share: keys and labels of rows, coverage, equality, making a check."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from iast_export.lanes.timing import Samples
from iast_export.reports.benchmark import BenchmarkRow
from iast_export.reports.verdict import Check, CheckKind, Outcome
from iast_export.reports.verify import LargeRow, PairScore, VerifyRow

Key = tuple[str, str, str]
# Relative, far above what float64 rounds in a mean, far below what a figure is read to.
TOLERANCE = 1e-6
# Two blocks of two runs, the fewest that `lanes.timing.time_in_turn` takes.
LEAST_SAMPLES = 4
# Of SSIM as `metrics.fidelity` defines it: what its 7x7 windows leave out of a side, and 0.01².
_SSIM_EDGE_PX = 6
_SSIM_C1 = 1e-4


def cover(
    what: str, wanted: Collection[Key] | Collection[str], found: Sequence[Key] | Sequence[str]
) -> Check:
    """Passes where `found` holds each of `wanted` once and nothing else."""
    have = Counter(found)
    missing, extra = set(wanted) - set(have), set(have) - set(wanted)
    twice = {one for one, count in have.items() if count > 1}
    said = [
        f"{word} "
        f"{', '.join(sorted(one if isinstance(one, str) else ' '.join(one) for one in rows))}"
        for word, rows in (("missing", missing), ("new", extra), ("twice", twice))
        if rows
    ]
    outcome: Outcome = "cannot judge" if said else "pass"
    remedy = "measure every model of the bundle; if the change is meant, write a new baseline"
    name = f"coverage: {what}"
    return check_of(
        name,
        "coverage",
        outcome,
        "; ".join(said) or f"{len(have)} rows",
        f"{len(wanted)} rows",
        remedy,
    )


def key_of(row: VerifyRow | BenchmarkRow) -> Key:
    """Runtime, precision and tier of a row."""
    return row.runtime, row.precision, row.tier


def label_of(row: VerifyRow | BenchmarkRow) -> str:
    """What checks call a row, for example `litert int8 d3-256px`."""
    return " ".join(key_of(row))


def check_of(
    name: str, kind: CheckKind, outcome: Outcome, measured: str, rule: str, remedy: str
) -> Check:
    """A check; a pass needs no remedy."""
    return Check(
        name=name,
        kind=kind,
        outcome=outcome,
        measured=measured,
        rule=rule,
        remedy="" if outcome == "pass" else remedy,
    )


def no_lane(rule: str, lane: str) -> Check:
    """What a rule comes to that speaks of a lane which the reports don't have."""
    remedy = "measure that lane, or take the rule out"
    return check_of(
        f"rule: {rule}", "coverage", "cannot judge", "no such row", f"a row of {lane}", remedy
    )


def unlike_threads(row: BenchmarkRow, other: BenchmarkRow) -> list[str]:
    """How the threads of two rows differ; empty where they don't."""
    return [] if row.threads == other.threads else [f"threads: {row.threads}, {other.threads}"]


def samples_of(found_ms: Sequence[float]) -> Samples:
    """The samples of a row: kept in their order, two per block."""
    return Samples((), tuple(zip(found_ms[::2], found_ms[1::2], strict=True)))


def differs(name: str, told: float | None, follows: float | None) -> Iterator[str]:
    """Says so where a figure is not what follows from the raw values."""
    if told is None or follows is None:
        if told is not follows:
            yield f"{name} is {_number(told)}, the raw values give {_number(follows)}"
    elif not same(told, follows):
        yield f"{name} is {_number(told)}, the raw values give {_number(follows)}"


def _number(value: float | None) -> str:
    return "absent" if value is None else f"{value:.6g}"


def same(one: float, other: float) -> bool:
    """Whether two figures are equal but for rounding."""
    return abs(one - other) <= TOLERANCE * max(abs(other), 1e-3)


def least_ssim(found: PairScore | LargeRow) -> float:
    """How low SSIM can be at this PSNR, less what rounding takes; -inf where no window fits.

    In a window, 1 - SSIM is at most the mean squared difference over C1 = 0.01²; a pixel lies in at
    most 49 windows of 49 pixels, so the mean over windows is at most that of the picture, scaled by
    their number.
    """
    width, height = found.width_px, found.height_px
    if min(width, height) <= _SSIM_EDGE_PX:
        return -math.inf
    inner = (width - _SSIM_EDGE_PX) * (height - _SSIM_EDGE_PX)
    mse = math.exp(-found.psnr_db / 10.0 * math.log(10.0))
    return 1.0 - mse / _SSIM_C1 * width * height / inner - TOLERANCE
