"""Decisions about two things measured side by side, and how often they may be wrong."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from iast_export.metrics.paired import (
    Answer,
    Question,
    decide,
    student_quantile,
    student_tail,
)

SIZE = math.log(1.03)
LANES = 24


def one(effects: list[float], size: float = 1.0, confidence: float = 0.99) -> Answer:
    return decide({"it": Question(size, effects)}, confidence)["it"]


def noisy(mean: float, spread: float, count: int, seed: int = 1) -> list[float]:
    drawn = np.random.default_rng(seed).normal(0.0, 1.0, count)
    drawn = (drawn - drawn.mean()) / drawn.std(ddof=1)
    return [float(mean + spread * one) for one in drawn]


@pytest.mark.parametrize(
    ("mean", "decision"),
    [
        (2.0, "worse"),
        (-2.0, "better"),
        (0.0, "no difference"),
        (0.5, "no difference"),
        (-0.5, "no difference"),
    ],
)
def test_what_is_known_well_is_decided(mean: float, decision: str) -> None:
    answer = one(noisy(mean, 0.1, 16))
    assert answer.decision == decision
    assert answer.value == pytest.approx(mean, abs=0.05)


def test_an_effect_that_is_proven_but_smaller_than_asked_is_no_difference() -> None:
    answer = one(noisy(0.3, 0.1, 16))
    assert answer.low is not None
    assert answer.low > 0
    assert answer.decision == "no difference"


def test_what_is_known_badly_can_not_be_judged_and_its_interval_says_so() -> None:
    answer = one(noisy(0.2, 3.0, 16))
    assert answer.decision == "cannot judge"
    assert answer.low is not None
    assert answer.high is not None
    assert answer.low < 0 < 1 < answer.high


def test_too_few_units_decide_nothing_however_clear_they_are() -> None:
    assert one([5.0, 5.0, 5.0]) == Answer("cannot judge")
    assert one([5.0, 5.0, 5.0, 5.0]).decision == "worse"


def test_equal_things_are_no_different_and_a_constant_effect_is_certain() -> None:
    assert one([0.0] * 8) == Answer("no difference", 0.0, 0.0, 0.0, 8)
    assert one([1.0] * 8).decision == "worse"


def test_looks_come_at_eight_and_twice_as_many_and_at_the_end_only_where_it_ended() -> None:
    question = {"it": Question(1.0, noisy(0.2, 3.0, 20))}
    assert decide(question, 0.99, ended=False)["it"].units == 16
    assert decide(question, 0.99)["it"].units == 20
    few = {"it": Question(1.0, noisy(5.0, 0.1, 7))}
    assert decide(few, 0.99, ended=False)["it"] == Answer("cannot judge")
    assert decide(few, 0.99)["it"].decision == "worse"


def test_a_decision_stays_when_more_is_measured() -> None:
    early = [2.0 + 0.1 * (i % 3) for i in range(8)]
    later = [*early, *noisy(0.0, 30.0, 24)]
    assert one(early).decision == one(later).decision == "worse"
    assert one(later).units == 8


def test_many_questions_ask_for_more_than_one_does() -> None:
    effects = noisy(1.5, 0.9, 8)
    assert one(effects).decision == "worse"
    unknown = {str(i): Question(1.0, noisy(0.0, 9.0, 8, i)) for i in range(LANES)}
    among = decide({"it": Question(1.0, effects), **unknown}, 0.99)
    assert among["it"].decision == "cannot judge"


def test_what_is_decided_no_longer_stands_in_the_way_of_what_is_not() -> None:
    effects = noisy(1.5, 0.9, 8)
    clear = {str(i): Question(1.0, noisy(0.0, 0.01, 8, i)) for i in range(LANES)}
    found = decide({**clear, "it": Question(1.0, effects)}, 0.99)
    assert {answer.decision for answer in found.values()} == {"no difference", "worse"}
    assert found["it"].decision == "worse"


def test_answers_come_in_the_order_of_the_questions() -> None:
    asked = {name: Question(1.0, [0.0] * 8) for name in "cab"}
    assert list(decide(asked, 0.99)) == ["c", "a", "b"]
    assert decide({}, 0.99) == {}


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=40), st.floats(0.01, 2.0))
@settings(max_examples=60, deadline=None)
def test_trading_places_trades_better_and_worse(effects: list[float], size: float) -> None:
    there = one(effects, size)
    back = one([-value for value in effects], size)
    other = {"better": "worse", "worse": "better"}
    assert back.decision == other.get(there.decision, there.decision)
    if there.value is not None:
        assert back.value == pytest.approx(-there.value, abs=1e-12)


# --- how often it is wrong -----------------------------------------------------------------------


def comparison(random: np.random.Generator, effect: float, rounds: int) -> dict[int, Question]:
    """Lanes whose rounds have a bias of their process, and runs that another's work disturbs."""

    def lane() -> Question:
        bias = random.normal(0.0, 0.01, (rounds, 1))
        noise = random.normal(0.0, 0.02, (rounds, 3))
        spikes = (random.random((rounds, 3)) < 0.1) * random.normal(0.0, 0.3, (rounds, 3))
        blocks = math.log1p(effect) + bias + noise + spikes
        return Question(SIZE, [float(v) for v in np.median(blocks, axis=1)], trimmed=0.2)

    return {i: lane() for i in range(LANES)}


def decided(effect: float, tries: int, rounds: int = 32) -> list[set[str]]:
    random = np.random.default_rng(16)
    found = (decide(comparison(random, effect, rounds), 0.99) for _ in range(tries))
    return [{answer.decision for answer in one.values()} for one in found]


def test_of_two_hundred_comparisons_of_a_bundle_with_itself_one_percent_may_be_wrong() -> None:
    wrong = [found for found in decided(0.0, 200) if found & {"worse", "better"}]
    assert len(wrong) <= 2


@pytest.mark.parametrize(("effect", "rounds"), [(0.03, 32), (0.10, 8)])
def test_a_planted_slow_down_is_found_in_nearly_every_lane(effect: float, rounds: int) -> None:
    random = np.random.default_rng(17)
    lanes = [
        answer.decision
        for _ in range(20)
        for answer in decide(comparison(random, effect, rounds), 0.99).values()
    ]
    assert lanes.count("worse") >= 0.95 * len(lanes)
    assert lanes.count("better") == 0


def test_an_effect_twice_the_size_asked_is_never_called_no_difference() -> None:
    assert not [found for found in decided(0.06, 100, rounds=16) if "no difference" in found]


# --- Student's distribution ----------------------------------------------------------------------


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 8, 31, 100])
@pytest.mark.parametrize("t", [-2.0, 0.0, 0.5, 3.0, 8.0])
def test_the_tail_is_students(t: float, freedom: int) -> None:
    assert student_tail(t, freedom) == pytest.approx(student.sf(t, freedom), abs=1e-13)


@pytest.mark.parametrize("freedom", [3, 7, 30])
@pytest.mark.parametrize("tail", [0.5, 0.025, 1e-5])
def test_the_quantile_is_the_tails_inverse(tail: float, freedom: int) -> None:
    invert: Callable[[float, int], float] = student.isf
    assert student_quantile(tail, freedom) == pytest.approx(invert(tail, freedom), abs=1e-6)
