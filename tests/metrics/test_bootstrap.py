"""The one bootstrap draws and bounds as scipy's does, from either of numpy's streams."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from iast_export.lanes.timing import Samples, ratio_interval
from iast_export.metrics.bootstrap import (
    Interval,
    Resampling,
    Statistic,
    central_interval,
    medians,
)

VALUES = np.random.default_rng(1).lognormal(0.0, 0.5, 17)
STREAMS = [Resampling(1000, seed=3), Resampling(1000, seed=3, kept_stream=True)]


def mean(drawn: Any) -> Any:
    return VALUES[drawn].mean(axis=1)


def by_scipy(statistic: Any, how: Resampling, alternative: str = "two-sided") -> tuple[float, ...]:
    """Low and high of scipy's percentile method, from the same stream."""
    stream: dict[str, Any] = {"rng": np.random.default_rng(how.seed)}
    if how.kept_stream:
        stream = {"random_state": np.random.RandomState(how.seed)}
    found = stats.bootstrap(
        (VALUES,), statistic, n_resamples=how.resamples, confidence_level=0.95,
        alternative=alternative, method="percentile", **stream,
    )  # fmt: skip
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


@pytest.mark.parametrize("how", STREAMS)
@pytest.mark.parametrize(
    ("own", "theirs"), [(mean, np.mean), (lambda drawn: medians(VALUES, drawn), np.median)]
)
def test_the_central_interval_is_that_of_scipy(
    how: Resampling, own: Statistic, theirs: Any
) -> None:
    found = central_interval(own(how.draws(len(VALUES))), 1.0)
    assert (found.low, found.high) == pytest.approx(by_scipy(theirs, how), rel=1e-12)


@pytest.mark.parametrize(
    ("higher", "alternative", "side"), [(True, "greater", 0), (False, "less", 1)]
)
def test_a_one_sided_bound_lies_where_scipys_does(
    higher: bool, alternative: str, side: int
) -> None:
    how = STREAMS[0]
    value, bound = how.bound(len(VALUES), mean, higher=higher)
    assert value == float(np.mean(VALUES))
    assert bound == pytest.approx(by_scipy(np.mean, how, alternative)[side], rel=1e-12)
    assert (bound < value) is higher


@pytest.mark.parametrize("count", [1, 2, 5, 8, 130])
def test_medians_are_those_of_every_draw_to_the_last_digit(count: int) -> None:
    values = np.random.default_rng(count).lognormal(0.0, 1.0, count)
    drawn = Resampling(200).draws(count)
    assert medians(values, drawn).tolist() == [float(np.median(values[rows])) for rows in drawn]


@pytest.mark.parametrize("how", STREAMS)
def test_equal_resamplings_draw_alike_and_other_seeds_do_not(how: Resampling) -> None:
    drawn = how.draws(9)
    assert drawn.shape == (1000, 9) and drawn.min() >= 0 and drawn.max() == 8
    assert (drawn == Resampling(1000, 3, how.kept_stream).draws(9)).all()
    assert (drawn != Resampling(1000, 4, how.kept_stream).draws(9)).any()
    with pytest.raises(ValueError, match="read-only"):
        drawn[0, 0] = 1


def test_the_stream_that_reports_depend_on_is_the_one_that_numpy_keeps() -> None:
    first = Resampling(2, kept_stream=True).draws(10)
    assert first.tolist() == [[5, 0, 3, 3, 7, 9, 3, 5, 2, 4], [7, 6, 8, 8, 1, 6, 7, 7, 8, 1]]
    base = Samples((), ((3.0, 3.1), (2.9, 3.0), (3.3, 3.0), (3.0, 3.2)))
    other = Samples((), ((1.0, 1.1), (1.0, 1.0), (1.1, 1.0), (1.2, 1.0)))
    found = ratio_interval(base, other)
    assert (found.low, found.value, found.high) == pytest.approx(
        (2.8181818181818175, 2.927380952380952, 3.0), rel=1e-12
    )


def test_a_bound_is_never_on_the_good_side_of_its_value() -> None:
    def rising(drawn: Any) -> Any:
        return np.where(len(drawn) == 1, 0.0, 1.0) * np.ones(len(drawn))

    assert Resampling(10).bound(3, rising, higher=True) == (0.0, 0.0)
    assert Resampling(10).bound(3, rising, higher=False) == (0.0, 1.0)


def test_what_is_not_known_of_one_draw_is_known_of_none() -> None:
    found = central_interval(np.array([1.0, math.nan, 3.0]), 2.0)
    assert math.isnan(found.low) and math.isnan(found.high)
    assert str(Interval(1.0, 0.5, 2.25)) == "1.000 (0.500 to 2.250)"
