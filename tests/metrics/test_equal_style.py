"""Curves read at equal style: linear between strengths, what is not reached is no number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from iast_export.metrics.equal_style import StyleCurve, at_common_style, at_style


@pytest.mark.parametrize(
    ("target", "score"),
    [(2.0, 1.0), (1.0, 1.0), (0.9, 0.9), (0.8, 0.8), (0.6, 0.7), (0.4, 0.6)],
)
def test_a_score_is_read_between_the_neighboring_strengths(target: float, score: float) -> None:
    style, scores = np.array([1.0, 0.8, 0.4]), np.array([1.0, 0.8, 0.6])
    assert at_style(style, scores, target) == pytest.approx(score, abs=1e-6)


def test_a_style_distance_that_is_never_reached_is_no_number() -> None:
    assert math.isnan(at_style(np.array([1.0, 0.5]), np.array([1.0, 0.9]), 0.49))


def test_the_first_crossing_counts_on_a_curve_that_turns_back() -> None:
    style, scores = np.array([1.0, 0.4, 0.7, 0.3]), np.array([1.0, 0.8, 0.7, 0.2])
    assert at_style(style, scores, 0.4) == pytest.approx(0.8)


def curve(end: float, keeps: float) -> StyleCurve:
    """Two photographs that are alike: from a style distance of 1 to `end`, from 1 to `keeps`."""
    return StyleCurve(
        np.array([[1.0, (1 + end) / 2, end]] * 2), np.array([[1.0, (1 + keeps) / 2, keeps]] * 2)
    )


def test_all_are_read_at_the_style_of_the_one_that_has_least_strength_by_strength() -> None:
    targets, scores = at_common_style([curve(0.6, 0.8), curve(0.2, 0.4)], np.array([[0, 1]]))
    assert targets[:, 0] == pytest.approx([0.8, 0.6])
    assert scores[:, 0] == pytest.approx([(0.9 + 0.8) / 2, (0.85 + 0.7) / 2])


def test_each_draw_of_photographs_has_common_styles_of_its_own() -> None:
    near, far = curve(0.2, 0.4), curve(0.6, 0.8)
    parts = ((near.style, far.style), (near.score, far.score))
    mixed = StyleCurve(*(np.stack([a[0], b[1]]) for a, b in parts))
    targets, scores = at_common_style([mixed, near], np.array([[0, 0], [1, 1]]))
    assert targets[-1] == pytest.approx([0.2, 0.6]) and np.isfinite(scores).all()
