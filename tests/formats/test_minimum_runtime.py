"""The oldest runtime of a file: by IR and opset, by operators, or not known."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import helper

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.formats.minimum_runtime import minimum_runtime
from iast_export.formats.onnx_graph import load_model, save_model
from iast_export.reports.manifest import load_manifest
from tests.formats.test_onnx_wire import whole
from tests.litert_cases import converted, quantized
from tests.tiny_networks import tiny_onnx

ONNX = Path("model.onnx")


@pytest.mark.parametrize(
    ("opset", "ir", "release"),
    [
        (18, 8, "1.14"),
        (18, 10, "1.18"),
        (17, 8, "1.12"),
        (19, 9, "1.15"),
        (21, 10, "1.18"),
        (9, 4, "1.10"),
        (18, 99, None),
        (900, 8, None),
    ],
)
def test_an_onnx_file_says_it_by_its_ir_and_its_opset(
    opset: int, ir: int, release: str | None
) -> None:
    model = whole()
    model.ir_version, model.opset_import[0].version = ir, opset
    assert minimum_runtime(model.SerializeToString(), ONNX) == release


def test_operators_of_another_domain_are_not_known() -> None:
    model = whole()
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    assert minimum_runtime(model.SerializeToString(), ONNX) is None


def test_a_tflite_file_needs_what_was_tried_and_newer_operators_are_not_known() -> None:
    for path in (converted()[1], quantized("int8")[0]):
        assert minimum_runtime(path.read_bytes(), path) == "2.14"
    model = tf.read_model(converted()[1])
    model.operatorCodes[0].version = 99
    assert minimum_runtime(tw.serialize(model), Path("new.tflite")) is None


def test_files_are_saved_in_the_oldest_ir_that_their_opset_needs(tmp_path: Path) -> None:
    for opset, ir in ((18, 8), (19, 9), (21, 10)):
        model = whole()
        model.ir_version, model.opset_import[0].version = 10, opset
        save_model(model, tmp_path / "model.onnx")
        assert load_model(tmp_path / "model.onnx").ir_version == ir
    assert load_model(tiny_onnx("iast", 2, 32)).ir_version == 8


def test_every_file_of_a_bundle_says_its_oldest_runtime(small_bundle: Path) -> None:
    for entry in load_manifest(small_bundle).files:
        assert entry.minimum_runtime == ("1.14" if entry.runtime == "onnxruntime" else "2.14")
