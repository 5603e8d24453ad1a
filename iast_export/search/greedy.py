"""The search over operator groups: sensitivity first, then one by one until budgets hold.

What is no faster in integers goes to float at once. What then costs the least time per decibel goes
to float until every budget holds, as many at once as halving the rest finds, one by one where a
cost stands against it; what that made superfluous goes back, or a cheaper group takes its place.
All measured files compete at the end. Where there is no time to measure every group alone, those of
the part that most is lost in were, and the others come after them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from iast_export.errors import ToolError
from iast_export.files.artifacts import Progress, no_progress
from iast_export.lanes.timing import Samples, ratio_interval
from iast_export.metrics.bootstrap import Interval
from iast_export.reports.search import Candidate, JudgedBudget, SearchVerdict
from iast_export.search.budgets import Budget, judge, shortfall
from iast_export.search.measure import OutOfTimeError

Measure = Callable[[Collection[str]], Candidate]
Scores = Sequence[Mapping[str, float | None]]
# Files whose times are within this share of the fastest are as fast; the closest to FP32 is chosen.
# The share is chosen too: below what one measurement differs by from the next.
_AS_FAST = 0.01
# Groups of which parts are measured before single ones: from eight on, four files more tell which
# two or more are to be looked at first. Chosen: networks of 18 to 40 groups lost 40 to 70 % in one
# quarter, and a box of two minutes held 10 to 20 files (benchmarks/zoo).
_MANY, _PARTS = 8, 4


@dataclass(frozen=True)
class Sensitivity:
    """One group alone in FP32, all others in integers.

    Attributes:
        gain_db: of the mean PSNR.
        lost_ms: time that it costs; negative where the group is faster in float.
        int8_speed: time with it in float / time with everything in integers; above 1 INT8 is
            faster.
        least_ms: a smaller cost counts as this much: a hundredth of the all-INT8 file's time.
    """

    gain_db: float
    lost_ms: float
    int8_speed: Interval
    least_ms: float

    @property
    def worth(self) -> float:
        """Decibels per lost millisecond."""
        return self.gain_db / max(self.lost_ms, self.least_ms)

    @property
    def slower_in_int8(self) -> bool:
        """Whether the group is proven slower in integers."""
        return self.int8_speed.high < 1.0

    @property
    def faster_in_int8(self) -> bool:
        """Whether the group is proven faster in integers."""
        return self.int8_speed.low > 1.0


@dataclass(frozen=True)
class SearchOutcome:
    """Where a search ended.

    Attributes:
        best: the fastest file whose budgets all hold, or the one closest to holding them.
        judged: the budgets of the best.
        verdict: see `SearchReport`.
        complete: whether the search came to its own end.
        sensitivity: of the groups that were reached.
        unwritable: groups that the runtime does not leave in float alone, with what it said.
    """

    best: Candidate
    judged: tuple[JudgedBudget, ...]
    verdict: SearchVerdict
    complete: bool
    sensitivity: Mapping[str, Sensitivity]
    unwritable: Mapping[str, str]


def speed(candidate: Candidate) -> Interval:
    """Time of the all-INT8 file over this file's, measured in turn; above 1 this is faster."""
    return ratio_interval(Samples((), candidate.base_blocks_ms), Samples((), candidate.blocks_ms))


def mean_psnr_db(candidate: Candidate) -> float:
    """Mean over the evaluation pairs."""
    return float(np.mean(candidate.psnr_db))


def sensitivity_of(base: Candidate, alone: Candidate) -> Sensitivity:
    """What one group in float gains and costs."""
    int8_speed = ratio_interval(Samples((), alone.blocks_ms), Samples((), alone.base_blocks_ms))
    base_ms = float(np.median(base.blocks_ms))
    return Sensitivity(
        gain_db=mean_psnr_db(alone) - mean_psnr_db(base),
        lost_ms=(int8_speed.value - 1.0) * base_ms,
        int8_speed=int8_speed,
        least_ms=_AS_FAST * base_ms,
    )


def _power(psnr_db: float) -> float:
    """The mean squared error of a PSNR, or the share that is left of one after a gain."""
    return float(10.0 ** (-psnr_db / 10.0))


@dataclass
class Search:
    """One search; `run` makes it.

    Attributes:
        groups: names, in the order of the graph.
        measure: gives a candidate's figures, or raises OutOfTimeError.
        budgets: to hold.
        reference: task scores of FP32's pictures.
        progress: told what is being measured.
        seen: measured before; all of it competes at the end.
        alone: sensitivity of the groups reached so far.
        lost: share of the squared error that a group's part makes, by its groups.
        unwritable: groups that the runtime does not leave in float alone.
        verdicts: budgets of each candidate judged so far.
        by_value: whether measured values decide, not their bounds.
        squares: see `judge`.
        enough: whether no more groups are to be measured alone.
        first: candidates that are tried before any group is measured; one that holds is enough.
    """

    groups: Sequence[str]
    measure: Measure
    budgets: Sequence[Budget]
    reference: Scores
    progress: Progress = no_progress
    seen: list[Candidate] = field(default_factory=list)
    alone: dict[str, Sensitivity] = field(default_factory=dict)
    lost: dict[str, float] = field(default_factory=dict)
    unwritable: dict[str, str] = field(default_factory=dict)
    verdicts: dict[tuple[str, ...], tuple[JudgedBudget, ...]] = field(default_factory=dict)
    by_value: bool = False
    squares: int | None = None
    enough: Callable[[], bool] = lambda: False
    first: Sequence[Collection[str]] = ()

    def run(self) -> SearchOutcome:
        """Searches until the budgets hold, nothing is left to try, or the time is out.

        Raises:
            CannotJudgeError: too few evaluation pictures.
            UsageError: a budget on a score that nothing judged.
            ToolError: the runtime refuses the all-INT8 file.
        """
        base = self._measured(())
        self._judged(base)
        self._measured(self.groups)
        complete = True
        try:
            if self._is_confirmed():
                complete = False
            else:
                complete = self._sense(base)
                self._improve()
        except OutOfTimeError:
            complete = False
        best = self._choose()
        judged = self._judged(best)
        met = all(one.holds for one in judged)
        searched = complete or set(best.in_float) != set(self.groups)
        verdict: SearchVerdict = (
            "met" if met and searched else "not met" if complete else "out of time"
        )
        return SearchOutcome(best, judged, verdict, complete, self.alone, self.unwritable)

    def _measured(self, in_float: Collection[str]) -> Candidate:
        found = self.measure(in_float)
        if found not in self.seen:
            self.seen.append(found)
        return found

    def _is_confirmed(self) -> bool:
        """Whether one of the first candidates holds the budgets and is faster than FP32."""
        for in_float in self.first:
            trial = self._tried(in_float)
            if trial is not None and self._is_better(trial, self._measured(self.groups)):
                return True
        return False

    def _sense(self, base: Candidate) -> bool:
        """Measures groups alone, those of the part that most is lost in first.

        Returns:
            Whether every group was.
        """
        known = {one.in_float for one in self.seen}
        self._compare_parts(base)
        for i, name in enumerate(self._by_parts()):
            if (name,) not in known and self.enough():
                return False
            self.progress("sensitivity", i, len(self.groups))
            try:
                self.alone[name] = sensitivity_of(base, self._measured((name,)))
            except ToolError as error:
                self.unwritable[name] = " ".join(error.message.split())
        self.progress("sensitivity", len(self.groups), len(self.groups))
        return True

    def _compare_parts(self, base: Candidate) -> None:
        """Of many groups, measures each quarter of the graph in float: where what is lost."""
        count = len(self.groups)
        for n in range(_PARTS if count >= _MANY else 0):
            part = self.groups[count * n // _PARTS : count * (n + 1) // _PARTS]
            found = None if self.enough() else self._tried(part)
            if found is not None:
                lost = 1.0 - _power(mean_psnr_db(found) - mean_psnr_db(base))
                self.lost |= dict.fromkeys(part, lost / len(part))

    def _by_parts(self) -> list[str]:
        """All groups, those of the part that most is lost in first."""
        return sorted(self.groups, key=lambda name: -self.lost.get(name, 0.0))

    def _improve(self) -> None:
        current = self._start()
        unknown = [n for n in self._by_parts() if n not in self.alone and n not in self.unwritable]
        queue = [name for name in (*self._order(), *unknown) if name not in current.in_float]
        current = self._halved(current, queue) or self._walked(current, queue)
        self.progress("search", len(queue), len(queue))
        if self._holds(current):
            current = self._give_back(current, queue)
            self._swap(current, queue)

    def _halved(self, current: Candidate, queue: Sequence[str]) -> Candidate | None:
        """The file with the fewest first groups of the queue in float that holds every budget.

        As many as their squared errors foretell, twice as many each time until it holds, then by
        halves. None: costs stand against it.
        """
        if self._holds(current):
            return current
        best, low, high, count = None, 1, len(queue), self._foretold(current, queue)
        while low <= high:
            self.progress("search", low - 1, len(queue))
            trial = self._tried((*current.in_float, *queue[:count]))
            if trial is None:
                return None
            if self._holds(trial):
                best, high = trial, count - 1
            elif self._holds(trial, costs=True):
                low = count + 1
            else:
                high = count - 1
            count = (low + high) // 2 if best or high < len(queue) else min(2 * count, high)
        return best

    def _foretold(self, current: Candidate, queue: Sequence[str]) -> int:
        """How many groups reach the PSNR budget if squared errors of groups add up; at least 1."""
        floor = next((one.limit for one in self.budgets if one.name == "psnr_db"), -np.inf)
        base = _power(mean_psnr_db(self.measure(())))
        left = _power(mean_psnr_db(current))
        for count, name in enumerate(queue):
            if left <= _power(floor):
                return max(count, 1)
            found = self.alone.get(name)
            share = 1.0 - _power(found.gain_db) if found else self.lost.get(name, 0.0)
            left -= base * share
        return max(len(queue), 1) if left <= _power(floor) else 1

    def _walked(self, current: Candidate, queue: Sequence[str]) -> Candidate:
        """One group of the queue after the other, where it helps, as far as costs allow."""
        for i, name in enumerate(queue):
            self.progress("search", i, len(queue))
            if self._holds(current) or not self._holds(current, costs=True):
                break
            current = self._with(current, name) or current
        return current

    def _order(self) -> list[str]:
        """Groups by decibels per lost millisecond, the best first."""
        return sorted(self.alone, key=lambda name: -self.alone[name].worth)

    def _start(self) -> Candidate:
        """Everything in integers but what is no faster there, the larger set of it first."""
        for names in (self._no_faster(), self._slower()):
            trial = self._tried(names) if names else None
            as_fast = trial is not None and speed(trial).value >= 1.0 - _AS_FAST
            if trial is not None and as_fast and self._holds(trial, costs=True):
                return trial
        return self._measured(())

    def _no_faster(self) -> tuple[str, ...]:
        """Groups for which integers are neither proven faster nor seem so."""
        alone = self.alone.items()
        return tuple(
            n for n, one in alone if not one.faster_in_int8 and one.int8_speed.value < 1 + _AS_FAST
        )

    def _slower(self) -> tuple[str, ...]:
        return tuple(name for name, one in self.alone.items() if one.slower_in_int8)

    def _tried(self, in_float: Collection[str]) -> Candidate | None:
        """A candidate's figures; None where the runtime does not run it as written."""
        try:
            return self._measured(in_float)
        except ToolError:
            return None

    def _with(self, current: Candidate, name: str) -> Candidate | None:
        """The current file with one more group in float, if that helps within the budgets."""
        trial = self._tried((*current.in_float, name))
        if trial is None or not self._holds(trial, costs=True):
            return None
        return trial if self._shortfall(trial) < self._shortfall(current) else None

    def _shortfall(self, candidate: Candidate) -> float:
        return shortfall(self._judged(candidate), self.by_value)

    def _give_back(self, current: Candidate, queue: Sequence[str]) -> Candidate:
        """Returns groups to the integers, costliest first, where budgets hold without them."""
        for name in self._costliest(current, queue):
            trial = self._tried(tuple(one for one in current.in_float if one != name))
            if trial is not None and self._is_better(trial, current):
                current = trial
        return current

    def _swap(self, current: Candidate, queue: Sequence[str]) -> None:
        """Puts a cheaper group in the place of a costly one, where the budgets hold with it too."""
        for name in self._costliest(current, queue):
            rest = tuple(one for one in current.in_float if one != name)
            for other in self._order():
                cheaper = self.alone[other].lost_ms < self.alone[name].lost_ms
                if other in current.in_float or not cheaper or not self._may_hold(rest, other):
                    continue
                trial = self._tried((*rest, other))
                if trial is not None and self._is_better(trial, current):
                    current = trial
                    break

    def _costliest(self, current: Candidate, queue: Sequence[str]) -> list[str]:
        """The groups of a file that came from the queue, the costliest first."""
        added = [name for name in queue if name in current.in_float and name in self.alone]
        return sorted(added, key=lambda name: -self.alone[name].lost_ms)

    def _is_better(self, trial: Candidate, current: Candidate) -> bool:
        """Whether a file holds the budgets and is faster."""
        return self._holds(trial) and speed(trial).value > speed(current).value

    def _may_hold(self, rest: Sequence[str], other: str) -> bool:
        """Whether a group's gain over the measured rest reaches the PSNR budget, as gains add."""
        floor = next((budget.limit for budget in self.budgets if budget.name == "psnr_db"), None)
        base = self._tried(rest)
        return (
            floor is None or base is None or mean_psnr_db(base) + self.alone[other].gain_db >= floor
        )

    def _judged(self, candidate: Candidate) -> tuple[JudgedBudget, ...]:
        if candidate.in_float not in self.verdicts:
            base = self.measure(())
            self.verdicts[candidate.in_float] = tuple(
                judge(budget, candidate, base, self.reference, self.by_value, self.squares)
                for budget in self.budgets
            )
        return self.verdicts[candidate.in_float]

    def _holds(self, candidate: Candidate, costs: bool = False) -> bool:
        """Whether all budgets hold; with `costs` those of time and size alone."""
        judged = zip(self.budgets, self._judged(candidate), strict=True)
        return all(one.holds for budget, one in judged if budget.metric.is_cost or not costs)

    def _choose(self) -> Candidate:
        """Of all measured files the fastest that holds the budgets; as fast ones by PSNR."""
        holding = [one for one in self.seen if self._holds(one)]
        if not holding:
            return min(self.seen, key=lambda one: (self._shortfall(one), -speed(one).value))
        slower = set(self._confirmed_slower())
        clean = [one for one in holding if slower <= set(one.in_float)] or holding
        fastest = max(speed(one).value for one in clean)
        as_fast = [one for one in clean if speed(one).value >= fastest * (1 - _AS_FAST)]
        return max(as_fast, key=mean_psnr_db)

    def _confirmed_slower(self) -> tuple[str, ...]:
        """Groups slower in integers, where a second measurement of all of them together agrees."""
        names = set(self._slower())
        together = next((one for one in self.seen if names and set(one.in_float) == names), None)
        confirmed = together is not None and speed(together).value >= 1.0 - _AS_FAST
        return tuple(names) if confirmed else ()
