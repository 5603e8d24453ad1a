"""Every tensor in integers gets the range of its root, within what is known of it."""

from __future__ import annotations

import pytest

from iast_export.decide.decide import Decisions, decide
from iast_export.decide.graph import Op
from iast_export.decide.policy import LITERT, ONNX
from iast_export.errors import InputError
from iast_export.quantize.ranges import Range
from iast_export.quantize.settle import settled_ranges
from tests.drawn_graphs import conv, drawn, op

SUM = (conv("x", "a"), conv("x", "b"), op("Add", "a b", "s"), op("Relu", "s", "r"), conv("r", "y"))
MEASURED = {"a": Range(-50.0, 9.0), "b": Range(-1.0, 1.5), "r": Range(-0.5, 3.0)}


def decided(*ops: Op, unit: str = "x") -> Decisions:
    return decide(drawn(*ops, unit=unit), ONNX)


def test_a_moved_tensor_has_the_range_of_its_root() -> None:
    found = decided(conv("x", "a"), op("Slice", "a", "b"), conv("b", "y"))
    settled = settled_ranges(found, {"a": Range(-2.0, 3.0), "y": Range(0.0, 1.0)})
    assert settled["a"] == settled["b"] == (-2.0, 3.0)


def test_the_picture_has_a_range_that_nobody_measured() -> None:
    found = decided(conv("x", "y"))
    assert settled_ranges(found, {"y": Range(0.0, 2.0)})["x"] == (0.0, 1.0)


def test_a_clamp_bounds_what_was_measured_and_never_turns_it_round() -> None:
    found = decided(conv("x", "a"), op("Relu", "a", "r"), conv("r", "y"))
    measured = {"r": Range(-0.5, 3.0), "y": Range(0.0, 1.0)}
    assert settled_ranges(found, measured)["r"] == (0.0, 3.0)
    assert settled_ranges(found, {**measured, "r": Range(-2.0, -1.0)})["r"] == (0.0, 0.0)


@pytest.mark.parametrize(("trim", "low"), [(True, -1.5), (False, -50.0)])
def test_a_rectified_sum_s_terms_get_only_what_can_outlast_it(trim: bool, low: float) -> None:
    settled = settled_ranges(decided(*SUM), {**MEASURED, "y": Range(0.0, 1.0)}, trim)
    assert settled["a"] == (low, 9.0)


def test_a_missing_range_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="no range for tensor y"):
        settled_ranges(decided(*SUM), MEASURED)


def test_the_range_is_looked_up_under_the_name_in_the_file() -> None:
    network = drawn(conv("x", "y"), runtime="litert")
    named = type(network)(
        network.runtime, network.ops, network.inputs, network.outputs, file_names={"y": "d1/y"}
    )
    found = decide(named, LITERT)
    settled = settled_ranges(found, {"d1/y": Range(-1.0, 1.0), "x": Range(0.0, 4.0)})
    assert settled == {"x": (0.0, 4.0), "y": (-1.0, 1.0)}
