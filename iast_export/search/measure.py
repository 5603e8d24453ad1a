"""Measuring candidates: written, timed in turn with the all-INT8 file, judged on the pairs.

Whole files are measured, so the conversions between precisions are in every figure.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from iast_export.errors import InputError
from iast_export.lanes.judge import Judging, judge, make_references
from iast_export.lanes.lane import Lane, open_runs
from iast_export.lanes.timing import Samples, TimingOptions, time_in_turn
from iast_export.lanes.views import own_shape_pairs, views_of
from iast_export.pictures.images import to_tensor
from iast_export.reports.search import Candidate, SearchState
from iast_export.search.subjects import Subject

# A step may take half as long again as the longest so far: files differ, and so do their times.
_SLACK = 1.5
# That an interval can be made of.
_LEAST_BLOCKS = 2


class OutOfTimeError(Exception):
    """The time box would be left by another measurement."""


@dataclass
class Deadline:
    """A time box: refuses a step that would probably end outside of it."""

    seconds: float
    now: Callable[[], float] = time.monotonic
    start: float | None = None
    longest: float = 0.0

    def __post_init__(self) -> None:
        self.start = self.now() if self.start is None else self.start

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return self.now() - (self.start or 0.0)

    def check(self) -> None:
        """Raises OutOfTimeError where a step, half again the longest, would end too late."""
        if self.spent + _SLACK * self.longest > self.seconds:
            raise OutOfTimeError


class Bench:
    """Measures candidates, each once; what was measured is kept in a state file and read again.

    Args:
        subject: what is searched.
        key: hash of everything that decides the figures; a state with another one is not used.
        state_path: where figures are kept.
        deadline: refuses to begin what would not end in time. The two ends, everything in INT8 and
            everything in FP32, are measured whatever it says, where it is over in two blocks each.
        timing: how to time; the budget is for each candidate.
    """

    def __init__(
        self,
        subject: Subject,
        key: str,
        state_path: Path,
        deadline: Deadline,
        timing: TimingOptions | None = None,
    ) -> None:
        self.subject, self.state_path, self.deadline = subject, state_path, deadline
        self.timing = timing or TimingOptions()
        self.groups = subject.groups
        if not self.groups:
            raise InputError(
                f"{subject.fp32} has no operator that computes in integers",
                "leave this network in FP32",
            )
        self.everything = frozenset(group.name for group in self.groups)
        self.judging = Judging(subject.scorers, self.timing.threads, subject.multiple_px)
        side_px = subject.tier.max_side_px
        shaped = own_shape_pairs(subject.pairs, side_px) if self._keeps_shape else []
        views = views_of(subject.pairs, shaped, subject.tier)
        self.references = make_references(subject.reference, views, self.judging)
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

    @cached_property
    def _keeps_shape(self) -> bool:
        """Whether pictures of any shape are judged: where the file with all in integers takes
        them. A candidate that does not is judged as it would draw, padded."""
        with tempfile.TemporaryDirectory() as folder:
            lane = self._lane(Path(folder) / "base")
            lane.path.write_bytes(self._base)
            return self._reshaped(lane).keeps_shape

    def _reshaped(self, lane: Lane) -> Lane:
        return lane.reshaped(self.subject.multiple_px)

    @cached_property
    def _base(self) -> bytes:
        """The file with everything in integers, which every candidate is timed in turn with."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"base{self.subject.suffix}"
            self.subject.write((), path)
            return path.read_bytes()

    def _measure(self, names: tuple[str, ...]) -> Candidate:
        with tempfile.TemporaryDirectory() as folder:
            base, lane = (self._lane(Path(folder) / name) for name in ("base", "candidate"))
            base.path.write_bytes(self._base)
            if names:
                self.subject.write(names, lane.path)
            else:
                lane = base
            samples = self._time(base, lane)
            judged = judge(self._reshaped(lane), self.references, self.judging)
            return Candidate(
                in_float=names,
                psnr_db=tuple(one.psnr_db for one in judged),
                ssim=tuple(one.ssim for one in judged),
                scores=tuple(one.scores.model_dump() for one in judged),
                blocks_ms=samples[lane].blocks_ms,
                base_blocks_ms=samples[base].blocks_ms,
                file_bytes=lane.path.stat().st_size,
            )

    def _time(self, *lanes: Lane) -> dict[Lane, Samples]:
        first = self.references[0].view
        content, threads = to_tensor(first.content), self.timing.threads
        runs = open_runs(dict.fromkeys(lanes), content, first.pair.feeds, threads)
        return time_in_turn(runs, self._in_time())

    def _in_time(self) -> TimingOptions:
        """The timing within what is left of the time box; the fewest blocks where nothing is."""
        left_s = max(0.0, self.deadline.seconds - self.deadline.spent)
        wanted_s = self.timing.budget_s
        if wanted_s is not None and wanted_s <= left_s:
            return self.timing
        least = self.timing.min_blocks if left_s else _LEAST_BLOCKS
        return replace(self.timing, budget_s=left_s, min_blocks=least)

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
