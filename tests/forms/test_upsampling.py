"""Nearest x2 and a 3x3 convolution at the low resolution: equal with every kind of edge, at any
size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from iast_export.forms.upsampling import fold_upsampling
from tests.rewrite_cases import int8_of, model_of, picture, rewritten_equally, types, weight

ATTRIBUTES: dict[str, Any] = {
    "mode": "nearest",
    "coordinate_transformation_mode": "asymmetric",
    "nearest_mode": "floor",
}


def upsampled(
    edges: str = "reflect",
    outputs: int = 16,
    side: int = 3,
    scale: float = 2.0,
    relu: bool = False,
    **conv: Any,
) -> onnx.ModelProto:
    """Nearest, edges of 1 and a convolution."""
    held = {
        "scales": np.array([1, 1, scale, scale], np.float32),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "w": weight(outputs, 8 // conv.get("group", 1), side),
        "b": weight(outputs, 1, 1).ravel(),
    }
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["u"], **ATTRIBUTES)]
    if edges in ("reflect", "edge", "constant"):
        nodes.append(helper.make_node("Pad", ["u", "pads"], ["p"], mode=edges))
    border = {"zeros": [1] * 4, "odd": [1, 0, 1, 0]}.get(edges, [0] * 4)
    source, result = (
        ("p" if edges in ("reflect", "edge", "constant") else "u"),
        ("c" if relu else "y"),
    )
    nodes.append(helper.make_node("Conv", [source, "w", "b"], [result], pads=border, **conv))
    if relu:
        nodes.append(helper.make_node("Relu", ["c"], ["y"]))
    return model_of(nodes, held, {"x": 8})


@settings(max_examples=25, deadline=None)
@given(
    edges=st.sampled_from(["reflect", "edge", "zeros", "constant"]),
    sides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 99),
)
def test_values_are_equal_with_every_kind_of_edge(
    edges: str, sides: tuple[int, int], seed: int
) -> None:
    made = rewritten_equally(fold_upsampling, upsampled(edges), {"x": picture(8, *sides, seed)})
    assert made.places == ("y",) and "Resize" not in types(made.model)


@pytest.mark.parametrize(
    "other",
    [
        {"edges": "none"},
        {"edges": "odd"},
        {"outputs": 8},
        {"side": 1},
        {"scale": 3.0},
        {"strides": [2, 2]},
        {"group": 2},
        {"dilations": [2, 2]},
    ],
)
def test_what_is_not_equal_or_does_not_pay_stays(other: dict[str, Any]) -> None:
    assert not rewritten_equally(fold_upsampling, upsampled(**other), {"x": picture(8)}).places


def test_an_upsampled_picture_that_others_read_stays() -> None:
    model = upsampled("zeros")
    model.graph.node[-1].output[0] = "c"
    model.graph.node.append(helper.make_node("Concat", ["u", "c"], ["y"], axis=1))
    assert not rewritten_equally(fold_upsampling, model, {"x": picture(8)}).places


def test_it_computes_in_integers_with_its_relu(tmp_path: Path) -> None:
    model, feeds = upsampled(relu=True), {"x": picture(8, 16, 16)}
    _, summary, psnr_db = int8_of(fold_upsampling(model).model, feeds, tmp_path)
    assert summary.runtime_ops["QLinearConv"] == 1 and summary.quantized_ops["DepthToSpace"] == 1
    assert "Relu" in summary.quantized_ops and psnr_db > 35
