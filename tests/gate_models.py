"""Model files of a few operators, written by hand: enough for the gate, which reads and never runs
them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from onnx import TensorProto, helper, numpy_helper

CODE = [1, 4]


def onnx_file(*, integers: bool, external: bool = False) -> bytes:
    """content [1, 3, height, width] and style_code [1, 4] to stylized; quantized on its way, or
    not."""
    float32 = TensorProto.FLOAT
    picture = [1, 3, "height", "width"]
    edges = [
        helper.make_tensor_value_info("content", float32, picture),
        helper.make_tensor_value_info("style_code", float32, CODE),
        helper.make_tensor_value_info("stylized", float32, picture),
    ]
    scale = numpy_helper.from_array(np.float32(0.1), "scale")
    if integers:
        nodes = [
            helper.make_node("QuantizeLinear", ["content", "scale"], ["levels"]),
            helper.make_node("DequantizeLinear", ["levels", "scale"], ["stylized"]),
        ]
    else:
        nodes = [helper.make_node("Mul", ["content", "scale"], ["stylized"])]
    if external:
        scale.data_location = TensorProto.EXTERNAL
    graph = helper.make_graph(nodes, "small", edges[:2], edges[2:], [scale])
    model = helper.make_model(graph)
    helper.set_model_props(model, {"size_multiple_px": "4"})
    return bytes(model.SerializeToString())


def onnx_encoder() -> bytes:
    """A style encoder: style [1, 3, 256, 256] to style_code."""
    edges = [
        helper.make_tensor_value_info("style", TensorProto.FLOAT, [1, 3, 256, 256]),
        helper.make_tensor_value_info("style_code", TensorProto.FLOAT, CODE),
    ]
    node = helper.make_node("Encode", ["style"], ["style_code"])
    graph = helper.make_graph([node], "encoder", edges[:1], edges[1:])
    return bytes(helper.make_model(graph).SerializeToString())


def tflite_file(precision: str, sides: dict[str, int]) -> bytes:
    """A signature per tier; the types of its constants and of what it computes are those of the
    precision."""
    held = {"fp32": "FLOAT32", "fp16": "FLOAT16", "dynamic_int8": "INT8", "int8": "INT8"}[precision]
    between = "INT8" if precision == "int8" else "FLOAT32"
    graphs = [
        [
            ("content", "FLOAT32", [1, side, side, 3]),
            ("style_code", "FLOAT32", CODE),
            ("weights", held, [4]),
            ("between", between, [1, side, side, 3]),
            ("stylized", "FLOAT32", [1, side, side, 3]),
        ]
        for side in sides.values()
    ]
    return _pack(graphs, [name.replace("-", "_") for name in sides])


def tflite_encoder() -> bytes:
    """A style encoder with its one signature."""
    graph = [("style", "FLOAT32", [1, 256, 256, 3]), ("style_code", "FLOAT32", CODE)]
    return _pack([graph], ["style_encoder"])


def _pack(graphs: Sequence[Sequence[tuple[str, str, list[int]]]], keys: Sequence[str]) -> bytes:
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT(), schema.BufferT()]
    model.buffers[1].data = [1, 2, 3, 4]
    model.subgraphs = [_graph(tensors) for tensors in graphs]
    model.signatureDefs = [_signature(key, i, graphs[i]) for i, key in enumerate(keys)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _graph(tensors: Sequence[tuple[str, str, list[int]]]) -> Any:
    graph = schema.SubGraphT()
    graph.tensors = []
    for name, kind, shape in tensors:
        tensor = schema.TensorT()
        tensor.name, tensor.shape = name, shape
        tensor.type = getattr(schema.TensorType, kind)
        tensor.buffer = int(name == "weights")
        graph.tensors.append(tensor)
    return graph


def _signature(key: str, index: int, tensors: Sequence[tuple[str, str, list[int]]]) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = key, index
    names = [name for name, _, _ in tensors]
    outputs = ["stylized"] if "stylized" in names else ["style_code"]
    inputs = [
        name for name in names if name in ("content", "style_code", "style") and name not in outputs
    ]
    signature.inputs = [_place(name, names) for name in inputs]
    signature.outputs = [_place(name, names) for name in outputs]
    return signature


def _place(name: str, names: Sequence[str]) -> Any:
    place = schema.TensorMapT()
    place.name, place.tensorIndex = name, names.index(name)
    return place
