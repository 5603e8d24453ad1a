"""The search: INT8 or FP32 per operator group, so that budgets hold at the least latency."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from iast_export.decide.groups import OperatorGroup
from iast_export.errors import InputError
from iast_export.files.artifacts import Progress, atomic_path, no_progress, sha256_file
from iast_export.files.paths import check_not_overwriting
from iast_export.lanes.timing import TimingOptions
from iast_export.reports.base import SetFacts
from iast_export.reports.search import (
    Candidate,
    GroupRow,
    SearchedLane,
    SearchReport,
    search_name,
    state_name,
)
from iast_export.search.budgets import Budget, judge, latency_ms, parse_budgets
from iast_export.search.greedy import Search, SearchOutcome, mean_psnr_db, speed
from iast_export.search.measure import Bench, Deadline
from iast_export.search.subjects import Subject

__all__ = [
    "Budget",
    "Options",
    "Subject",
    "TimingOptions",
    "parse_budgets",
    "reason_of",
    "search",
]


# Of the time box, for measuring groups alone; chosen: the rest holds the handful of files by which
# halving finds how many of them are needed.
_ALONE = 0.6


@dataclass(frozen=True)
class Options:
    """How long to search and how to time.

    Attributes:
        minutes: time box of this run; what a run measured, the next one reads.
        timing: of every candidate, in turn with the file that has everything in integers; less of
            it where the box would not hold every group alone.
        by_value: whether budgets hold as default lanes are chosen: by the measured values, not by
            their bounds, drops of task scores by squares alone.
        first: groups in float that held for the like of this tier: where they hold here too,
            nothing else is measured.
        start_s: when the box began, by `time.monotonic`: now, so that what a verb does before it
            searches counts too.
    """

    minutes: float = 10.0
    timing: TimingOptions = field(default_factory=TimingOptions)
    by_value: bool = False
    first: tuple[tuple[str, ...], ...] = ()
    start_s: float = field(default_factory=time.monotonic)

    def timing_of(self, groups: int) -> TimingOptions:
        """The timing of each candidate, so that half the box holds every group alone."""
        share_s = self.minutes * 60 / 2 / max(groups, 1)
        own_s = self.timing.budget_s
        return replace(self.timing, budget_s=share_s if own_s is None else min(own_s, share_s))


def search(
    subject: Subject,
    budgets: Sequence[Budget],
    set_facts: SetFacts,
    key: str,
    out: Path,
    name: str,
    options: Options | None = None,
    progress: Progress = no_progress,
) -> SearchReport:
    """Searches one tier and writes the chosen file, the report and the state to `out`.

    Args:
        subject: what is searched and what judges it.
        budgets: to hold, each by its bound.
        set_facts: the image set that the subject's pairs come from.
        key: hash of all inputs; a state with another key is measured anew.
        out: a folder.
        name: file name of the chosen model.
        options: time box and timing.
        progress: told what is being measured.

    Returns:
        The report, also where no file holds the budgets: then it is about the best found.

    Raises:
        CannotJudgeError: too few evaluation pictures.
        InputError: no group to search over, an unreadable state, a folder that can't be written.
        ToolError: the runtime refuses the all-INT8 file.
        UsageError: a budget on a score that nothing judged.
    """
    _check_places(out, name, subject)
    used = options or Options()
    deadline = Deadline(used.minutes * 60, start=used.start_s)
    timing = used.timing_of(len(subject.groups))
    bench = Bench(subject, key, out / state_name(subject.runtime), deadline, timing)
    names = [group.name for group in bench.groups]
    known = list(bench.candidates)
    outcome = Search(
        names,
        bench,
        budgets,
        bench.state.reference,
        progress,
        known,
        by_value=used.by_value,
        squares=len(subject.pairs) if used.by_value else None,
        enough=lambda: deadline.spent > _ALONE * deadline.seconds,
        first=[one for one in used.first if set(one) <= set(names)],
    ).run()
    with atomic_path(out / name) as temporary:
        subject.write(outcome.best.in_float, temporary)
    report = SearchReport(
        runtime=subject.runtime,
        tier=subject.tier.id,
        threads=used.timing.threads,
        fp32_sha256=sha256_file(subject.fp32),
        set=set_facts,
        verdict=outcome.verdict,
        complete=outcome.complete,
        budgets=outcome.judged,
        groups=tuple(_row(group, outcome) for group in bench.groups),
        lanes=_lanes(bench, outcome.best),
        measured=len(bench.candidates),
        measured_now=bench.measured_now,
        seconds=deadline.spent,
        file=name,
        sha256=sha256_file(out / name),
    )
    report.save(out / search_name(subject.runtime))
    return report


def _check_places(out: Path, name: str, subject: Subject) -> None:
    """Refuses to replace files that no search wrote: its state is there before any of them."""
    report, state = out / search_name(subject.runtime), out / state_name(subject.runtime)
    check_not_overwriting([out / name, report, state], [subject.fp32, subject.reference.path])
    foreign = [path for path in (out / name, report) if os.path.lexists(path)]
    if foreign and not state.is_file():
        raise InputError(
            f"{foreign[0]} was not written by a search and would be replaced",
            "move it away, or choose another --out",
        )


def _row(group: OperatorGroup, outcome: SearchOutcome) -> GroupRow:
    found = outcome.sensitivity.get(group.name)
    in_float = group.name in outcome.best.in_float
    return GroupRow(
        name=group.name,
        operators=group.operators,
        precision="fp32" if in_float else "int8",
        reason=reason_of(group, outcome, in_float),
        gain_db=found.gain_db if found else None,
        lost_ms=found.lost_ms if found else None,
        int8_speed=found.int8_speed.value if found else None,
        int8_speed_low=found.int8_speed.low if found else None,
        int8_speed_high=found.int8_speed.high if found else None,
    )


def reason_of(group: OperatorGroup, outcome: SearchOutcome, in_float: bool) -> str:
    """Why a group got its precision, in words that stand in the report."""
    found = outcome.sensitivity.get(group.name)
    if found is None:
        return outcome.unwritable.get(group.name, "not measured alone in this time")
    if found.slower_in_int8:
        return (
            "slower in INT8"
            if in_float
            else "slower in INT8 alone; not confirmed, or a budget needs it"
        )
    if in_float and not found.faster_in_int8 and found.lost_ms <= found.least_ms:
        return f"INT8 is no faster ({found.gain_db:+.2f} dB)"
    if in_float:
        return f"{found.gain_db:+.2f} dB for {found.lost_ms:.2f} ms"
    if found.faster_in_int8:
        return "INT8 is faster"
    if found.lost_ms <= found.least_ms:
        return "no clear difference alone; the fastest whole has it in INT8"
    return "INT8 seems faster, not proven alone"


def _lanes(bench: Bench, best: Candidate) -> tuple[SearchedLane, ...]:
    base, fp32 = bench(()), bench(bench.everything)
    return (_lane("fp32", fp32, base), _lane("int8", base, base), _lane("mixed", best, base))


def _lane(lane: str, found: Candidate, base: Candidate) -> SearchedLane:
    psnr = judge(Budget("psnr_db", ">=", 0.0), found, base, ())
    return SearchedLane.model_validate(
        {
            "lane": lane,
            "median_ms": latency_ms(found, base)[0],
            "speed_to_int8": speed(found).value,
            "psnr_db": mean_psnr_db(found),
            "psnr_db_low": psnr.bound,
            "file_bytes": found.file_bytes,
        }
    )
