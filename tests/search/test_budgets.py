"""Budgets: read with a remedy, judged by their bounds and never by a mean."""

from __future__ import annotations

import pytest

from iast_export.errors import CannotJudgeError, UsageError
from iast_export.search.budgets import judge, latency_ms, parse_budgets, shortfall
from tests.search_cases import REFERENCE, found_with, made


@pytest.mark.parametrize(
    ("texts", "remedy"),
    [
        ([], "give at least one"),
        (["psnr_db=42"], "write NAME>=VALUE"),
        (["sharpness>=1"], "choose of psnr_db"),
        (["psnr_db<=42"], "higher is better: psnr_db>=VALUE"),
        (["latency_ms>=9"], "lower is better: latency_ms<=VALUE"),
        (["psnr_db>=nan"], "write a number"),
        (["psnr_db>=101"], "up to 100"),
        (["bytes<=0"], "lies above 0"),
        (["bytes<=9", "bytes<=8"], "give each name once"),
    ],
)
def test_a_budget_that_means_nothing_is_refused_with_a_remedy(
    texts: list[str], remedy: str
) -> None:
    with pytest.raises(UsageError, match=remedy):
        parse_budgets(texts)


def test_budgets_keep_name_direction_and_value() -> None:
    found = parse_budgets(["psnr_db >= 42.5", "drop.style_distance<=0.01", "bytes<=7e5"])
    assert [(b.name, b.operator, b.limit) for b in found] == [
        ("psnr_db", ">=", 42.5),
        ("drop.style_distance", "<=", 0.01),
        ("bytes", "<=", 7e5),
    ]


def test_the_bound_decides_and_not_the_mean() -> None:
    budget = parse_budgets(["psnr_db>=35"])[0]
    judged = judge(budget, made(()), made(()), REFERENCE)
    assert judged.value == pytest.approx(35.0) and 34.0 < judged.bound < 34.9 and not judged.holds
    drop = judge(parse_budgets(["drop.style_distance<=0.06"])[0], made(()), made(()), REFERENCE)
    assert drop.value == pytest.approx(0.05) and drop.holds
    slow = judge(parse_budgets(["latency_ms<=10"])[0], made(()), made(()), REFERENCE)
    drifted = made(("b",)).model_copy(
        update={"base_blocks_ms": ((20.0, 20.0),) * 5, "blocks_ms": ((22.0, 22.0),) * 5}
    )
    wanted = judge(parse_budgets(["latency_ms<=12"])[0], drifted, made(()), REFERENCE)
    assert wanted.value == pytest.approx(11.0) and wanted.holds, (
        "twice as slow a machine weighs on both"
    )
    assert slow.value == pytest.approx(10.0) and slow.bound > 10.0 and not slow.holds


def test_drops_are_of_the_squares_alone_where_asked_and_decibels_of_all_pictures() -> None:
    scores = ({"style_distance": 0.2},) * 4 + ({"style_distance": 0.4},) * 2
    psnr_db, reference = (34.0,) * 4 + (31.0,) * 2, [{"style_distance": 0.2}] * 6
    one = made(()).model_copy(update={"scores": scores, "psnr_db": psnr_db})
    budget, floor = parse_budgets(["drop.style_distance<=0.02", "psnr_db>=30"])
    of_all, of_squares = (
        judge(budget, one, one, reference, by_value=True, squares=n) for n in (None, 4)
    )
    assert of_all.value == pytest.approx(1 / 3) and not of_all.holds
    assert of_squares.value == pytest.approx(0.0) and of_squares.holds
    assert judge(floor, one, one, reference, squares=4).value == pytest.approx(33.0)


def test_too_few_pictures_and_unjudged_scores_are_no_verdict() -> None:
    few = made(()).model_copy(update={"psnr_db": (40.0,) * 3})
    with pytest.raises(CannotJudgeError, match="judge on at least 4"):
        judge(parse_budgets(["psnr_db>=30"])[0], few, made(()), REFERENCE)
    with pytest.raises(UsageError, match="leave this budget out"):
        found_with("drop.identity<=0.1")


def test_a_time_is_the_bases_by_the_ratio_of_blocks_timed_in_turn() -> None:
    base, found = made(()), made(("c",))
    value, bound = latency_ms(found, base)
    assert value == pytest.approx(13.0) and value <= bound < 13.05
    assert latency_ms(base, base)[0] == pytest.approx(10.0)


def test_a_files_size_is_its_own_bound() -> None:
    for limit, holds in ((1099.0, False), (1100.0, True)):
        judged = judge(parse_budgets([f"bytes<={limit}"])[0], made(("a",)), made(()), REFERENCE)
        assert (judged.value, judged.bound, judged.holds) == (1100.0, 1100.0, holds)


def test_a_floor_is_judged_from_below_and_a_ceiling_from_above() -> None:
    own = made(()).model_copy(
        update={
            "ssim": (0.80, 0.85, 0.95, 1.0),
            "scores": tuple({"style_distance": 0.2 + 0.01 * i} for i in range(4)),
        }
    )
    floor = judge(parse_budgets(["ssim>=0.5"])[0], own, made(()), REFERENCE)
    assert floor.value == pytest.approx(0.9) and 0.80 < floor.bound < floor.value
    drop = judge(parse_budgets(["drop.style_distance<=0.5"])[0], own, made(()), REFERENCE)
    assert drop.value == pytest.approx(0.075) and drop.value < drop.bound < 0.15


def test_the_shortfall_counts_only_what_does_not_hold_in_shares_of_its_limit() -> None:
    budgets = parse_budgets(["psnr_db>=40", "latency_ms<=5", "bytes<=2000"])
    judged = [judge(one, made(()), made(()), REFERENCE) for one in budgets]
    assert [one.holds for one in judged] == [False, False, True]
    wanted = (40 - judged[0].bound) / 40 + (judged[1].bound - 5) / 5
    assert shortfall(judged) == pytest.approx(wanted)
    assert shortfall(judged[2:]) == 0.0
