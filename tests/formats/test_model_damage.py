"""Damaged model files: every kind is refused in words, none ends in a traceback."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import onnx
import pytest
from onnx import TensorProto

from iast_export.bundle.inspection import inspect_model
from iast_export.errors import IastExportError, InputError
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import parse_model
from tests.formats.test_onnx_wire import whole
from tests.litert_cases import converted, quantized
from tests.model_mutators import mutants
from tests.tiny_networks import tiny_onnx

TfDamage = Callable[[Any], object]
OnnxDamage = Callable[[onnx.ModelProto], object]


def written(model: Any) -> bytes:
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def put(owner: Callable[[Any], Any], name: str, value: Any) -> TfDamage:
    return lambda model: setattr(owner(model), name, value)


def first(model: Any) -> Any:
    return model.subgraphs[0]


def weight(model: Any) -> Any:
    return next(
        t
        for t in first(model).tensors
        if len(tf.tensor_shape(t)) == 4 and tf.buffer_bytes(model, t)
    )


def operator(model: Any) -> Any:
    return first(model).operators[3]


def signature(model: Any) -> Any:
    return model.signatureDefs[0]


def moved_outside(model: Any) -> None:
    model.buffers[1].offset, model.buffers[1].size = 1 << 40, 9


TFLITE: dict[str, tuple[TfDamage, str]] = {
    "version": (put(lambda m: m, "version", 4), "schema version 4"),
    "no subgraph": (put(lambda m: m, "subgraphs", []), "no subgraph"),
    "no code": (put(lambda m: m, "operatorCodes", None), "no operator code"),
    "unknown operator": (put(lambda m: m.operatorCodes[0], "builtinCode", 9_999), "operator code "
        "9999"),
    "operator version": (put(lambda m: m.operatorCodes[0], "version", -1), "version -1"),
    "tensor type": (put(weight, "type", 99), "unknown type 99"),
    "tensor buffer": (put(weight, "buffer", 1 << 20), "the buffer of tensor|out of bounds"),
    "external": (put(weight, "externalBuffer", 1), "outside of the file"),
    "negative side": (put(weight, "shape", [-1, 3, 3, 8]), "has the shape"),
    "huge side": (put(weight, "shape", [1 << 30, 1 << 30, 3, 8]), "stores"),
    "other side": (put(weight, "shape", [8, 3, 3, 9]), "stores"),
    "name": (put(lambda m: first(m).tensors[0], "name", b"\x80"), "not UTF-8"),
    "custom name": (put(lambda m: m.operatorCodes[0], "customCode", b"\xff"), "not UTF-8"),
    "input beyond": (put(operator, "inputs", np.array([1 << 30], np.int32)), "an input of operator "
        "3"),
    "input below": (put(operator, "inputs", np.array([-2], np.int32)), "an input of operator 3"),
    "output beyond": (put(operator, "outputs", np.array([9_999], np.int32)), "an output of "
        "operator 3"),
    "absent output": (put(operator, "outputs", np.array([-1], np.int32)),
        "an output of operator 3"),
    "opcode index": (put(operator, "opcodeIndex", 77), "the code of operator 3"),
    "options": (put(operator, "builtinOptionsType", 250), "options of an unknown kind"),
    "cycle": (lambda m: setattr(operator(m), "inputs", operator(m).outputs), "reads what nothing "
        "has made"),
    "two writers": (
        lambda m: setattr(operator(m), "outputs", first(m).operators[2].outputs),
        "writes what is there already|reads what nothing has made",
    ),
    "order": (lambda m: first(m).operators.reverse(), "reads what nothing has made"),
    "edge": (put(first, "outputs", np.array([-3], np.int32)), "an edge of subgraph 0"),
    "unmade output": (lambda m: first(m).operators.pop(), "nothing makes an output"),
    "no outputs": (put(first, "outputs", None), "no inputs, outputs"),
    "signature graph": (put(signature, "subgraphIndex", 9), "the subgraph of a signature"),
    "signature tensor": (put(lambda m: signature(m).inputs[0], "tensorIndex", 1 << 30),
        "an edge of sig"),
    "signature name": (put(lambda m: signature(m).inputs[0], "name", b"\xc3"), "not UTF-8"),
    "signature key": (put(signature, "signatureKey", b"\x80key"), "not UTF-8"),
    "no key": (put(signature, "signatureKey", None), "two signatures or none"),
    "twin keys": (lambda m: m.signatureDefs.append(m.signatureDefs[0]), "two signatures or none"),
    "nameless edge": (put(lambda m: signature(m).inputs[0], "name", None), "without names"),
    "outside": (moved_outside, "data outside|reads what nothing has made"),
}  # fmt: skip


@pytest.mark.parametrize("kind", TFLITE)
def test_a_damaged_tflite_model_is_refused_in_words(kind: str) -> None:
    damage, words = TFLITE[kind]
    model = tf.read_model(converted()[1])
    damage(model)
    with pytest.raises(InputError, match=rf"it is truncated or damaged: .*({words})"):
        tf.parse(written(model), "it")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("scale", [float("nan")], "a scale that is no number"),
        ("scale", [-1.0], "a scale that is no number"),
        ("scale", [0.5] * 3, "zero points that don't go|of shape|the quantized dimension"),
        ("zeroPoint", [1 << 40], "zero points that don't go"),
    ],
)
def test_damaged_quantization_is_refused(name: str, value: list[float], words: str) -> None:
    model = tf.read_model(quantized("int8")[0])
    found = next(
        t.quantization
        for t in first(model).tensors
        if t.quantization and t.quantization.scale is not None
    )
    setattr(found, name, np.array(value, np.float32 if name == "scale" else np.int64))
    with pytest.raises(InputError, match=words):
        tf.parse(written(model), "it")


class Once:
    """A table that is written once, however often it is listed."""

    def __init__(self, table: Any) -> None:
        self._table, self._place = table, 0

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802
        self._place = self._place or self._table.Pack(builder)
        return self._place


@pytest.mark.parametrize("what", ["buffers", "subgraphs"])
def test_a_file_that_unfolds_into_gigabytes_is_refused(what: str) -> None:
    model = tf.read_model(converted()[1])
    model.buffers[1].data = np.zeros(1 << 18, np.uint8)
    setattr(model, what, [Once(getattr(model, what)[-1 if what == "subgraphs" else 1])] * 20_000)
    data = written(model)
    assert len(data) < 1 << 20
    with pytest.raises(InputError, match="its parts overlap"):
        tf.parse(data, "it")


def node(model: onnx.ModelProto) -> onnx.NodeProto:
    return model.graph.node[0]


def attribute(model: onnx.ModelProto, kind: int, **fields: Any) -> None:
    node(model).attribute.append(onnx.AttributeProto(name="a", type=kind, **fields))  # type: ignore[arg-type]


def one_number(item: onnx.TensorProto) -> onnx.TensorProto:
    item.ClearField("raw_data")
    return onnx.TensorProto(float_data=[1.0])


def as_text(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_type = TensorProto.STRING


ONNX: dict[str, tuple[OnnxDamage, str]] = {
    "input type": (lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 0),
        "unknown type 0"),
    "output type": (lambda m: setattr(m.graph.output[0].type.tensor_type, "elem_type", -5),
        "type -5"),
    "constant type": (lambda m: setattr(m.graph.initializer[0], "data_type", 99),
        "unknown type 99"),
    "undefined": (lambda m: setattr(m.graph.initializer[0], "data_type", 0), "unknown type 0"),
    "dims": (lambda m: m.graph.initializer[0].dims.__setitem__(0, 1 << 40), "holds 16"),
    "negative dims": (lambda m: m.graph.initializer[0].dims.__setitem__(0, -4), r"shape \[-4\]"),
    "cut values": (lambda m: setattr(m.graph.initializer[0], "raw_data", b"x"), "holds 1, not 16"),
    "typed values": (
        lambda m: m.graph.initializer[0].MergeFrom(one_number(m.graph.initializer[0])),
        "holds 1, not 4",
    ),
    "segment": (lambda m: m.graph.initializer[0].segment.SetInParent(), "elsewhere"),
    "text as bytes": (as_text, "text as bytes"),
    "negative side": (
        lambda m: setattr(m.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", -5),
        "side of -5",
    ),
    "attribute type": (lambda m: attribute(m, 0, i=3), "unknown type 0"),
    "attribute field": (lambda m: attribute(m, onnx.AttributeProto.INTS, f=3.0),
        "holds f, its type"),
    "attribute twice": (
        lambda m: [attribute(m, onnx.AttributeProto.INT, i=3) for _ in range(2)],
        "has an attribute twice",
    ),
    "no operator type": (lambda m: setattr(node(m), "op_type", ""), "an operator has no type"),
    "no operator": (lambda m: m.graph.ClearField("node"), "no operator"),
    "opset": (lambda m: setattr(m.opset_import[0], "version", -1), "opset -1"),
    "huge opset": (lambda m: setattr(m.opset_import[0], "version", (1 << 63) - 1), "opset 9"),
    "NUL": (lambda m: setattr(node(m), "name", "a\0b"), "NUL"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ONNX)
def test_a_damaged_onnx_model_is_refused_in_words(kind: str) -> None:
    damage, words = ONNX[kind]
    model = whole()
    damage(model)
    with pytest.raises(InputError, match=rf"it is truncated or damaged: .*{words}"):
        parse_model(model.SerializeToString(), "it")


def test_a_name_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(InputError, match="a name is not UTF-8"):
        parse_model(whole().SerializeToString().replace(b"weight", b"weigh\x80"), "it")


@pytest.mark.parametrize("kind", ["onnx", "tflite"])
def test_no_mutant_ends_in_anything_but_an_error_of_ours(kind: str, tmp_path: Path) -> None:
    seed = tiny_onnx("iast", 2, 32) if kind == "onnx" else quantized("int8")[0]
    path, refused, count = tmp_path / f"mutant.{kind}", 0, 150 if kind == "onnx" else 40
    for _, data in mutants(kind, seed.read_bytes(), count, random.Random(18)):
        path.write_bytes(data)
        try:
            inspect_model(path)
        except IastExportError as error:
            assert error.exit_code in (3, 4)
            refused += 1
    assert count / 5 < refused < count
