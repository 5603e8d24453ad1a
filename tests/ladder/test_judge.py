"""Errors between steps in levels and pixels, and what is too much where nothing should change."""

from __future__ import annotations

import numpy as np
import pytest

from iast_export.ladder.judge import BEFORE, LIMIT_DB, LIMIT_LEVELS, anomaly, compare, row
from iast_export.reports.ladder import STEP_NAMES, Step, StepError


def flat(level: int, side: int = 16) -> np.ndarray:
    return np.full((side, side, 3), level, np.uint8)


def error(levels: int, worst_psnr_db: float) -> StepError:
    return StepError(
        against="onnx_int8_plain",
        psnr_db=50.0,
        worst_psnr_db=worst_psnr_db,
        max_levels=levels,
        differing_share=0.1,
    )


def test_equal_pictures_are_the_documented_end_of_the_scale() -> None:
    found = compare("pytorch", [flat(9)], [flat(9)])
    assert (found.max_levels, found.differing_share, found.psnr_db) == (0, 0.0, 100.0)


def test_the_worst_picture_and_the_mean_are_both_kept() -> None:
    near = flat(9)
    near[0, 0, 1] = 19
    found = compare("onnx_fp32", [flat(9), flat(9)], [flat(9), near])
    assert found.against == "onnx_fp32" and found.max_levels == 10
    assert found.differing_share == pytest.approx(1 / 256 / 2)
    assert found.worst_psnr_db < found.psnr_db < 100.0


def test_levels_of_opposite_sign_do_not_wrap_around() -> None:
    assert compare("pytorch", [flat(0)], [flat(255)]).max_levels == 255


@pytest.mark.parametrize(
    ("levels", "worst_psnr_db", "wrong"),
    [
        (LIMIT_LEVELS["onnx_int8"], LIMIT_DB, False),
        (LIMIT_LEVELS["onnx_int8"] + 1, LIMIT_DB, True),
        (LIMIT_LEVELS["onnx_int8"], LIMIT_DB - 0.1, True),
    ],
)
def test_a_step_that_should_change_nothing_is_held_to_both_limits(
    levels: int, worst_psnr_db: float, wrong: bool
) -> None:
    said = anomaly("onnx_int8", error(levels, worst_psnr_db))
    assert (said is not None) == wrong
    if said is not None:
        assert f"by up to {levels} levels" in said and said.startswith(STEP_NAMES["onnx_int8"])


def test_a_step_that_rounds_may_be_as_far_as_it_is() -> None:
    assert anomaly("onnx_int8_plain", error(255, 5.0)) is None
    assert anomaly("onnx_int8", None) is None


def test_every_step_but_the_first_follows_one_and_limits_are_of_known_steps() -> None:
    assert set(BEFORE) == set(STEP_NAMES) - {"pytorch"}
    assert set(LIMIT_LEVELS) < set(BEFORE)
    for step in BEFORE:
        walked: list[Step] = [step]
        while walked[-1] in BEFORE:
            walked.append(BEFORE[walked[-1]])
        assert walked[-1] == "pytorch" and len(walked) == len(set(walked))


def test_a_step_without_the_one_before_it_says_so_and_keeps_its_way_to_pytorch() -> None:
    pictures = {"pytorch": [flat(9)], "onnx_int8": [flat(10)]}
    found = row("d1-8px", "onnx_int8", pictures, {"onnx_int8_plain": "no such kernel"})
    assert found.before is None and found.anomaly is None
    assert found.total is not None and found.total.max_levels == 1
    assert found.not_run is not None and "did not run" in found.not_run


def test_a_step_that_did_not_run_has_its_reason_alone() -> None:
    found = row("d1-8px", "litert_fp32", {}, {"litert_fp32": "no file"})
    assert (found.not_run, found.before, found.total) == ("did not run: no file", None, None)


def test_the_first_step_has_nothing_to_be_far_from() -> None:
    found = row("d1-8px", "pytorch", {"pytorch": [flat(9)]}, {})
    assert (found.before, found.total, found.not_run) == (None, None, None)
