"""Values outside of an ONNX file: found wherever they hide, before any runtime sees the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from iast_export.errors import InputError
from iast_export.formats.onnx_graph import load_model, parse_model
from iast_export.formats.onnx_wire import refuse_external_data
from iast_export.runtimes.onnx import open_onnx
from tests.bundle.test_inspection import branching_onnx


def whole() -> onnx.ModelProto:
    node = helper.make_node("Add", ["x", "weight"], ["y"])
    edges = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in ("x", "y")]
    weight = numpy_helper.from_array(np.ones(4, np.float32), "weight")
    graph = helper.make_graph([node], "g", edges[:1], edges[1:], [weight])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def elsewhere(location: str = "weights.bin") -> onnx.TensorProto:
    tensor = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def in_initializer(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].CopyFrom(elsewhere())


def in_memory(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].CopyFrom(elsewhere("*/_ORT_MEM_ADDR_/*"))


def without_a_location(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def named_but_not_said(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="weights.bin")


def in_attribute(model: onnx.ModelProto) -> None:
    del model.graph.initializer[:]
    model.graph.node.insert(0, helper.make_node("Constant", [], ["weight"], value=elsewhere()))


def in_list(model: onnx.ModelProto) -> None:
    attribute = AttributeProto(name="more", type=AttributeProto.TENSORS, tensors=[elsewhere()])
    model.graph.node[0].attribute.append(attribute)


def in_sparse_initializer(model: onnx.ModelProto) -> None:
    model.graph.sparse_initializer.add().values.CopyFrom(elsewhere())


def in_sparse_attribute(model: onnx.ModelProto) -> None:
    attribute = AttributeProto(name="more", type=AttributeProto.SPARSE_TENSOR)
    attribute.sparse_tensor.indices.CopyFrom(elsewhere())
    model.graph.node[0].attribute.append(attribute)


def in_branch(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [], [elsewhere()])
    model.graph.node[0].attribute.append(helper.make_attribute("then_branch", inner))


def in_branches(model: onnx.ModelProto) -> None:
    inner = helper.make_graph([], "inner", [], [], [elsewhere()])
    attribute = AttributeProto(name="more", type=AttributeProto.GRAPHS, graphs=[inner])
    model.graph.node[0].attribute.append(attribute)


def in_function(model: onnx.ModelProto) -> None:
    node = helper.make_node("Constant", [], ["c"], value=elsewhere())
    model.functions.append(
        helper.make_function("own", "F", [], ["c"], [node], [helper.make_opsetid("", 18)])
    )


def in_default_of_a_function(model: onnx.ModelProto) -> None:
    in_function(model)
    model.functions[0].attribute_proto.append(helper.make_attribute("value", elsewhere()))
    del model.functions[0].node[:]


def in_training(model: onnx.ModelProto) -> None:
    model.training_info.add().initialization.initializer.append(elsewhere())


PLACES: tuple[Callable[[onnx.ModelProto], None], ...] = (
    in_initializer,
    in_memory,
    without_a_location,
    named_but_not_said,
    in_attribute,
    in_list,
    in_sparse_initializer,
    in_sparse_attribute,
    in_branch,
    in_branches,
    in_function,
    in_default_of_a_function,
    in_training,
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place.__name__))
def test_values_in_another_file_are_refused_by_every_reader(
    place: Callable[[onnx.ModelProto], None], tmp_path: Path
) -> None:
    model = whole()
    place(model)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    (tmp_path / "weights.bin").write_bytes(np.ones(4, np.float32).tobytes())
    for read in (load_model, open_onnx):
        with pytest.raises(
            InputError, match=r"model.onnx keeps values in another file.*\n.*one file"
        ):
            read(path)  # type: ignore[operator]


def test_a_whole_file_passes_and_runs(tmp_path: Path) -> None:
    data = whole().SerializeToString()
    refuse_external_data(data, "it")
    assert open_onnx(data).run({"x": np.zeros(4, np.float32)})["y"].tolist() == [1, 1, 1, 1]
    load_model(branching_onnx(tmp_path / "two.onnx"))


@pytest.mark.parametrize(
    "data", [b"", b"hello, world", b"\x3a\xff\xff\xff\xff\x0f", b"\x3a" + b"\xff" * 12, b"\x0b"]
)
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=r"damaged|operator"):
        parse_model(data, "it")


def test_graphs_inside_graphs_end_somewhere() -> None:
    def field(number: int, inner: bytes) -> bytes:
        size, length = len(inner), b""
        while size > 0x7F:
            length, size = length + bytes([size & 0x7F | 0x80]), size >> 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + inner

    graph = b""
    for _ in range(3_000):
        graph = field(1, field(5, field(6, graph)))  # a node with an attribute with a graph
    with pytest.raises(InputError, match="damaged"):
        refuse_external_data(field(7, graph), "it")
