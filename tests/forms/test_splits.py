"""A split as slices: the same parts, whichever way its sizes are given."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from iast_export.forms.splits import slice_splits
from tests.rewrite_cases import Constants, model_of, picture, rewritten_equally, types


@pytest.mark.parametrize("how", ["sizes", "number"])
def test_each_part_that_is_read_is_a_slice(how: str) -> None:
    inputs, given = (["x", "sizes"], {}) if how == "sizes" else (["x"], {"num_outputs": 3})
    nodes = [
        helper.make_node("Split", inputs, ["a", "b", "c"], axis=1, **given),
        helper.make_node("Sub", ["a", "c"], ["d"]),
        helper.make_node("Concat", ["d", "c"], ["y"], axis=1),
    ]
    constants: Constants = {"sizes": np.array([2, 2, 1])} if how == "sizes" else {}
    channels = 5 if how == "sizes" else 6
    if how == "sizes":
        nodes[1] = helper.make_node("Sub", ["a", "b"], ["d"])
    made = rewritten_equally(
        slice_splits, model_of(nodes, constants, {"x": channels}), {"x": picture(channels)}
    )
    assert types(made.model) == (["Slice"] * (3 if how == "sizes" else 2) + ["Sub", "Concat"])


def test_a_split_of_a_side_that_is_not_known_stays() -> None:
    nodes = [
        helper.make_node("Split", ["x"], ["a", "b"], axis=3, num_outputs=2),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    made = rewritten_equally(slice_splits, model_of(nodes, {}, {"x": 3}), {"x": picture(3, 4, 6)})
    assert types(made.model) == ["Split", "Add"]
