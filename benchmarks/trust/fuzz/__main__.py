"""`python -m benchmarks.trust.fuzz`: fuzzes, keeps findings as files, ends with 1 for any."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.trust.fuzz.cases import FINDINGS, Result, draw, seeds_of
from benchmarks.trust.fuzz.pool import Case, Limits, run_cases
from benchmarks.trust.fuzz.readers import READERS
from benchmarks.trust.fuzz.shrink import shrink

_CHUNK = 20


def plan(names: Sequence[str], cases: int, seed: int) -> list[Case]:
    """So many cases, shared among readers by their weight, in chunks of one reader."""
    total = sum(READERS[name].weight for name in names)
    counts = {name: max(1, cases * READERS[name].weight // total) for name in names}
    short = cases - sum(counts.values())
    counts[names[0]] = max(1, counts[names[0]] + short)
    planned: list[Case] = []
    for start in range(0, max(counts.values()), _CHUNK):
        for name in names:
            planned += [(name, seed, i) for i in range(start, min(start + _CHUNK, counts[name]))]
    return planned


def _endless(names: Sequence[str], seed: int) -> Iterator[Case]:
    start = 0
    while True:
        for name in names:
            yield from ((name, seed, i) for i in range(start, start + READERS[name].weight * 5))
        start += 50


class Findings:
    """A folder of findings: one file for each fault, shrunk where that is simple."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.files: dict[tuple[str, str, str], Path] = {}

    def add(self, case: Case, result: Result) -> None:
        """Counts a finding; the first of its kind is written."""
        kind = (case[0], result.outcome, result.where)
        self.counts[kind] += 1
        if kind not in self.files:
            self.files[kind] = self._write(case, result, len(self.files))

    def _write(self, case: Case, result: Result, number: int) -> Path:
        reader, seed, index = case
        name, data = draw(reader, seed, index)
        path = self.folder / f"{number:03d}-{reader}-{result.outcome.replace(' ', '-')}--{name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        facts = {
            "reader": reader,
            "seed_file": name,
            "seed": seed,
            "index": index,
            "outcome": result.outcome,
            "where": result.where,
            "detail": result.detail,
        }
        path.with_name(path.name + ".json").write_text(json.dumps(facts, indent=2))
        return path

    def shrink_all(self) -> None:
        """Makes each file smaller while its fault stays."""
        for (reader, outcome, where), path in self.files.items():
            if outcome not in ("exit 1", "silent acceptance", "crash"):
                continue
            name = path.name.split("--", 1)[1]

            def fails(
                trial: bytes,
                reader: str = reader,
                name: str = name,
                same: object = (outcome, where),
            ) -> bool:
                ((_, found),) = run_cases([(reader, name, trial)], 1, self.limits)
                return (found.outcome, found.where) == same

            path.write_bytes(shrink(path.read_bytes(), seeds_of(reader)[name], fails, tries=12))


def table(names: Sequence[str], outcomes: Counter[tuple[str, str]]) -> str:
    """Reader, cases, and how many ended how."""
    columns = ("taken", "refused", *FINDINGS)
    lines = [f"{'reader':<14}{'cases':>8}" + "".join(f"{column:>19}" for column in columns)]
    for name in names:
        row = [outcomes[name, column] for column in columns]
        lines.append(f"{name:<14}{sum(row):>8}" + "".join(f"{count:>19}" for count in row))
    sums = [sum(outcomes[name, column] for name in names) for column in columns]
    return "\n".join(
        [*lines, f"{'all':<14}{sum(sums):>8}" + "".join(f"{count:>19}" for count in sums)]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzzes as the options say; 1 where anything was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trust.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--minutes", type=float, help="instead of a number of cases")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--readers", nargs="+", choices=sorted(READERS), default=list(READERS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--findings", type=Path, default=Path("dist/fuzz"))
    parser.add_argument("--shrink", action="store_true")
    options = parser.parse_args(arguments)
    limits, started = Limits(), time.monotonic()
    end = started + 60 * options.minutes if options.minutes else float("inf")
    tasks = (
        _endless(options.readers, options.seed)
        if options.minutes
        else plan(options.readers, options.cases, options.seed)
    )
    findings, outcomes = Findings(options.findings, limits), Counter[tuple[str, str]]()
    for task, result in run_cases(tasks, options.workers, limits, lambda: time.monotonic() > end):
        outcomes[task[0], result.outcome] += 1
        if result.is_finding:
            findings.add(task, result)  # type: ignore[arg-type]
    print(table(options.readers, outcomes))
    if options.shrink:
        findings.shrink_all()
    for (reader, outcome, where), path in findings.files.items():
        print(
            f"{findings.counts[reader, outcome, where]:>5} x {reader}: {outcome}: {where}\n        "
            f"{path}"
        )
    print(f"{sum(outcomes.values())} cases, {time.monotonic() - started:.0f} s")
    return 1 if findings.files else 0


if __name__ == "__main__":
    sys.exit(main())
