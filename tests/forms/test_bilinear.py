"""Bilinear x2 and a 3x3 convolution at the low resolution: equal with every kind of edge, at any
size, and in integers without a doubled picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from iast_export.forms.bilinear import fold_bilinear, low_weight
from iast_export.forms.edit import Rewritten
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.kernels import UINT8, UINT16, Kernels
from iast_export.quantize.onnx.qdq import quantize_onnx, tensors_to_calibrate
from iast_export.quantize.ranges import Range
from tests.rewrite_cases import int8_of, model_of, picture, rewritten_equally, run, types, weight


def upsampled(
    edges: str = "reflect",
    outputs: int = 8,
    side: int = 3,
    scale: float = 2.0,
    clamp: str = "",
    form: str = "half_pixel",
    before: bool = False,
    **conv: Any,
) -> onnx.ModelProto:
    """Bilinear, edges of 1 and a convolution, behind another one and clamped where asked."""
    held = {
        "scales": np.array([1, 1, scale, scale], np.float32),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "w": weight(outputs, 8 // conv.get("group", 1), side),
        "b": weight(outputs, 1, 1).ravel(),
        "w0": weight(8, 8, 3),
    }
    nodes = []
    if before:
        nodes.append(helper.make_node("Conv", ["x", "w0"], ["z"], pads=[1] * 4))
    doubled = {"mode": "linear", "coordinate_transformation_mode": form}
    given = ["z" if before else "x", "", "scales"]
    nodes.append(helper.make_node("Resize", given, ["u"], **doubled))
    padded = edges in ("reflect", "edge", "constant")
    if padded:
        nodes.append(helper.make_node("Pad", ["u", "pads"], ["p"], mode=edges))
    border = {"zeros": [1] * 4, "odd": [1, 0, 1, 0]}.get(edges, [0] * 4)
    inputs = ["p" if padded else "u", "w", "b"]
    result = "c" if clamp else "y"
    nodes.append(helper.make_node("Conv", inputs, [result], pads=border, **conv))
    if clamp:
        nodes.append(helper.make_node(clamp, ["c"], ["y"]))
    return model_of(nodes, held, {"x": 8})


def folded(model: onnx.ModelProto) -> Rewritten:
    made = fold_bilinear(model)
    return Rewritten(made.model, made.places)


@settings(max_examples=25, deadline=None)
@given(
    edges=st.sampled_from(["reflect", "edge", "zeros", "constant"]),
    clamp=st.sampled_from(["", "Relu"]),
    sides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 99),
)
def test_values_are_equal_with_every_kind_of_edge(
    edges: str, clamp: str, sides: tuple[int, int], seed: int
) -> None:
    model = upsampled(edges, clamp=clamp)
    made = rewritten_equally(folded, model, {"x": picture(8, *sides, seed)})
    assert made.places == ("c" if clamp else "y",)
    assert types(made.model).count("DepthToSpace") == 1


@pytest.mark.parametrize(
    "other",
    [
        {"edges": "none"},
        {"edges": "odd"},
        {"side": 1},
        {"scale": 3.0},
        {"form": "align_corners"},
        {"strides": [2, 2]},
        {"group": 2},
        {"dilations": [2, 2]},
    ],
)
def test_what_is_not_equal_stays(other: dict[str, Any]) -> None:
    assert not rewritten_equally(folded, upsampled(**other), {"x": picture(8)}).places


def test_layers_of_many_weights_stay_and_so_does_what_is_asked_for() -> None:
    assert not fold_bilinear(upsampled(), kept={"y"}).places
    wide = upsampled(outputs=9 * 128)
    assert not fold_bilinear(wide).places


def test_a_doubled_picture_that_others_read_stays() -> None:
    model = upsampled("zeros")
    model.graph.node[-1].output[0] = "c"
    model.graph.node.append(helper.make_node("Concat", ["u", "c"], ["y"], axis=1))
    assert not rewritten_equally(folded, model, {"x": picture(8)}).places


def test_the_four_kernels_share_out_all_that_the_given_one_weighs() -> None:
    given = weight(2, 3, 3)
    made = low_weight(given)
    assert made.shape == (8, 3, 3, 3)
    sums = given.sum((2, 3)).repeat(4, 0)
    assert np.allclose(made.sum((2, 3)), sums, atol=1e-6)


@pytest.mark.parametrize("edges", ["reflect", "edge", "zeros"])
def test_integers_read_the_low_resolution(edges: str, tmp_path: Path) -> None:
    model, feeds = upsampled(edges, clamp="Relu", before=True), {"x": picture(8, 16, 24)}
    quantized, summary, psnr_db = int8_of(model, feeds, tmp_path)
    assert psnr_db > 35
    assert summary.runtime_ops["QLinearConv"] == (2 if edges == "edge" else 4)
    assert "Relu" not in summary.runtime_ops and summary.quantized_ops["DepthToSpace"] == 1
    whole = [node for node in quantized.graph.node if node.op_type == "Resize"]
    assert len(whole) == (0 if edges == "edge" else 2), "of two pixels along each side"
    assert run(quantized, feeds).shape == (1, 8, 32, 48)


def test_what_was_left_in_float_is_not_folded(tmp_path: Path) -> None:
    fp32, model = tmp_path / "fp32.onnx", upsampled("zeros", before=True)
    onnx.save(model, str(fp32))
    learned = Learned(dict.fromkeys(tensors_to_calibrate(fp32), Range(-4.0, 4.0)))
    cases: list[tuple[tuple[str, ...], Kernels, int]] = [
        ((), UINT8, 4),
        (("y",), UINT8, 2),
        ((), UINT16, 2),
    ]
    for in_float, kernels, convolutions in cases:
        quantize_onnx(fp32, learned, tmp_path / "int8.onnx", in_float, kernels)
        made = types(onnx.load(str(tmp_path / "int8.onnx")))
        assert made.count("Conv") == convolutions


def test_the_ranges_of_what_is_folded_are_calibrated(tmp_path: Path) -> None:
    onnx.save(upsampled("zeros", before=True), str(tmp_path / "fp32.onnx"))
    assert {"u", "y", "z"} <= {*tensors_to_calibrate(tmp_path / "fp32.onnx")}
