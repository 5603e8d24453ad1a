"""Methods compared at equal style, over resampled photographs; losses at one strength."""

from __future__ import annotations

import numpy as np
import pytest

from iast_export.errors import InputError
from models.evaluation.run import Judged
from models.evaluation.statistics import (
    RESAMPLING,
    Curve,
    curve,
    dominates,
    matched,
    relative,
)

STRENGTHS = (0.0, 0.5, 1.0)


def judged(name: str, keeps: float, photographs: int = 6) -> Judged:
    """A method that gives up `keeps` less of SSIM for the same style; photographs differ a bit."""
    scores = {
        s: {
            f"p{i}+a{j}": {
                "style": 1.0 - 0.6 * s + 0.01 * i,
                "ssim": 1.0 - (1 - keeps) * s - 0.01 * i,
            }
            for i in range(photographs)
            for j in range(2)
        }
        for s in STRENGTHS
    }
    return Judged(name, STRENGTHS, 1, scores, {})


def curve_of(name: str, keeps: float) -> Curve:
    return curve(judged(name, keeps), "ssim", [f"p{i}" for i in range(6)])


def test_a_curve_is_the_mean_over_artworks_of_each_photograph() -> None:
    found = curve_of("x", 0.5)
    assert found.style.shape == found.score.shape == (6, 3)
    assert found.style[2].tolist() == pytest.approx([1.02, 0.72, 0.42])


def test_a_photograph_that_was_not_judged_is_named() -> None:
    with pytest.raises(InputError, match="x has no identity on p0"):
        curve(judged("x", 0.5), "identity", ["p0"])
    with pytest.raises(InputError, match="x has no ssim on p9"):
        curve(judged("x", 0.5), "ssim", ["p9"])


def test_every_method_is_resampled_alike() -> None:
    drawn = RESAMPLING.draws(5)
    assert np.array_equal(drawn, RESAMPLING.draws(5)) and (drawn.min(), drawn.max()) == (0, 4)


def test_the_method_that_keeps_more_at_equal_style_gains_and_dominates() -> None:
    ours, other = curve_of("ours", 0.8), curve_of("other", 0.4)
    target, (first, second) = matched(ours, [other], other, "ssim")
    assert target.value == pytest.approx(0.425)
    assert first.gain is None and second.gain is not None
    assert second.gain.low > 0 and second.gain.value == pytest.approx(0.4, abs=1e-6)
    assert dominates(ours, other, "ssim") == pytest.approx(8 / 9), "at strength 0 they are equal"
    assert dominates(other, ours, "ssim") == 0.0


def test_a_method_that_does_not_come_to_the_style_has_no_row_of_figures() -> None:
    weak = Curve("weak", STRENGTHS, np.full((6, 3), 0.9), np.ones((6, 3)))
    _, (_, row) = matched(curve_of("ours", 0.8), [weak], curve_of("ours", 0.8), "ssim")
    assert (row.value, row.gain) == (None, None)


def test_a_method_with_more_style_from_the_start_is_marked() -> None:
    strong = Curve("strong", STRENGTHS, np.full((6, 3), 0.1), np.full((6, 3), 0.3))
    _, (_, row) = matched(curve_of("ours", 0.8), [strong], curve_of("ours", 0.8), "ssim")
    assert row.at_weakest and row.value is not None and row.value.value == pytest.approx(0.3)


def test_curves_without_a_style_in_common_are_not_compared() -> None:
    low = Curve("low", STRENGTHS, np.full((6, 3), 0.1), np.ones((6, 3)))
    high = Curve("high", STRENGTHS, np.full((6, 3), 0.9), np.ones((6, 3)))
    assert dominates(low, high, "ssim") is None


def test_a_loss_is_a_share_of_the_first_and_positive_where_worse() -> None:
    found = relative(judged("a", 0.8), judged("b", 0.4), "ssim", 1.0)
    assert found is not None and found.value == pytest.approx((0.8 - 0.4) / 0.775, rel=1e-6)
    back = relative(judged("b", 0.4), judged("a", 0.8), "ssim", 1.0)
    assert back is not None and back.value < 0
    style = relative(judged("a", 0.8), judged("b", 0.4), "style", 1.0)
    assert style is not None and style.value == pytest.approx(0.0)
    assert relative(judged("a", 0.8), judged("b", 0.4), "ssim", 0.7) is None
    assert relative(judged("a", 0.8, 1), judged("b", 0.4, 1), "ssim", 1.0) is None
