"""Operators on constants alone as constants."""

from __future__ import annotations

import numpy as np
from onnx import helper

from iast_export.forms.constants import fold_constants
from tests.rewrite_cases import model_of, picture, rewritten_equally, types, weight


def test_what_constants_alone_give_is_a_constant() -> None:
    nodes = [
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        helper.make_node("Unsqueeze", ["t", "axes"], ["filter"]),
        helper.make_node("Conv", ["x", "filter"], ["z"]),
        helper.make_node("Shape", ["z"], ["sides"]),
        helper.make_node("Reshape", ["z", "sides"], ["y"]),
    ]
    constants = {"w": weight(3, 4, 1)[:, :, 0, 0], "axes": np.array([2, 3])}
    made = rewritten_equally(
        fold_constants, model_of(nodes, constants, {"x": 3}), {"x": picture(3)}
    )
    assert types(made.model) == ["Conv", "Shape", "Reshape"]
    assert made.places == ("t", "filter")


def test_a_constant_that_would_fill_the_file_stays_an_operator() -> None:
    nodes = [
        helper.make_node("Expand", ["one", "sides"], ["large"]),
        helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    constants = {"one": np.float32([[1.0]]), "sides": np.array([1024, 1024])}
    made = rewritten_equally(
        fold_constants, model_of(nodes, constants, {"x": 3}), {"x": picture(3)}
    )
    assert types(made.model) == ["Expand", "ReduceSum", "Add"]


def test_what_is_drawn_at_random_is_no_constant() -> None:
    nodes = [
        helper.make_node("RandomNormalLike", ["one"], ["noise"], seed=1.0),
        helper.make_node("Mul", ["noise", "none"], ["nothing"]),
        helper.make_node("Add", ["x", "nothing"], ["y"]),
    ]
    constants = {"one": np.float32([1.0]), "none": np.float32([0.0])}
    made = fold_constants(model_of(nodes, constants, {"x": 3}))
    assert made.places == ()
