"""A parsed model is held to what every reader takes for granted, and the first fault is named."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from iast_export.formats.damage import DamagedError, refusal
from iast_export.formats.onnx_check import check_onnx, stored_bytes
from tests.rewrite_cases import model_of, weight


def whole() -> onnx.ModelProto:
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], pads=[1] * 4)]
    return model_of(nodes, {"w": weight(2, 3)}, {"x": 3})


def _no_operator(model: onnx.ModelProto) -> None:
    del model.graph.node[:]


def _no_version(model: onnx.ModelProto) -> None:
    model.ir_version = 0


def _far_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 100_000


def _no_type(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = ""


def _attribute_twice(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute.append(helper.make_attribute("pads", [0] * 4))


def _attribute_of_two_types(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute[0].f = 1.0


def _attribute_of_no_type(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute[0].type = onnx.AttributeProto.UNDEFINED


def _attribute_of_a_function(model: onnx.ModelProto) -> None:
    model.graph.node[0].attribute[0].ref_attr_name = "pads"


def _short_values(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-1]


def _negative_side(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = -2


def _unknown_type(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_type = 77


def _values_elsewhere(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def _zero_in_a_name(model: onnx.ModelProto) -> None:
    model.graph.node[0].name = "a\0b"


def _edge_of_no_type(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = 0


def _edge_of_a_negative_side(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_value = -1


def _inside_a_branch(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([helper.make_node("", [], ["z"])], "inner", [], [])
    model.graph.node[0].attribute.append(helper.make_attribute("body", inner))


FAULTS: dict[Callable[[onnx.ModelProto], None], str] = {
    _no_operator: "no IR version or no operator",
    _no_version: "no IR version or no operator",
    _far_opset: "opset 100000 of '' can't be",
    _no_type: "an operator has no type",
    _attribute_twice: "Conv has an attribute twice",
    _attribute_of_two_types: "the attribute pads holds f, ints, its type says ints",
    _attribute_of_no_type: "the attribute pads has an unknown type 0",
    _attribute_of_a_function: "pads refers to one of a function, outside of any",
    _short_values: r"'w' of shape \[2, 3, 3, 3\] holds 215, not 216",
    _negative_side: r"'w' has the shape \[-2, 3, 3, 3\]",
    _unknown_type: "'w' has an unknown type 77",
    _values_elsewhere: "'w' keeps its values elsewhere",
    _zero_in_a_name: "a name has a NUL in it",
    _edge_of_no_type: "'x' has an unknown type 0",
    _edge_of_a_negative_side: "'y' has a side of -1",
    _inside_a_branch: "an operator has no type",
}


def test_a_whole_model_passes() -> None:
    check_onnx(whole())


@pytest.mark.parametrize("damage", FAULTS, ids=lambda one: one.__name__)
def test_what_no_reader_expects_is_named(damage: Callable[[onnx.ModelProto], None]) -> None:
    model = whole()
    damage(model)
    with pytest.raises(DamagedError, match=FAULTS[damage]):
        check_onnx(model)


@pytest.mark.parametrize(
    ("kind", "sides", "size"),
    [
        (TensorProto.FLOAT, [2, 3], 24),
        (TensorProto.FLOAT16, [3], 6),
        (TensorProto.INT4, [3], 2),
        (TensorProto.UINT4, [], 1),
        (TensorProto.INT64, [0, 5], 0),
        (TensorProto.COMPLEX128, [2], 32),
        (TensorProto.BOOL, [7], 7),
    ],
)
def test_values_take_the_bits_of_their_type(kind: int, sides: list[int], size: int) -> None:
    assert stored_bytes(TensorProto(data_type=kind, dims=sides)) == size


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int8, np.int64, np.bool_])
def test_values_as_lists_and_as_bytes_pass_alike(dtype: type[np.generic]) -> None:
    values = np.ones((2, 2), dtype)
    model = whole()
    as_bytes = numpy_helper.from_array(values, "bytes")
    kind = as_bytes.data_type
    as_list = helper.make_tensor("list", kind, [2, 2], [float(v) for v in values.ravel()])
    model.graph.initializer.extend([as_bytes, as_list])
    check_onnx(model)


def test_the_refusal_keeps_the_words_of_the_damage_and_names_other_errors() -> None:
    said = refusal("m.onnx", DamagedError("a name is\nnot UTF-8"))
    assert said.message == "m.onnx is truncated or damaged: a name is not UTF-8"
    other = refusal("m.onnx", IndexError("9" * 1000))
    assert "IndexError: 999" in other.message and len(other.message) < 400
