"""Rows to figures: in any order the same, with intervals that know what a cluster is."""

from __future__ import annotations

import random

import pytest

from iast_export.errors import CannotJudgeError, InputError
from iast_export.evaluate.merge import merge
from tests.evaluate_cases import failed_row, plan, row, rows


def test_the_order_of_rows_and_what_comes_twice_change_no_byte() -> None:
    run = plan(6, 5)
    found = rows(run)
    mixed = [*found, *found[3:9], failed_row("c1", "s1")]
    random.Random(1).shuffle(mixed)
    one, other = merge(run, found), merge(run, mixed)
    assert one.lines == other.lines
    assert one.report.to_json() == other.report.to_json()


def test_a_photograph_that_loses_everywhere_is_one_of_few_and_not_one_of_many_pairs() -> None:
    run = plan(8, 30)
    (lane,) = merge(run, rows(run, photo_db=3.0)).report.lanes
    assert lane.psnr_db is not None and lane.psnr_db.low is not None
    width = lane.psnr_db.value - lane.psnr_db.low
    # Of 240 independent pairs it would be 1.96 x 3 / sqrt(240) = 0.4 dB; of 8 photographs it is 2.
    assert 1.0 < width < 3.0


def test_one_pair_has_no_interval_and_one_style_has_that_of_its_photographs() -> None:
    single, styled = plan(1, 1), plan(6, 1)
    (alone,) = merge(single, rows(single)).report.lanes
    (lane,) = merge(styled, rows(styled)).report.lanes
    assert alone.psnr_db is not None and alone.psnr_db.low is None
    assert lane.psnr_db is not None and lane.psnr_db.low is not None


def test_drops_are_those_of_verify() -> None:
    run = plan(2, 2)
    (lane,) = merge(run, rows(run)).report.lanes
    assert lane.drop["ssim_content"].value == pytest.approx(1 / 6)
    assert lane.drop["style_distance"].value == 0.0
    assert set(lane.drop) == {"ssim_content", "style_distance"}


def test_what_failed_is_counted_and_told_but_not_averaged() -> None:
    run = plan(3, 2)
    found = [one for one in rows(run) if one.content != "c2"]
    report = merge(run, [*found, failed_row("c2", "s0"), failed_row("c2", "s1")]).report
    (lane,) = report.lanes
    assert (lane.pairs, lane.failed) == (4, 2)
    assert [(one.kind, one.rows) for one in report.failures] == [("InputError", 2)]


def test_a_lane_that_judged_nothing_has_no_figures() -> None:
    run = plan(1, 1)
    (lane,) = merge(run, [failed_row("c0", "s0")]).report.lanes
    assert lane.psnr_db is None and lane.failed == 1


def test_of_two_failures_of_a_pair_the_same_one_is_kept_in_any_order() -> None:
    run = plan(1, 1)
    both = [failed_row("c0", "s0", "a"), failed_row("c0", "s0", "b")]
    assert merge(run, both).lines == merge(run, both[::-1]).lines


def test_a_run_with_pairs_missing_can_not_be_judged() -> None:
    run = plan(2, 2)
    with pytest.raises(CannotJudgeError, match="1 pairs are not judged yet, such as c1 in s1"):
        merge(run, rows(run)[:-1])


def test_rows_of_another_run_are_refused() -> None:
    run = plan(2, 2)
    with pytest.raises(InputError, match="such as c9 in s0"):
        merge(run, [*rows(run), row("c9", "s0")])


def test_two_judgments_that_differ_are_refused_with_both_machines() -> None:
    run = plan(1, 1)
    with pytest.raises(InputError, match="on A and on B"):
        merge(run, [row("c0", "s0", 40.0), row("c0", "s0", 41.0, machine="B")])
