"""A search as tables, and its verdict as a sentence that says how to go on."""

from __future__ import annotations

from typing import Any

import pytest

from iast_export.pages.search import search_tables, verdict_words
from iast_export.reports.base import SetFacts
from iast_export.reports.search import GroupRow, JudgedBudget, SearchedLane, SearchReport

ZEROS = "0" * 64
BUDGET = JudgedBudget(
    name="psnr_db", operator=">=", limit=42.0, value=43.5, bound=42.25, holds=True
)


def report(**more: Any) -> SearchReport:
    measured = GroupRow(
        name="block/conv", operators=("Conv", "Relu", "Conv"), precision="int8",
        reason="INT8 is faster", gain_db=1.234, lost_ms=-0.5, int8_speed=1.25, int8_speed_low=1.2,
        int8_speed_high=1.3,
    )  # fmt: skip
    unmeasured = GroupRow(
        name="head", operators=("Conv",), precision="fp32", reason="not measured alone in this time"
    )
    lane = SearchedLane(
        lane="mixed", median_ms=9.876, speed_to_int8=0.95, psnr_db=43.5, psnr_db_low=42.25,
        file_bytes=1234567,
    )  # fmt: skip
    facts: dict[str, Any] = {
        "runtime": "litert", "tier": "d4-256px", "threads": 1, "fp32_sha256": ZEROS,
        "set": SetFacts(name="drawn", sha256=ZEROS, images=8), "verdict": "met", "complete": True,
        "budgets": (BUDGET,), "groups": (measured, unmeasured), "lanes": (lane,), "measured": 5,
        "measured_now": 5, "seconds": 3.0, "file": "mixed.tflite", "sha256": ZEROS,
    }  # fmt: skip
    return SearchReport.model_validate({**facts, **more})


def test_groups_show_what_they_gain_and_cost_or_dashes_where_nobody_measured_them() -> None:
    title, columns, rows = search_tables(report())[0]
    assert title == "d4-256px: LiteRT operator groups, each alone in FP32"
    assert rows[0] == (
        "block/conv", "2 Conv, Relu", "INT8", "+1.23 dB", "-0.50 ms", "1.250× (1.200 to 1.300)",
        "INT8 is faster",
    )  # fmt: skip
    assert rows[1][3:6] == ("–", "–", "–")
    assert all(len(row) == len(columns) for row in rows)


def test_the_file_stands_beside_its_neighbors_and_the_budgets_say_whether_they_hold() -> None:
    _, lanes, budgets = search_tables(report())
    assert lanes[0] == "d4-256px: LiteRT, 1 thread, 8 pictures"
    assert lanes[2] == [("mixed", "9.88 ms", "0.95×", "43.50, 42.25 dB", "1,234,567 bytes")]
    assert budgets[2] == [("psnr_db>=42", "yes", "43.5", "42.25")]
    failing = BUDGET.model_copy(update={"holds": False})
    title, _, rows = search_tables(report(budgets=(failing,), verdict="not met"))[2]
    assert title == "d4-256px: budgets not met" and rows[0][1] == "NO"


@pytest.mark.parametrize(("holds", "said"), [(True, "only everything in FP32"), (False, "no file")])
def test_a_search_that_ran_out_of_time_says_what_is_known_and_how_to_go_on(
    holds: bool, said: str
) -> None:
    judged = BUDGET.model_copy(update={"holds": holds})
    words = verdict_words(report(verdict="out of time", complete=False, budgets=(judged,)))
    assert said in words and words.endswith(
        "run it again with more --minutes, it goes on from here"
    )
    assert verdict_words(report()) == "met"
