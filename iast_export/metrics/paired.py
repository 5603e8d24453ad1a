"""Two things measured side by side: better, worse, no difference of the asked size, or undecided.

What is compared comes in units that are independent of each other (a photograph, a fresh process),
each with the effect that one of the two has over the other; positive is worse. Many questions are
asked at once and looked at while measuring goes on, so every decision pays for both: Holm's
procedure over the questions, and for each look a share of the error of its own.

The tails are Student's and not a bootstrap's: with eight units no resample lies beyond the worst of
them, and a question among a hundred is decided at levels of 1e-4, which percentiles of a few
thousand draws don't reach.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeVar

Decision = Literal["better", "worse", "no difference", "cannot judge"]
K = TypeVar("K", bound=Hashable)

# Chosen. Looks at 8, 16, 32, ... units; where measuring ends between two, at what there is.
FIRST_LOOK = 8
LEAST_UNITS = 4
# At most two claims about one effect are wrong at once: of no effect `better` and `worse`.
_CLAIMS = 2
_FARTHEST_T = 1e9


@dataclass(frozen=True)
class Question:
    """Whether something is worse.

    Attributes:
        size: the smallest effect that matters, above 0; where it is ruled out on both sides, there
            is no difference.
        effects: of each unit, in the order they were measured; positive is worse.
        trimmed: share of the units left out at either end (Yuen, "The two-sample trimmed t for
            unequal population variances", Biometrika 61, 1974), where single ones are far off for
            reasons of their own, as times are.
    """

    size: float
    effects: Sequence[float]
    trimmed: float = 0.0


@dataclass(frozen=True)
class Answer:
    """What is known of a question; all answers hold together at the confidence asked.

    Attributes:
        value: mean effect at the look that decided, or the last; None: too few units for a look.
        low, high: its interval, at the level at which the question was decided.
        units: that were looked at.
    """

    decision: Decision
    value: float | None = None
    low: float | None = None
    high: float | None = None
    units: int = 0


@dataclass(frozen=True)
class _Look:
    """Estimate, its standard error and degrees of freedom, and the share of the error spent."""

    value: float
    error: float
    freedom: int
    units: int
    share: float

    def beyond(self, limit: float) -> float:
        """How probable so high an estimate is where the effect is at most `limit`; 0..1."""
        distance = self.value - limit
        if self.error == 0.0:
            return 0.0 if distance > 0 else 1.0
        return student_tail(distance / self.error, self.freedom)

    def below(self, limit: float) -> float:
        """As `beyond`, so low an estimate where the effect is at least `limit`."""
        return _Look(-self.value, self.error, self.freedom, self.units, self.share).beyond(-limit)

    def claims(self, size: float) -> dict[Decision, float]:
        """The probability, at most, of each decision where it is wrong, as if it were the only one
        and this the only look."""
        return {
            "no difference": max(self.below(size), self.beyond(-size)),
            "worse": self.beyond(0.0),
            "better": self.below(0.0),
        }


def decide(
    questions: Mapping[K, Question], confidence: float, *, ended: bool = True
) -> dict[K, Answer]:
    """The answer to every question; with `confidence` all decisions are right at once.

    `worse` says that the effect is above 0 where its size is not ruled out; `no difference` that it
    lies within the size on both sides. Where both hold there is no difference of the asked size.
    Decisions stay when more is measured, so measuring may go on until all are made: a look of
    number k spends 1 / (k (k + 1)) of a question's error, which sums to 1 however many there are.

    Args:
        questions: by name.
        confidence: such as 0.99.
        ended: whether nothing more is measured, so that what lies between two looks counts.
    """
    looks = {key: _looks(one, ended) for key, one in questions.items()}
    best = {key: _best(questions[key].size, found) for key, found in looks.items()}
    order = sorted(questions, key=lambda key: min(best[key].values(), default=1.0))
    level, rejecting = 1.0 - confidence, True
    answers: dict[K, Answer] = {}
    for place, key in enumerate(order):
        if rejecting:
            limit = level / (len(order) - place)
        made = [name for name, p in best[key].items() if p <= limit] if rejecting else []
        rejecting = bool(made)
        answers[key] = _answer(made, looks[key], questions[key].size, limit)
    return {key: answers[key] for key in questions}


def _looks(question: Question, ended: bool) -> list[_Look]:
    count, ends = len(question.effects), []
    size = FIRST_LOOK
    while size <= count:
        ends.append(size)
        size *= 2
    if ended and count >= LEAST_UNITS and count not in ends:
        ends.append(count)
    return [_look(question, end, 1.0 / (k * (k + 1))) for k, end in enumerate(ends, 1)]


def _look(question: Question, units: int, share: float) -> _Look:
    ordered = sorted(question.effects[:units])
    cut = int(question.trimmed * units)
    kept = ordered[cut : units - cut]
    value = statistics.fmean(kept)
    # The variance is that of all units, those left out moved to the outermost that were kept.
    winsorized = [kept[0]] * cut + kept + [kept[-1]] * cut
    spread = math.sqrt(statistics.variance(winsorized) * (units - 1) / (len(kept) - 1))
    return _Look(value, spread / math.sqrt(len(kept)), len(kept) - 1, units, share)


def _best(size: float, looks: Sequence[_Look]) -> dict[Decision, float]:
    """Each decision's probability of being wrong, at most, over all looks and decisions."""
    found: dict[Decision, float] = {}
    for look in looks:
        for name, p in look.claims(size).items():
            found[name] = min(found.get(name, 1.0), _CLAIMS * p / look.share)
    return found


def _answer(made: Sequence[Decision], looks: Sequence[_Look], size: float, limit: float) -> Answer:
    if not looks:
        return Answer("cannot judge")
    decision: Decision = made[0] if made else "cannot judge"
    at = min(looks, key=lambda look: look.claims(size)[made[0]] / look.share) if made else looks[-1]
    half = at.error * student_quantile(limit * at.share / _CLAIMS, at.freedom)
    return Answer(decision, at.value, at.value - half, at.value + half, at.units)


def student_tail(t: float, freedom: int) -> float:
    """How probable a value above `t` is in Student's distribution, to about 1e-15.

    Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4.
    """
    angle = math.atan(abs(t) / math.sqrt(freedom))
    sine, squared = math.sin(angle), math.cos(angle) ** 2
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for i in range(2 + odd, freedom - 1, 2):
        term *= squared * (i - 1) / i
        total += term
    inner = 2.0 / math.pi * (angle + sine * total) if odd else sine * total
    tail = max(0.0, (1.0 - inner) / 2.0)
    return tail if t >= 0 else 1.0 - tail


@lru_cache(maxsize=4096)
def student_quantile(tail: float, freedom: int) -> float:
    """The value above which a share `tail`, at most one half, of Student's distribution lies."""
    low, high = 0.0, 1.0
    while student_tail(high, freedom) > tail and high < _FARTHEST_T:
        high *= 2.0
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if student_tail(middle, freedom) > tail else (low, middle)
    return high
