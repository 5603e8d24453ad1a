"""Figures from raw values: measured order statistics, drops that are worse where positive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iast_export.metrics.summaries import (
    P90_MIN_SAMPLES,
    SCORE_FLOOR,
    drop_of,
    lower_p5,
    p90_ms,
    relative_drop,
    spread_of,
)
from iast_export.reports.verify import PairScore, TaskScores

VALUES = st.lists(st.floats(0.1, 1e3), min_size=1, max_size=90)


def pair(reference: dict[str, float | None], scores: dict[str, float | None]) -> PairScore:
    return PairScore(
        content="a",
        style="b",
        width_px=8,
        height_px=8,
        psnr_db=40.0,
        ssim=0.9,
        scores=TaskScores.model_validate(scores),
        reference=TaskScores.model_validate(reference),
    )


def _scores(content: float, style: float) -> dict[str, float | None]:
    return {"ssim_content": content, "style_distance": style}


@given(VALUES)
def test_the_5th_percentile_is_numpys_without_interpolation(values: list[float]) -> None:
    """Written here so that a rank is exact; numpy multiplies the share in floats."""
    rank = max(1, -(-len(values) // 20))
    assert lower_p5(values) == np.sort(values)[rank - 1]
    assert lower_p5(values) <= np.quantile(values, 0.05, method="higher")


@given(st.lists(st.floats(0.1, 1e3), min_size=P90_MIN_SAMPLES, max_size=90))
def test_the_90th_percentile_is_a_sample_that_nine_tenths_do_not_exceed(
    values: list[float],
) -> None:
    found = p90_ms(values)
    assert found in values
    assert sum(value <= found for value in values) >= 0.9 * len(values)
    assert sum(value < found for value in values) < 0.9 * len(values)


def test_too_few_samples_have_no_90th_percentile() -> None:
    """P(at least one of n above the true P90) = 1 - 0.9^n reaches 95 % at 29."""
    assert 1 - 0.9**P90_MIN_SAMPLES >= 0.95 > 1 - 0.9 ** (P90_MIN_SAMPLES - 1)
    assert p90_ms([1.0] * (P90_MIN_SAMPLES - 1)) is None
    assert p90_ms([1.0] * P90_MIN_SAMPLES) == 1.0


def test_a_spread_is_the_mean_and_the_smallest_of_few() -> None:
    found = spread_of([30.0, 40.0, 50.0])
    assert (found.mean, found.p5) == (40.0, 30.0)


@pytest.mark.parametrize(
    ("reference", "candidate", "higher_is_better", "drop"),
    [
        (0.8, 0.6, True, 0.25),
        (0.8, 1.0, True, -0.25),
        (0.8, 1.0, False, 0.25),
        (0.01, 0.0, True, 0.2),
        (-0.5, -0.6, True, 0.2),
        (0.5, 0.5, True, 0.0),
    ],
)
def test_a_drop_is_positive_where_it_is_worse(
    reference: float, candidate: float, higher_is_better: bool, drop: float
) -> None:
    assert relative_drop(reference, candidate, higher_is_better) == pytest.approx(drop)


def test_scores_near_zero_count_as_the_floor() -> None:
    assert relative_drop(0.0, -SCORE_FLOOR, True) == pytest.approx(1.0)
    assert relative_drop(SCORE_FLOOR, 0.0, True) == pytest.approx(1.0)


def test_a_drop_is_of_the_means_and_not_the_mean_of_drops() -> None:
    both = [
        pair(
            {"ssim_content": 0.2, "style_distance": 1.0},
            {"ssim_content": 0.1, "style_distance": 1.0},
        ),
        pair(
            {"ssim_content": 0.8, "style_distance": 1.0},
            {"ssim_content": 0.8, "style_distance": 1.2},
        ),
    ]
    found = drop_of(both)
    assert found.ssim_content == pytest.approx(0.1)
    assert found.style_distance == pytest.approx(0.1)
    assert found.lpips_content is None and found.identity is None


def test_a_score_that_some_pairs_have_is_judged_on_those() -> None:
    plain = _scores(0.5, 1.0)
    found = drop_of(
        [pair(plain, plain), pair({**plain, "identity": 0.9}, {**plain, "identity": 0.45})]
    )
    assert found.identity == pytest.approx(0.5)
