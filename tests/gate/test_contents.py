"""What a model file holds, read without running it, against what the manifest calls it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from iast_export.gate.contents import Contents, Edge, content_faults, read_contents
from iast_export.reports.manifest import FileEntry, Manifest
from tests.gate_cases import TIERS, make_bundle
from tests.gate_models import onnx_encoder, onnx_file, tflite_encoder, tflite_file

SIDES = {tier: side for tier, (_, side) in TIERS.items()}
INT8 = frozenset({"int8"})


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return Manifest.load(make_bundle(tmp_path_factory.mktemp("bundle")) / "manifest.json")


def entry_of(manifest: Manifest, runtime: str, precision: str, role: str = "transfer") -> FileEntry:
    return next(
        one
        for one in manifest.files
        if (one.runtime, one.precision, one.role) == (runtime, precision, role)
    )


def test_an_onnx_file_tells_its_edges_and_its_metadata(manifest: Manifest) -> None:
    found = read_contents(entry_of(manifest, "onnxruntime", "fp32"), onnx_file(integers=False))
    picture = (1, 3, "height", "width")
    assert found.edges == {
        Edge(None, "input", "content", "float32", picture),
        Edge(None, "input", "style_code", "float32", (1, 4)),
        Edge(None, "output", "stylized", "float32", picture),
    }
    assert found.metadata == (("size_multiple_px", "4"),)
    assert not found.in_integers and not found.external and found.signatures == ()


def test_an_onnx_file_is_in_integers_where_it_quantizes(manifest: Manifest) -> None:
    entry = entry_of(manifest, "onnxruntime", "int8")
    assert read_contents(entry, onnx_file(integers=True)).in_integers


def test_weights_in_another_file_are_seen(manifest: Manifest) -> None:
    entry = entry_of(manifest, "onnxruntime", "fp32")
    found = read_contents(entry, onnx_file(integers=False, external=True))
    assert found.external
    faults = list(content_faults(manifest, entry, found))
    assert faults == ["weights lie in another file, which no hash covers"]


@pytest.mark.parametrize(
    ("precision", "constants", "computed"),
    [
        ("fp32", {"float32"}, {"float32"}),
        ("fp16", {"float16"}, {"float32"}),
        ("dynamic_int8", {"int8"}, {"float32"}),
        ("int8", {"int8"}, {"float32", "int8"}),
    ],
)
def test_a_tflite_file_tells_what_it_stores_and_what_it_computes(
    manifest: Manifest, precision: str, constants: set[str], computed: set[str]
) -> None:
    entry = entry_of(manifest, "litert", precision)
    found = read_contents(entry, tflite_file(precision, SIDES))
    assert (found.constants, found.computed) == (constants, computed)
    assert found.signatures == ("d2_256px", "d1_512px")
    assert {edge.shape for edge in found.edges if edge.name == "content"} == {
        (1, 256, 256, 3),
        (1, 512, 512, 3),
    }
    assert list(content_faults(manifest, entry, found)) == []


@pytest.mark.parametrize("runtime", ["onnxruntime", "litert"])
@pytest.mark.parametrize("data", [b"", b"no model at all", tflite_file("fp32", SIDES)[:60]])
def test_what_is_no_model_is_a_value_error(manifest: Manifest, runtime: str, data: bytes) -> None:
    entry = entry_of(manifest, runtime, "fp32")
    if runtime == "onnxruntime" and not data:
        assert read_contents(entry, data) == Contents(frozenset()), "protobuf takes no bytes"
        return
    with pytest.raises(ValueError, match=":"):
        read_contents(entry, data)


@pytest.mark.parametrize(
    ("precision", "values", "fault"),
    [
        ("fp32", {"constants": INT8}, "it computes in integers, which fp32 doesn't"),
        ("fp16", {"integer_operators": True}, "it computes in integers, which fp16 doesn't"),
        ("fp32", {"constants": frozenset({"float16"})}, "it holds half-precision weights"),
        ("fp16", {"constants": frozenset({"float32"})}, "it holds no half-precision weights"),
        ("dynamic_int8", {"computed": INT8}, "its activations are integers"),
        ("int8", {"computed": frozenset({"float32"})}, "but no activation is"),
        ("fp32", {"signatures": ("d2_256px",)}, "its signatures are d2_256px"),
        ("fp32", {"signatures": ()}, "its signatures are none"),
        ("fp32", {"metadata": (("size_multiple_px", "8"),)}, "made for a size multiple of 8"),
    ],
)
def test_types_and_signatures_are_those_of_the_precision(
    manifest: Manifest, precision: str, values: dict[str, Any], fault: str
) -> None:
    entry = entry_of(manifest, "litert", precision)
    found = replace(read_contents(entry, tflite_file(precision, SIDES)), **values)
    assert any(fault in said for said in content_faults(manifest, entry, found))


def test_tiers_that_changed_their_sides_are_noticed(manifest: Manifest) -> None:
    entry = entry_of(manifest, "litert", "fp32")
    swapped = dict(zip(SIDES, reversed(SIDES.values()), strict=True))
    faults = list(
        content_faults(manifest, entry, read_contents(entry, tflite_file("fp32", swapped)))
    )
    assert any("the signature d2_256px takes (1, 512, 512, 3)" in said for said in faults)


def test_an_edge_that_the_manifest_does_not_list_is_named(manifest: Manifest) -> None:
    entry = entry_of(manifest, "onnxruntime", "fp32")
    found = read_contents(entry, onnx_file(integers=False))
    more = replace(found, edges=found.edges | {Edge(None, "input", "seed", "float32", (1, 4))})
    said = list(content_faults(manifest, entry, more))
    assert said[0] == "the manifest's io differs from it in seed"
    assert "its input seed is not one of the manifest's code_shapes" in said


@pytest.mark.parametrize(
    ("runtime", "data"), [("onnxruntime", onnx_encoder()), ("litert", tflite_encoder())]
)
def test_a_style_encoder_takes_a_picture_of_the_side_that_is_promised(
    manifest: Manifest, runtime: str, data: bytes
) -> None:
    entry = entry_of(manifest, runtime, "fp32", "style_encoder")
    found = read_contents(entry, data)
    assert list(content_faults(manifest, entry, found)) == []
    smaller = manifest.preprocess.model_copy(update={"style_side_px": 128})
    other = manifest.model_copy(update={"preprocess": smaller})
    assert "it takes no style picture of 128 px" in list(content_faults(other, entry, found))
