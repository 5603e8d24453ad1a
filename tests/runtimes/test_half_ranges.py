"""What would overflow in FP16, told by ranges alone, and not told where nothing does."""

from __future__ import annotations

import pytest

from iast_export.formats import tflite_file as tf
from iast_export.reports.half import LARGEST
from iast_export.runtimes.half_floats import find_overflows
from iast_export.runtimes.half_ranges import count_judged, foretell_overflows
from tests.half_cases import KEY, case, fed, ranges


def told(name: str) -> list[tuple[str, bool]]:
    found = foretell_overflows(tf.read_model(case(name)), KEY, ranges(name))
    return [(one.operator, one.of_sum) for one in found]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("normalized", [("MUL", False)]),
        ("read twice", [("MUL", False)]),
        ("balanced", [("CONV_2D", True)]),
        ("averaged", []),
        ("quiet", []),
    ],
)
def test_what_would_overflow_is_told_without_running_the_file(
    name: str, expected: list[tuple[str, bool]]
) -> None:
    assert told(name) == expected
    seen = find_overflows(case(name).read_bytes(), KEY, [fed()])
    assert [(one.operator, one.of_sum) for one in seen][: len(expected) or None] == expected


def test_sums_that_are_results_are_told_and_what_hands_them_on_is_not() -> None:
    assert [kind for kind, _ in told("sums")] == ["SUM"]


def test_a_peak_by_ranges_is_no_less_than_what_a_picture_reaches() -> None:
    model = tf.read_model(case("normalized"))
    (most,) = foretell_overflows(model, KEY, ranges("normalized"))
    seen, *_ = find_overflows(case("normalized").read_bytes(), KEY, [fed()])
    assert most.tensor == seen.tensor and LARGEST < seen.peak <= most.peak
    assert "MUL" in str(most) and "beyond FP16's 65,504" in str(most)


def test_without_any_range_nothing_is_told() -> None:
    assert foretell_overflows(tf.read_model(case("normalized")), KEY, {}) == ()


def test_it_is_told_of_how_many_tensors_something_is_known() -> None:
    model = tf.read_model(case("normalized"))
    judged, results = count_judged(model, KEY, ranges("normalized"))
    assert 0 < judged <= results
    assert count_judged(model, KEY, {})[0] < judged
