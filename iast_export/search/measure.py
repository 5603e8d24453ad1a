"""Measuring candidates: written, timed in turn with the all-INT8 file, judged on the evaluation
pairs.

Whole files are measured, so the conversions between precisions are in every figure.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from iast_export.errors import InputError
from iast_export.files.artifacts import Progress, no_progress
from iast_export.lanes.lane import Lane, timed_run
from iast_export.lanes.timing import Clock, interleave
from iast_export.lanes.verify import judge_pair, make_references
from iast_export.pictures.images import to_tensor
from iast_export.reports.search import Candidate, SearchState
from iast_export.search.subjects import Subject

# Of the longest candidate so far, so that the next one does not pass the time given; chosen.
_SLACK = 1.5


@dataclass(frozen=True)
class TimingOptions:
    """How candidates are timed: blocks of A B B A after `warmup` runs, at most about `budget_s`
    each."""

    threads: int = 1
    warmup: int = 2
    blocks: int = 15
    budget_s: float = 15.0
    clock_ns: Clock = time.perf_counter_ns


class OutOfTimeError(Exception):
    """The time box would be left by another measurement."""


@dataclass
class Deadline:
    """A time box: refuses a step that would probably end outside of it."""

    seconds: float
    now: Callable[[], float] = time.monotonic
    start: float = field(init=False)
    longest: float = 0.0

    def __post_init__(self) -> None:
        self.start = self.now()

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return self.now() - self.start

    def check(self) -> None:
        """Raises OutOfTimeError where a step half as long again as the longest so far would end
        too late."""
        if self.spent + _SLACK * self.longest > self.seconds:
            raise OutOfTimeError


class Bench:
    """Measures candidates, each once; what was measured is kept in a state file and read again.

    Args:
        subject: what is searched.
        key: hash of everything that decides the figures; a state with another one is not used.
        state_path: where figures are kept.
        deadline: refuses to begin what would not end in time. The two ends, everything in INT8 and
            everything in FP32, are measured whatever it says.
        timing: how to time.
        progress: told after every measurement, by `describe`.
    """

    def __init__(
        self,
        subject: Subject,
        key: str,
        state_path: Path,
        deadline: Deadline,
        timing: TimingOptions | None = None,
        progress: Progress = no_progress,
    ) -> None:
        self.subject, self.state_path, self.deadline = subject, state_path, deadline
        self.timing, self.progress = timing or TimingOptions(), progress
        self.groups = subject.groups
        if not self.groups:
            raise InputError(
                f"{subject.fp32} has no operator that computes in integers",
                "leave this network in FP32",
            )
        self.everything = frozenset(group.name for group in self.groups)
        self.references = make_references(
            subject.reference, subject.pairs, subject.scorers, self.timing.threads
        )
        self.measured_now = 0
        self.state = self._load_state(key)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Everything measured so far, earlier runs included."""
        return self.state.candidates

    def __call__(self, in_float: Collection[str]) -> Candidate:
        """The figures of a candidate, measured now or before.

        Raises:
            OutOfTimeError: the time box has no room for it.
            ToolError: the runtime refuses the file.
        """
        names = tuple(group.name for group in self.groups if group.name in in_float)
        known = next((one for one in self.candidates if one.in_float == names), None)
        if known is not None:
            return known
        if names and len(names) < len(self.everything):
            self.deadline.check()
        start = self.deadline.now()
        made = self._measure(names)
        self.deadline.longest = max(self.deadline.longest, self.deadline.now() - start)
        self.measured_now += 1
        self.state = self.state.model_copy(update={"candidates": (*self.candidates, made)})
        self.state.save(self.state_path)
        return made

    def _measure(self, names: tuple[str, ...]) -> Candidate:
        with tempfile.TemporaryDirectory() as folder:
            base, path = (self._lane(Path(folder) / name) for name in ("base", "candidate"))
            self.subject.write((), base.path)
            self.subject.write(names, path.path)
            blocks, base_blocks = self._time(base, path if names else base)
            session = path.open(self.timing.threads)
            judged = [
                judge_pair(
                    one, path.stylize(session, one.content, one.pair.feeds), self.subject.scorers
                )
                for one in self.references
            ]
            return Candidate(
                in_float=names,
                psnr_db=tuple(psnr for psnr, _, _ in judged),
                ssim=tuple(similarity for _, similarity, _ in judged),
                scores=tuple(scores.model_dump() for _, _, scores in judged),
                blocks_ms=blocks,
                base_blocks_ms=base_blocks,
                file_bytes=path.path.stat().st_size,
            )

    def _time(
        self, base: Lane, lane: Lane
    ) -> tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]:
        first, timing = self.references[0], self.timing
        content = to_tensor(first.content)
        lanes = {"base": base} if lane is base else {"base": base, "candidate": lane}
        runs = {
            name: timed_run(one.open(timing.threads), content, first.pair.feeds)
            for name, one in lanes.items()
        }
        samples = interleave(
            runs,
            timing.warmup,
            timing.blocks,
            budget_s=timing.budget_s,
            min_blocks=5,
            clock_ns=timing.clock_ns,
        )
        return samples[list(samples)[-1]].blocks_ms, samples["base"].blocks_ms

    def _lane(self, path: Path) -> Lane:
        named = path.with_suffix(self.subject.suffix)
        return Lane(self.subject.runtime, "int8", self.subject.tier, named)

    def _load_state(self, key: str) -> SearchState:
        if self.state_path.is_file():
            try:
                found = SearchState.load(self.state_path)
            except InputError as error:
                raise InputError(
                    error.message, f"delete {self.state_path} to measure anew"
                ) from error
            if found.key == key:
                return found
        return SearchState(
            key=key, reference=tuple(one.scores.model_dump() for one in self.references)
        )
