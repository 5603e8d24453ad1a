"""What the gate's checks share: keys and labels of rows, coverage, and the making of a check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from iast_export.reports.benchmark import BenchmarkRow
from iast_export.reports.verdict import Check, CheckKind, Outcome
from iast_export.reports.verify import VerifyRow

Key = tuple[str, str, str]


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
    """What checks call a row, for example `litert int8 d4-256px`."""
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
