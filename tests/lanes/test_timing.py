"""Timing in turn, and ratios that say how sure they are."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iast_export.errors import CannotJudgeError, InputError, UsageError
from iast_export.lanes.timing import (
    Samples,
    TimingOptions,
    clock_of,
    ratio_interval,
    time_in_turn,
)
from iast_export.metrics.summaries import P90_MIN_SAMPLES, p90_ms


class FakeClock:
    """A clock that only moves when something "runs"; speed may drift."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.calls: list[str] = []

    def __call__(self) -> int:
        return self.now_ns

    def run(self, name: str, cost_ms: float, drift: float = 0.0) -> Callable[[], None]:
        def go() -> None:
            self.calls.append(name)
            self.now_ns += int(cost_ms * (1.0 + drift * len(self.calls)) * 1e6)

        return go


def test_blocks_run_forward_then_backward_after_a_warm_up_kept_apart() -> None:
    clock = FakeClock()
    runs = {"fp32": clock.run("A", 3.0), "int8": clock.run("B", 1.0)}
    samples = time_in_turn(runs, TimingOptions(warmup=2, blocks=3, clock_ns=clock))
    assert "".join(clock.calls) == "AABB" + "ABBA" * 3
    assert samples["fp32"].warmup_ms == (3.0, 3.0)
    assert samples["fp32"].samples_ms == (3.0,) * 6
    assert samples["int8"].median_ms == 1.0


def test_more_than_two_things_go_through_in_a_palindrome() -> None:
    clock = FakeClock()
    runs = {name: clock.run(name, 1.0) for name in "ABCD"}
    time_in_turn(runs, TimingOptions(warmup=0, blocks=2, clock_ns=clock))
    assert "".join(clock.calls) == "ABCDDCBA" * 2


def test_what_is_timed_beside_runs_in_the_first_blocks_alone() -> None:
    clock = FakeClock()
    runs, beside = {"A": clock.run("A", 1.0)}, {"B": clock.run("B", 200.0)}
    options = TimingOptions(warmup=2, blocks=6, budget_s=1e9, clock_ns=clock)
    samples = time_in_turn(runs, options, beside)
    assert "".join(clock.calls) == "AAB" + "ABBA" * 2 + "AA" * 4
    assert (len(samples["A"].blocks_ms), len(samples["B"].blocks_ms)) == (6, 2)
    assert len(samples["B"].warmup_ms) == 1


def test_what_is_cheap_beside_runs_in_as_many_blocks_as_are_always_measured() -> None:
    clock = FakeClock()
    runs, beside = {"A": clock.run("A", 1.0)}, {"B": clock.run("B", 1.0)}
    options = TimingOptions(warmup=1, blocks=9, min_blocks=4, clock_ns=clock)
    assert len(time_in_turn(runs, options, beside)["B"].blocks_ms) == 4


def test_a_machine_that_slows_down_steadily_does_not_bend_the_ratio() -> None:
    clock = FakeClock()
    runs = {"fp32": clock.run("A", 30.0, 0.02), "int8": clock.run("B", 10.0, 0.02)}
    samples = time_in_turn(runs, TimingOptions(warmup=1, blocks=10, clock_ns=clock))
    found = ratio_interval(samples["fp32"], samples["int8"])
    assert found.value == pytest.approx(3.0, rel=1e-3)
    assert found.high - found.low < 0.01


def test_a_budget_lowers_the_number_of_blocks_but_not_below_the_least() -> None:
    clock = FakeClock()
    runs = {"fp32": clock.run("A", 300.0), "int8": clock.run("B", 100.0)}

    def within(budget_s: float | None, blocks: int) -> TimingOptions:
        return TimingOptions(1, 1, blocks, budget_s, min_blocks=3, clock_ns=clock)

    some = time_in_turn(runs, within(4.0, 50))
    assert len(some["fp32"].blocks_ms) == 5
    least = time_in_turn(runs, within(0.1, 50))
    assert len(least["fp32"].blocks_ms) == 3
    all_of_them = time_in_turn(runs, within(1000.0, 4))
    assert len(all_of_them["fp32"].blocks_ms) == 4
    unasked = time_in_turn(runs, within(None, 60))
    assert len(unasked["fp32"].blocks_ms) == 60
    few = time_in_turn(runs, within(0.1, 2))
    assert len(few["fp32"].blocks_ms) == 2


def test_garbage_collection_rests_while_timing_and_comes_back_after_an_error() -> None:
    seen: list[bool] = []
    time_in_turn({"a": lambda: seen.append(gc.isenabled())}, TimingOptions(blocks=2))
    assert not any(seen)
    assert gc.isenabled()

    def broken() -> None:
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        time_in_turn({"a": broken}, TimingOptions(blocks=2))
    assert gc.isenabled()


def test_the_real_clock_gives_positive_times() -> None:
    samples = time_in_turn({"nothing": lambda: None}, TimingOptions(warmup=0, blocks=2))
    assert all(sample > 0 for sample in samples["nothing"].samples_ms)


@pytest.mark.parametrize(
    ("runs", "warmup", "blocks"), [({}, 1, 4), ({"a": None}, -1, 4), ({"a": None}, 1, 1)]
)
def test_nothing_to_compare_is_refused(runs: dict[str, None], warmup: int, blocks: int) -> None:
    with pytest.raises(UsageError, match="at least 2 blocks"):
        options = TimingOptions(warmup=warmup, blocks=blocks)
        time_in_turn({name: (lambda: None) for name in runs}, options)


@pytest.mark.parametrize(
    ("count", "known"), [(1, False), (P90_MIN_SAMPLES - 1, False), (29, True), (100, True)]
)
def test_p90_is_given_only_where_the_samples_allow_it(count: int, known: bool) -> None:
    found = p90_ms([float(i) for i in range(1, count + 1)])
    assert (found is not None) is known
    if count == 100:
        assert found == 90.0


BLOCKS = st.lists(
    st.tuples(st.floats(0.5, 2.0), st.floats(0.5, 2.0), st.floats(0.5, 2.0), st.floats(0.5, 2.0)),
    min_size=2,
    max_size=12,
)


@given(BLOCKS, st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_an_interval_holds_its_value_and_repeats_for_a_seed(
    blocks: list[tuple[float, float, float, float]], seed: int
) -> None:
    base = Samples((), tuple((a, b) for a, b, _, _ in blocks))
    other = Samples((), tuple((c, d) for _, _, c, d in blocks))
    found = ratio_interval(base, other, seed)
    assert found.low <= found.value <= found.high
    assert found == ratio_interval(base, other, seed)
    ratios = [(a + b) / (c + d) for a, b, c, d in blocks]
    assert min(ratios) - 1e-9 <= found.low
    assert found.high <= max(ratios) + 1e-9


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    hits = 0
    for trial in range(200):
        noise = random.lognormal(0.0, 0.1, (15, 4))
        base = Samples((), tuple((3.0 * a, 3.0 * b) for a, b, _, _ in noise))
        other = Samples((), tuple((c, d) for _, _, c, d in noise))
        found = ratio_interval(base, other, trial)
        hits += found.low <= 3.0 <= found.high
    assert hits >= 180


def test_things_measured_apart_are_not_compared() -> None:
    one, two = Samples((), ((1.0, 1.0),) * 3), Samples((), ((1.0, 1.0),) * 4)
    with pytest.raises(InputError, match="one interleaved run"):
        ratio_interval(one, two)
    with pytest.raises(CannotJudgeError, match="two blocks"):
        ratio_interval(Samples((), ((1.0, 1.0),)), Samples((), ((1.0, 1.0),)))


def test_one_thread_is_timed_by_processor_time_and_several_on_the_wall() -> None:
    assert clock_of(1) == ("processor", time.process_time_ns)
    assert clock_of(2) == ("wall", time.perf_counter_ns)
