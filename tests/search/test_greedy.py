"""The walk: groups ranked, limits kept, the best of all that was measured, in its time."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from iast_export.errors import ToolError
from iast_export.reports.search import Candidate
from iast_export.search.budgets import parse_budgets
from iast_export.search.greedy import Search, sensitivity_of, speed
from tests.search_cases import COSTS_MS, GAINS, REFERENCE, found_with, made


def test_budgets_that_hold_leave_everything_faster_in_integers() -> None:
    outcome, _ = found_with("psnr_db>=30")
    assert outcome.verdict == "met" and outcome.complete
    assert outcome.best.in_float == ("d",), "d is slower in INT8 and never quantized for nothing"
    assert outcome.sensitivity["d"].slower_in_int8 and outcome.sensitivity["b"].faster_in_int8


def test_the_group_with_most_decibels_per_millisecond_goes_first() -> None:
    outcome, order = found_with("psnr_db>=39")
    assert max(outcome.sensitivity, key=lambda name: outcome.sensitivity[name].worth) == "b"
    assert outcome.best.in_float == ("b", "d")
    assert order == [(), ("a", "b", "c", "d"), ("a",), ("b",), ("c",), ("d",), ("b", "d")]


def test_many_groups_are_doubled_and_halved_not_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(24):
        monkeypatch.setitem(GAINS, f"g{i}", 0.1 + i / 1000)
        monkeypatch.setitem(COSTS_MS, f"g{i}", 1.0)
    needed = parse_budgets(["psnr_db>=36.4"])
    order: list[int] = []

    def measure(in_float: object) -> object:
        found = made(in_float)
        if found.in_float not in seen:
            order.append(len(found.in_float))
            seen.add(found.in_float)
        return found

    seen: set[tuple[str, ...]] = set()
    for name in ("b", "c"):
        monkeypatch.setitem(GAINS, name, 0.0)
    search = Search(list(GAINS), measure, needed, REFERENCE, by_value=True)
    halved = search._halved
    base = measure(())
    search._sense(base)
    order.clear()
    found = halved(base, search._order())
    assert found is not None and len(order) <= 8, "of 28 groups"
    assert len(found.in_float) == 12 and all(one.holds for one in search._judged(found))


def test_values_decide_where_default_lanes_are_chosen_by_them() -> None:
    budgets = parse_budgets(["psnr_db>=41"])
    by_bound = Search(list(GAINS), made, budgets, REFERENCE).run()
    by_value = Search(list(GAINS), made, budgets, REFERENCE, by_value=True).run()
    assert set(by_value.best.in_float) == {"b", "d"} < set(by_bound.best.in_float)
    assert by_value.judged[0].bound < 41 <= by_value.judged[0].value and by_value.judged[0].holds


def test_a_cost_budget_stops_what_accuracy_asks_and_the_best_found_is_told() -> None:
    outcome, _ = found_with("psnr_db>=43", "latency_ms<=11")
    assert outcome.verdict == "not met" and outcome.complete
    assert outcome.best.in_float == ("b", "d")
    assert [one.holds for one in outcome.judged] == [False, True]
    full, _ = found_with("psnr_db>=43")
    assert full.verdict == "met" and set(full.best.in_float) >= {"b", "c", "d"}


def test_a_cheaper_group_takes_the_place_of_a_costly_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COSTS_MS, "b", 3.0)
    monkeypatch.setitem(COSTS_MS, "c", 2.0)
    outcome, order = found_with("psnr_db>=36.5", "drop.style_distance<=0.06")
    assert ("b", "d") in order, "b gives most decibels per millisecond"
    assert outcome.best.in_float == ("c", "d") and outcome.verdict == "met"


def test_a_candidate_that_held_elsewhere_is_confirmed_without_measuring_groups() -> None:
    budgets, order = parse_budgets(["psnr_db>=40"]), list[tuple[str, ...]]()

    def measure(in_float: Collection[str]) -> Candidate:
        candidate = made(in_float)
        order.append(candidate.in_float)
        return candidate

    given = {"by_value": True, "first": [("a",), ("b",)]}
    outcome = Search(list(GAINS), measure, budgets, REFERENCE, **given).run()
    assert outcome.verdict == "met" and outcome.best.in_float == ("b",) and not outcome.complete
    assert set(order) == {(), tuple(GAINS), ("a",), ("b",)} and not outcome.sensitivity
    given["first"] = [("a",)]
    other = Search(list(GAINS), made, budgets, REFERENCE, **given).run()
    assert other.complete and set(other.best.in_float) == {"b", "d"}, "it did not hold"


def test_out_of_time_is_said_with_the_best_so_far() -> None:
    outcome, order = found_with("psnr_db>=40", "latency_ms<=20", limit=4)
    assert (outcome.verdict, outcome.complete, len(order)) == ("met", False, 4)
    stopped, _ = found_with("psnr_db>=43", "latency_ms<=11", limit=4)
    assert stopped.verdict == "out of time" and set(stopped.sensitivity) == {"a", "b"}


def test_without_time_for_every_group_those_that_were_measured_are_searched_over() -> None:
    order: list[tuple[str, ...]] = []

    def measure(in_float: Collection[str]) -> Candidate:
        candidate = made(in_float)
        order.append(candidate.in_float)
        return candidate

    budgets = parse_budgets(["psnr_db>=40.5"])
    search = Search(list(GAINS), measure, budgets, REFERENCE, by_value=True)
    search.enough = lambda: len(search.alone) == 2
    outcome = search.run()
    assert set(outcome.sensitivity) == {"a", "b"} and not outcome.complete
    assert outcome.verdict == "met" and outcome.best.in_float == ("b",)


def test_a_group_that_was_not_measured_alone_goes_to_float_after_those_that_were() -> None:
    budgets = parse_budgets(["psnr_db>=40.5"])
    given = {"by_value": True, "enough": lambda: True}
    outcome = Search(list(GAINS), made, budgets, REFERENCE, seen=[made(("a",))], **given).run()
    assert set(outcome.sensitivity) == {"a"} and outcome.verdict == "met"
    assert outcome.best.in_float == ("b",) and not outcome.complete


def test_of_many_groups_those_of_the_part_that_most_is_lost_in_are_measured_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for i in range(8):
        monkeypatch.setitem(GAINS, f"g{i}", 2.0 if i in (2, 4) else 0.01)
        monkeypatch.setitem(COSTS_MS, f"g{i}", 1.0)
    monkeypatch.setitem(GAINS, "b", 0.1)
    monkeypatch.setitem(GAINS, "c", 0.1)
    search = Search(list(GAINS), made, parse_budgets(["psnr_db>=36"]), REFERENCE, by_value=True)
    search.enough = lambda: len(search.alone) == 3
    outcome = search.run()
    assert list(outcome.sensitivity) == ["g2", "g3", "g4"], "the third quarter"
    assert outcome.verdict == "met" and set(outcome.best.in_float) <= {"g2", "g4"}


def test_squared_errors_foretell_how_many_groups_are_needed() -> None:
    search = Search(list(GAINS), made, parse_budgets(["psnr_db>=40.5"]), REFERENCE)
    base = made(())
    search._sense(base)
    assert search._foretold(base, search._order()) == 1, "6 dB are three quarters of the error"
    floor = parse_budgets(["psnr_db>=41.3"])
    more = Search(list(GAINS), made, floor, REFERENCE, alone=search.alone)
    assert more._foretold(base, search._order()) == 2
    none = Search(list(GAINS), made, parse_budgets(["ssim>=0.5"]), REFERENCE, alone=search.alone)
    assert none._foretold(base, search._order()) == 1


@pytest.mark.parametrize("limit", [2, 4])
def test_a_file_with_everything_in_float_is_no_result_of_a_search_that_the_clock_ended(
    limit: int,
) -> None:
    outcome, _ = found_with("psnr_db>=43", "latency_ms<=20", limit=limit)
    assert outcome.best.in_float == tuple(GAINS) and all(one.holds for one in outcome.judged)
    assert outcome.verdict == "out of time"
    whole, _ = found_with("psnr_db>=44.2")
    assert whole.best.in_float == tuple(GAINS) and whole.complete and whole.verdict == "not met"


def test_a_group_alone_is_told_by_what_it_gains_and_costs() -> None:
    found = sensitivity_of(made(()), made(("c",)))
    assert found.gain_db == pytest.approx(3.0) and found.lost_ms == pytest.approx(3.0)
    assert found.faster_in_int8 and not found.slower_in_int8
    assert found.worth == pytest.approx(1.0)
    gift = sensitivity_of(made(()), made(("d",)))
    assert gift.lost_ms == pytest.approx(-0.5) and gift.slower_in_int8
    assert gift.worth == pytest.approx(0.1 / 0.1), "what costs nothing counts as a hundredth"


def test_speed_is_measured_in_turn_with_everything_in_integers() -> None:
    assert speed(made(())).value == pytest.approx(1.0)
    assert speed(made(("b", "c"))).value == pytest.approx(10.0 / 14.0)


def test_a_group_that_the_runtime_does_not_leave_in_float_alone_is_told_and_left() -> None:
    def measure(in_float: object) -> object:
        if set(in_float) == {"b"}:
            raise ToolError("the runtime\nrefuses it", "leave it")
        return made(in_float)

    outcome = Search(list(GAINS), measure, parse_budgets(["psnr_db>=36"]), REFERENCE).run()
    assert outcome.unwritable == {"b": "the runtime refuses it"}
    assert "b" not in outcome.sensitivity and outcome.verdict == "met"
    assert "b" not in outcome.best.in_float


def test_what_was_measured_before_competes_too() -> None:
    known = [made(("b", "d"))]
    order: list[tuple[str, ...]] = []

    def measure(in_float: object) -> object:
        found = made(in_float)
        order.append(found.in_float)
        return found

    budgets = parse_budgets(["psnr_db>=30"])
    outcome = Search(list(GAINS), measure, budgets, REFERENCE, seen=known).run()
    assert outcome.best.in_float == ("d",) and ("b", "d") not in order
    assert made(("b", "d")) in known
