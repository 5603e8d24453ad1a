"""Scales and shifts per channel inside the convolution beside them: equal values, or untouched."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from iast_export.forms.affine import fold_affine
from tests.rewrite_cases import Constants, model_of, picture, rewritten_equally, types, weight

C = 4


def affine(
    kind: str, source: str, result: str, seed: int = 0
) -> tuple[list[onnx.NodeProto], Constants]:
    """One operator that scales or shifts channels, with its constants."""
    rng = np.random.default_rng(seed)
    c = rng.uniform(0.5, 2.0, (1, C, 1, 1)).astype(np.float32) * rng.choice(
        [-1, 1], (1, C, 1, 1)
    ).astype("f4")
    if kind == "BatchNormalization":
        names = ["gain", "offset", "mean", "variance"]
        values = [rng.uniform(0.5, 2.0, C).astype(np.float32) for _ in names]
        return [helper.make_node(kind, [source, *names], [result], epsilon=1e-3)], dict(
            zip(names, values, strict=True)
        )
    order = ["c", source] if kind == "Sub from" else [source, "c"]
    return [helper.make_node(kind.split()[0], order, [result])], {"c": c}


KINDS = ("BatchNormalization", "Mul", "Add", "Sub", "Sub from", "Div")
sides = st.tuples(st.integers(4, 9), st.integers(4, 9))


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 99),
    sides=sides,
    group=st.sampled_from([1, 2, 4]),
)
def test_the_convolution_before_takes_it_up(
    kind: str, seed: int, sides: tuple[int, int], group: int
) -> None:
    conv = helper.make_node("Conv", ["x", "w", "b"], ["m"], pads=[1] * 4, group=group)
    nodes, constants = affine(kind, "m", "y", seed)
    held = {"w": weight(C, C // group), "b": weight(C, 1, 1, seed).ravel(), **constants}
    model = model_of([conv, *nodes], held, {"x": C})
    made = rewritten_equally(fold_affine, model, {"x": picture(C, *sides, seed)})
    assert types(made.model) == ["Conv"] and made.places == ("y",)


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 99),
    sides=sides,
    group=st.sampled_from([1, 2, 4]),
    mode=st.sampled_from(["reflect", "edge", ""]),
)
def test_the_convolution_after_takes_it_up_through_repeated_edges(
    kind: str, seed: int, sides: tuple[int, int], group: int, mode: str
) -> None:
    nodes, constants = affine(kind, "x", "m", seed)
    if mode:
        constants["pads"] = np.array([0, 0, 2, 1, 0, 0, 1, 2], np.int64)
        nodes.append(helper.make_node("Pad", ["m", "pads"], ["p"], mode=mode))
    nodes.append(helper.make_node("Conv", ["p" if mode else "m", "w"], ["y"], group=group))
    model = model_of(nodes, {"w": weight(8, C // group), **constants}, {"x": C})
    made = rewritten_equally(fold_affine, model, {"x": picture(C, *sides, seed)})
    assert types(made.model) == (["Pad", "Conv"] if mode else ["Conv"])


@pytest.mark.parametrize(
    ("kind", "folds"), [("Mul", True), ("Add", False), ("BatchNormalization", False)]
)
def test_zero_padding_lets_only_a_scale_through(kind: str, folds: bool) -> None:
    nodes, constants = affine(kind, "x", "m")
    nodes.append(helper.make_node("Conv", ["m", "w"], ["y"], pads=[1] * 4))
    model = model_of(nodes, {"w": weight(8, C), **constants}, {"x": C})
    assert bool(rewritten_equally(fold_affine, model, {"x": picture(C)}).places) == folds


def test_a_shape_taken_of_the_result_does_not_hinder() -> None:
    nodes, constants = affine("BatchNormalization", "m", "n")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["m"]),
        helper.make_node("Shape", ["m"], ["s"]),
        *nodes,
        helper.make_node("Expand", ["one", "s"], ["e"]),
        helper.make_node("Add", ["n", "e"], ["y"]),
    ]
    held = {"w": weight(C, C), "one": np.ones((1, 1, 1, 1), np.float32), **constants}
    made = rewritten_equally(fold_affine, model_of(nodes, held, {"x": C}), {"x": picture(C)})
    assert types(made.model) == ["Conv", "Shape", "Expand", "Add"]


def test_a_normalized_picture_costs_nothing() -> None:
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["a"]),
        helper.make_node("Div", ["a", "deviation"], ["b"]),
        helper.make_node("Pad", ["b", "pads"], ["p"], mode="reflect"),
        helper.make_node("Conv", ["p", "w"], ["y"]),
    ]
    held: dict[str, Any] = {
        "mean": np.array([0.485, 0.456, 0.406], np.float32).reshape(1, 3, 1, 1),
        "deviation": np.array([0.229, 0.224, 0.225], np.float32).reshape(1, 3, 1, 1),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "w": weight(8, 3),
    }
    made = rewritten_equally(fold_affine, model_of(nodes, held, {"x": 3}), {"x": picture(3)})
    assert types(made.model) == ["Pad", "Conv"]


@pytest.mark.parametrize("shape", [(C,), (1, 1, 1, 7), (1, C, 5, 1), (2, C, 1, 1)])
def test_other_constants_stay(shape: tuple[int, ...]) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["m"], pads=[1] * 4),
        helper.make_node("Mul", ["m", "c"], ["y"]),
    ]
    constant = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    sides = (5, C) if shape == (C,) else (5, 7)
    model = model_of(nodes, {"w": weight(C, C), "c": constant}, {"x": C})
    assert not rewritten_equally(fold_affine, model, {"x": picture(C, *sides)}).places


def test_a_result_that_others_read_stays() -> None:
    nodes, constants = affine("Mul", "m", "n")
    conv = helper.make_node("Conv", ["x", "w"], ["m"], pads=[1] * 4)
    model = model_of(
        [conv, *nodes, helper.make_node("Add", ["m", "n"], ["y"])],
        {"w": weight(C, C), **constants},
        {"x": C},
    )
    assert not rewritten_equally(fold_affine, model, {"x": picture(C)}).places
