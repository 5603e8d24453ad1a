"""Narrow 1x1 heads as rows times matrices: the same values, nothing joined, everything else
untouched."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import helper

from iast_export.forms.narrow_heads import split_narrow_heads
from tests.rewrite_cases import model_of, run


def head(outputs: int, inputs: int, source: str = "x", bias: bool = True, **attributes: Any) -> Any:
    rng = np.random.default_rng(outputs * 100 + inputs)
    constants = {"w": rng.normal(size=(outputs, inputs, 1, 1)).astype(np.float32)}
    if bias:
        constants["b"] = rng.normal(size=outputs).astype(np.float32)
    names = [source, "w", "b"] if bias else [source, "w"]
    return helper.make_node("Conv", names, ["y"], **attributes), constants


def picture(channels: int, batch: int = 1) -> np.ndarray:
    rng = np.random.default_rng(channels)
    return rng.normal(size=(batch, channels, 5, 7)).astype(np.float32)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_head_keeps_its_values(outputs: int, bias: bool, batch: int) -> None:
    node, constants = head(outputs, 16, bias=bias)
    model = model_of([node], constants, {"x": 16})
    rewritten = split_narrow_heads(model).model
    assert "Conv" not in {n.op_type for n in rewritten.graph.node}
    feeds = {"x": picture(16, batch)}
    np.testing.assert_allclose(run(rewritten, feeds), run(model, feeds), atol=1e-5)


def test_joined_parts_are_multiplied_apart_and_not_joined() -> None:
    node, constants = head(2, 24, source="joined")
    join = helper.make_node("Concat", ["a", "b2", "c"], ["joined"], axis=1)
    widths = {"a": 4, "b2": 8, "c": 12}
    model = model_of([join, node], constants, widths)
    rewritten = split_narrow_heads(model).model
    assert [n.op_type for n in rewritten.graph.node].count("MatMul") == 6
    assert "joined" not in {name for n in rewritten.graph.node for name in n.input}
    feeds = {name: picture(channels) for name, channels in widths.items()}
    np.testing.assert_allclose(run(rewritten, feeds), run(model, feeds), atol=1e-5)


@pytest.mark.parametrize(
    ("outputs", "inputs", "attributes"),
    [
        (3, 16, {}),
        (2, 4, {}),
        (2, 16, {"strides": [2, 2]}),
        (2, 16, {"pads": [1, 1, 1, 1]}),
    ],
)
def test_what_is_no_narrow_head_stays(
    outputs: int, inputs: int, attributes: dict[str, Any]
) -> None:
    node, constants = head(outputs, inputs, **attributes)
    model = model_of([node], constants, {"x": inputs})
    assert [n.op_type for n in split_narrow_heads(model).model.graph.node] == ["Conv"]


def test_the_model_that_was_given_is_unchanged() -> None:
    node, constants = head(1, 16)
    model = model_of([node], constants, {"x": 16})
    before = model.SerializeToString(deterministic=True)
    split_narrow_heads(model)
    assert model.SerializeToString(deterministic=True) == before
