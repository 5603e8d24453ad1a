"""INT8 that is never shipped: every operator of a group between integers, by the one writer."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from iast_export.decide.graph import Op
from iast_export.plan.onnx_naive import all_integers, naive_int8
from tests.drawn_graphs import conv, drawn, op
from tests.rewrite_cases import model_of, picture, run, types, weight


def roots(*ops: Op, outputs: str = "y") -> dict[str, str]:
    decisions = all_integers(drawn(*ops, outputs=outputs))
    assert all(decisions.is_integer(one) for one in ops)
    return dict(decisions.root_of)


def node(kind: str, reads: str, writes: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(kind, reads.split(), [writes], **attributes)


def held(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}


def test_every_result_has_a_scale_of_its_own() -> None:
    assert roots(op("Sigmoid", "x", "a"), op("Neg", "a", "y")) == {"x": "x", "a": "a", "y": "y"}


def test_a_movement_has_the_scale_of_what_it_moves() -> None:
    for moved in (op("DepthToSpace", "a", "y"), op("Pad", "a", "y", mode="constant")):
        assert roots(op("Neg", "x", "a"), moved)["y"] == "a"


def test_an_interpolation_computes() -> None:
    assert roots(op("Resize", "x", "y", mode="linear"))["y"] == "y"


def test_what_is_joined_has_one_scale_and_is_still_quantized_where_it_is_made() -> None:
    parts = op("Neg", "x", "a"), op("Neg", "x", "b"), op("Concat", "a b", "y", mode="channels")
    decisions = all_integers(drawn(*parts))
    assert dict(decisions.root_of) == {"x": "x", "a": "a", "b": "a", "y": "a"}
    assert set(decisions.roots) == {"x", "a", "b"}


@pytest.mark.parametrize("kind", ["Add", "Conv", "ConvTranspose", "MatMul"])
def test_a_clamp_behind_a_sum_of_products_is_its_range(kind: str) -> None:
    maker = conv("x", "a") if kind == "Conv" else op(kind, "x", "a")
    assert roots(maker, op("Relu", "a", "y")) == {"x": "x", "y": "y"}


def test_a_clamp_behind_anything_else_or_read_twice_computes() -> None:
    assert roots(op("Neg", "x", "a"), op("Relu", "a", "y")) == {"x": "x", "a": "a", "y": "y"}
    twice = conv("x", "a"), op("Relu", "a", "b"), op("Add", "a b", "y")
    assert roots(*twice) == {"x": "x", "a": "a", "b": "b", "y": "y"}


def test_weights_are_integers_and_a_convolutions_lie_per_channel() -> None:
    constants = {"w": weight(2, 3, 1), "v": weight(2, 2, 1), "s": np.float32(0.5)}
    nodes = [node("Conv", "x w", "a"), node("Mul", "a s", "b"), node("Conv", "b v", "y")]
    made = naive_int8(model_of(nodes, constants, {"x": 3}))
    values = held(made)
    assert values["w_int8"].dtype == np.int8 and values["w_int8_scale"].shape == (2,)
    assert values["s_q"].dtype == np.uint8 and values["s_scale"].shape == ()
    assert types(made).count("Conv") == 2 and "Pad" not in types(made)  # no channels are added
    feeds = {"x": picture(3)}
    wanted, got = (run(one, feeds) for one in (model_of(nodes, constants, {"x": 3}), made))
    assert np.abs(wanted - got).max() < 0.1  # 8 bits of a range of 8, three times


def test_bounds_and_normalization_factors_stay_floats() -> None:
    constants = {"low": np.float32(0), "high": np.float32(6), "one": np.ones(3, np.float32)}
    nodes = [node("InstanceNormalization", "x one one", "a"), node("Clip", "a low high", "y")]
    made = naive_int8(model_of(nodes, constants, {"x": 3}))
    assert types(made).count("Clip") == 1
    assert {"low", "high", "one"} <= held(made).keys()


def test_a_hard_swish_is_left_to_the_runtime() -> None:
    assert "HardSwish" in types(naive_int8(model_of([node("HardSwish", "x", "y")], {}, {"x": 3})))


def test_a_pad_fills_with_the_integer_that_means_zero() -> None:
    constants = {"pads": np.array([0, 0, 1, 1, 0, 0, 1, 1]), "zero": np.float32(0)}
    plain = model_of([node("Pad", "x pads zero", "y")], constants, {"x": 3})
    made = naive_int8(plain)
    assert types(made) == ["QuantizeLinear", "Pad", "DequantizeLinear"]
    wanted, got = (run(one, {"x": picture(3)}) for one in (plain, made))
    assert np.all(got[:, :, 0] == 0) and np.abs(wanted - got).max() < 0.1


def test_a_resize_of_fixed_sides_stays_channels_first() -> None:
    attributes = {"mode": "nearest", "nearest_mode": "floor"}
    attributes["coordinate_transformation_mode"] = "asymmetric"
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["y"], **attributes)]
    model = model_of(nodes, {"scales": np.array([1, 1, 2, 2], np.float32)}, {"x": 3})
    made = types(naive_int8(model))
    assert made == ["QuantizeLinear", "Flatten", "Shape", "Reshape", "Resize", "DequantizeLinear"]
    edges = naive_int8(model).graph
    assert {edges.input[0].type.tensor_type.elem_type} == {TensorProto.FLOAT}
