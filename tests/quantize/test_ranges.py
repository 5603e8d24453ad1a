"""Range estimators: any order, any split, the same range; bounded by what was seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from iast_export.errors import InputError, UsageError
from iast_export.quantize.ranges import (
    BINS,
    CENTERS,
    Histogram,
    Range,
    method_of,
    minmax,
    mse,
    percentile,
)

METHODS = ("minmax", "percentile", "mse", "entropy")
values = arrays(
    np.float32, st.integers(1, 40), elements=st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
)
chunks = st.lists(values, min_size=1, max_size=6)


def histogram(parts: list[np.ndarray]) -> Histogram:
    found = Histogram()
    for part in parts:
        found.update(part)
    return found


@settings(max_examples=60, deadline=None)
@given(chunks, st.randoms(use_true_random=False), st.sampled_from(METHODS))
def test_any_order_gives_the_identical_range(
    parts: list[np.ndarray], random: object, method: str
) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert method_of(method)(histogram(parts)) == method_of(method)(histogram(shuffled))


@settings(max_examples=60, deadline=None)
@given(chunks, st.integers(0, 6), st.sampled_from(METHODS))
def test_merging_parts_equals_seeing_all(parts: list[np.ndarray], cut: int, method: str) -> None:
    left, right = histogram(parts[:cut]), histogram(parts[cut:])
    left.merge(right)
    whole = histogram(parts)
    assert np.array_equal(left.counts, whole.counts)
    assert method_of(method)(left) == method_of(method)(whole)


def test_a_range_that_holds_no_bin_is_no_candidate() -> None:
    """The bin of 1 has its middle beyond a range that ends at 1."""
    assert method_of("entropy")(histogram([np.array([1.0, 7.0], np.float32)])).high >= 7.0


@settings(max_examples=60, deadline=None)
@given(chunks, st.sampled_from(METHODS))
def test_a_range_never_leaves_what_was_seen(parts: list[np.ndarray], method: str) -> None:
    everything = np.concatenate(parts)
    found = method_of(method)(histogram(parts))
    assert everything.min() <= found.low <= found.high <= everything.max()


def test_every_value_falls_in_a_bin_of_its_own_size() -> None:
    numbers = np.concatenate(
        [-np.geomspace(1e-9, 1e9, 99), [0.0], np.geomspace(1e-9, 1e9, 99)]
    ).astype("f4")
    for number in numbers:
        seen = histogram([np.array([number])])
        center = CENTERS[int(np.flatnonzero(seen.counts)[0])]
        assert abs(center - number) <= abs(number) / 32
    assert len(CENTERS) == BINS


def test_minmax_is_exact_and_percentile_drops_the_tail() -> None:
    bulk = np.linspace(-1, 1, 100_000, dtype=np.float32)
    seen = histogram([bulk, np.array([1000.0], np.float32)])
    assert minmax(seen) == Range(-1.0, 1000.0)
    assert percentile(seen, 99.0).high == pytest.approx(0.99, rel=0.04)


def test_a_percentile_survives_a_tensor_that_is_nearly_all_zeros() -> None:
    data = np.zeros(1_000_000, np.float32)
    data[:50] = np.linspace(0.1, 2.0, 50)
    assert percentile(histogram([data]), 99.99).high == pytest.approx(2.0, rel=0.04)
    assert percentile(histogram([np.zeros(9, np.float32)]), 99.99) == Range(0.0, 0.0)


def test_mse_beats_minmax_where_a_lone_outlier_stretches_the_range() -> None:
    data = np.append(np.random.default_rng(0).normal(0, 1, 200_000), 60.0).astype(np.float32)
    seen = histogram([data])

    def error(found: Range) -> float:
        step = (found.high - found.low) / 255
        rounded = (
            np.round((np.clip(data, found.low, found.high) - found.low) / step) * step + found.low
        )
        return float(np.square(rounded - data).sum())

    assert error(mse(seen)) < 0.9 * error(minmax(seen))


def test_nothing_and_nonsense_are_refused() -> None:
    with pytest.raises(InputError, match="never observed"):
        minmax(Histogram("relu_3"))
    with pytest.raises(InputError, match="relu_3 holds NaN"):
        Histogram("relu_3").update(np.array([0.0, np.nan]))
    with pytest.raises(InputError, match="is empty"):
        Histogram().update(np.zeros(0))
    with pytest.raises(UsageError, match="magic"):
        method_of("magic")
    with pytest.raises(UsageError, match="30"):
        percentile(histogram([np.ones(3)]), 30.0)


def test_every_value_of_a_large_array_is_counted_in_the_bin_that_stands_for_it() -> None:
    rng = np.random.default_rng(0)
    signs = rng.choice(np.array([-1.0, 1.0], np.float32), 200_000)
    magnitudes = np.exp2(rng.uniform(-38, 38, 200_000)).astype(np.float32)
    found = histogram([signs * magnitudes])
    assert found.counts.sum() == 200_000
    order, counted = np.sort(signs * magnitudes), np.repeat(CENTERS, found.counts)
    assert np.abs(counted / order - 1).max() < 1 / 32
    edges = np.array([0.0, -0.0, 2.0**-41, -(2.0**-60), 2.0**60, -(2.0**60)], np.float32)
    held = np.flatnonzero(histogram([edges]).counts)
    assert list(held) == [0, BINS // 2, BINS - 1] and CENTERS[BINS // 2] == 0
