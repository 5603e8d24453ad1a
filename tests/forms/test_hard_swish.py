"""Hard swish and hard sigmoid in every way of writing: one operator, and the same values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from iast_export.forms.hard_swish import fuse_hard_swish
from iast_export.quantize.onnx.kernels import UINT16
from tests.rewrite_cases import (
    Constants,
    int8_of,
    model_of,
    picture,
    rewritten_equally,
    types,
    weight,
)


def scalar(value: float) -> np.ndarray:
    return np.float32(value)  # type: ignore[return-value]


CONSTANTS: Constants = {
    "three": scalar(3),
    "zero": scalar(0),
    "six": scalar(6),
    "sixth": scalar(1 / 6),
    "five": scalar(5),
}


def n(op: str, inputs: str, output: str, **attributes: float) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], **attributes)


def clip(left: bool = True) -> list[onnx.NodeProto]:
    return [n("Add", "x three" if left else "three x", "a"), n("Clip", "a zero six", "g")]


SWISHES: dict[str, list[onnx.NodeProto]] = {
    "x * clip / 6": [*clip(), n("Mul", "x g", "m"), n("Div", "m six", "y")],
    "clip * x / 6, the other way around": [
        *clip(False),
        n("Mul", "g x", "m"),
        n("Mul", "sixth m", "y"),
    ],
    "x * (clip / 6)": [*clip(), n("Div", "g six", "h"), n("Mul", "x h", "y")],
    "(x / 6) * clip": [*clip(), n("Div", "x six", "h"), n("Mul", "h g", "y")],
    "x * hard sigmoid": [n("HardSigmoid", "x", "h", alpha=1 / 6, beta=0.5), n("Mul", "h x", "y")],
}


@pytest.mark.parametrize("form", SWISHES)
def test_every_form_becomes_one_operator(form: str) -> None:
    model = model_of(SWISHES[form], CONSTANTS, {"x": 3})
    made = rewritten_equally(fuse_hard_swish, model, {"x": 4 * picture(3)})
    assert types(made.model) == ["HardSwish"] and made.places == ("y",)


@settings(max_examples=20, deadline=None)
@given(form=st.sampled_from(sorted(SWISHES)), sides=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_values_are_equal_at_any_size(form: str, sides: tuple[int, int]) -> None:
    model = model_of(SWISHES[form], CONSTANTS, {"x": 3})
    rewritten_equally(fuse_hard_swish, model, {"x": 4 * picture(3, *sides)})


def test_a_gate_of_its_own_becomes_a_hard_sigmoid() -> None:
    model = model_of([*clip(), n("Div", "g six", "y")], CONSTANTS, {"x": 3})
    made = rewritten_equally(fuse_hard_swish, model, {"x": 4 * picture(3)})
    assert types(made.model) == ["HardSigmoid"]


OTHERS: dict[str, Callable[[], list[onnx.NodeProto]]] = {
    "another divisor": lambda: [*clip(), n("Mul", "x g", "m"), n("Div", "m five", "y")],
    "another tensor": lambda: [
        *clip(),
        n("Relu", "x", "r"),
        n("Mul", "r g", "m"),
        n("Div", "m six", "y"),
    ],
    "another slope": lambda: [
        n("HardSigmoid", "x", "h", alpha=0.2, beta=0.5),
        n("Mul", "x h", "y"),
    ],
    "another bound": lambda: [
        n("Add", "x three", "a"),
        n("Clip", "a zero five", "g"),
        n("Mul", "x g", "y"),
    ],
    "no gate": lambda: [n("Mul", "x x", "m"), n("Div", "m six", "y")],
}


@pytest.mark.parametrize("form", OTHERS)
def test_what_only_resembles_it_stays(form: str) -> None:
    made = rewritten_equally(
        fuse_hard_swish, model_of(OTHERS[form](), CONSTANTS, {"x": 3}), {"x": picture(3)}
    )
    assert not made.places


def between_convolutions(*tail: onnx.NodeProto) -> onnx.ModelProto:
    nodes = [n("Conv", "x v", "a"), n("HardSwish", "a", "h"), n("Conv", "h w", "b"), *tail]
    return model_of(nodes, {"v": 3 * weight(8, 4), "w": weight(8, 8)}, {"x": 4})


def test_between_convolutions_it_computes_in_integers_and_stays_close(tmp_path: Path) -> None:
    model = between_convolutions(n("Relu", "b", "y"))
    _, summary, psnr_db = int8_of(model, {"x": picture(4, 24, 24)}, tmp_path)
    assert summary.quantized_ops["HardSwish"] == 1
    assert summary.runtime_ops["QLinearMul"] == summary.runtime_ops["QLinearAdd"] == 1
    assert psnr_db > 40


def test_with_sixteen_bits_it_is_no_arithmetic_of_eight(tmp_path: Path) -> None:
    model = between_convolutions(n("Relu", "b", "y"))
    quantized, _, psnr_db = int8_of(model, {"x": picture(4, 24, 24)}, tmp_path, UINT16)
    assert "HardSwish" in types(quantized) and "Mul" not in types(quantized)
    assert psnr_db > 50


def test_levels_below_minus_three_are_not_spent(tmp_path: Path) -> None:
    feeds = {"x": 6 * picture(4, 24, 24)}
    quantized, _, psnr_db = int8_of(between_convolutions(n("Relu", "b", "y")), feeds, tmp_path)
    held = {item.name: onnx.numpy_helper.to_array(item) for item in quantized.graph.initializer}
    assert -float(held["a_scale"]) * int(held["a_zero_point"]) == pytest.approx(
        -3, abs=float(held["a_scale"])
    )
    assert psnr_db > 40


def test_where_floats_read_it_it_stays_in_float(tmp_path: Path) -> None:
    model = between_convolutions(n("Slice", "h start end axes", "c"), n("Add", "b c", "y"))
    bounds = {"start": [1, 1], "end": [-1, -1], "axes": [2, 3]}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.array(value, np.int64), name)
        for name, value in bounds.items()
    )
    _, summary, psnr_db = int8_of(model, {"x": picture(4, 24, 24)}, tmp_path)
    assert "HardSwish" not in summary.quantized_ops and psnr_db > 35
