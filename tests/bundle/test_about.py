"""Every model file says what it is, and nothing else about it changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnx
import pytest

from iast_export.bundle.about import (
    FACTS_FILE,
    NOT_STATED,
    About,
    describe_onnx,
    describe_tflite,
)
from iast_export.formats import tflite_file as tf
from iast_export.formats.tflite_write import serialize
from iast_export.reports.manifest import load_manifest
from tests.litert_cases import TIERS, converted
from tests.metadata_reader import UnreadableError, read_metadata

ABOUT = About(
    bundle="tiny",
    title="Kleines Netz für Ölbilder",
    version="2",
    author="Ada",
    license="CC0-1.0",
    network="module:factory",
    checkpoint_sha256=None,
    created_by="iast-export 0",
    tiers=TIERS,
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copy(converted()[1], tmp_path / "model.tflite"))


def test_the_published_reader_finds_nothing_before_and_every_fact_after(model: Path) -> None:
    with pytest.raises(UnreadableError, match="does not have metadata"):
        read_metadata(model)
    describe_tflite(model, ABOUT, "transfer", "int8")
    found = read_metadata(model)
    told = found["metadata"]
    facts = {name: told[name] for name in ("name", "version", "author", "license")}
    assert facts == {
        "name": "tiny: Kleines Netz für Ölbilder",
        "version": "2",
        "author": "Ada",
        "license": "CC0-1.0",
    }
    assert told["description"] == "INT8: draws a photograph in a style"
    assert [one["name"] for one in told["subgraph_metadata"]] == [t.signature for t in TIERS]
    assert [one["name"] for one in told["associated_files"]] == [FACTS_FILE]
    attached = json.loads(found["attached"][FACTS_FILE])
    assert (attached["bundle"], attached["checkpoint_sha256"]) == ("tiny", NOT_STATED)
    assert [one["id"] for one in attached["tiers"]] == [tier.id for tier in TIERS]
    assert found["parser"] == told["min_parser_version"]


def test_edges_stand_in_the_order_of_the_tensors_with_ranges_and_normalization(
    model: Path,
) -> None:
    describe_tflite(model, ABOUT, "transfer", "fp32")
    parsed = tf.read_model(model)
    graphs = read_metadata(model)["metadata"]["subgraph_metadata"]
    for one, told, tier in zip(tf.signatures(parsed), graphs, TIERS, strict=True):
        graph = parsed.subgraphs[one.subgraph]
        by_tensor = {tensor: name for name, tensor in {**one.inputs, **one.outputs}.items()}
        for places, key in ((graph.inputs, "input"), (graph.outputs, "output")):
            names = [edge["name"] for edge in told[f"{key}_tensor_metadata"]]
            assert names == [by_tensor[int(i)] for i in places]
        edges = {e["name"]: e for e in told["input_tensor_metadata"]}
        content, strength = edges["content"], edges["strength"]
        side = tier.max_side_px
        size = {"width": side, "height": side}
        assert content["content"]["content_properties"] == {
            "color_space": "RGB",
            "default_size": size,
        }
        assert content["process_units"][0]["options"] == {"mean": [0.0], "std": [255.0]}
        assert strength["stats"] == {"max": [1.0], "min": [0.0]}
        assert "stats" not in edges["style_code"]


def test_the_model_beside_its_metadata_stays_the_same_bytes(model: Path) -> None:
    plain = model.read_bytes()
    describe_tflite(model, ABOUT, "transfer", "fp32")
    described = model.read_bytes()
    assert serialize(tf.parse(described)) == plain
    assert tf.count_bytes(tf.parse(described)) == tf.count_bytes(tf.parse(plain))
    describe_tflite(model, ABOUT, "transfer", "fp32")
    assert model.read_bytes() == described


def test_every_file_of_a_bundle_says_what_it_is(small_bundle: Path) -> None:
    manifest = load_manifest(small_bundle)
    sha256 = manifest.source.checkpoint_sha256
    assert sha256
    for entry in manifest.files:
        path = small_bundle / entry.path
        if entry.runtime == "litert":
            found = read_metadata(path)
            told = json.loads(found["attached"][FACTS_FILE])
            names = [one["name"] for one in found["metadata"]["subgraph_metadata"]]
            assert names == list(entry.signatures)
        else:
            told = {item.key: item.value for item in onnx.load(path).metadata_props}
            assert [e["name"] for e in json.loads(told["inputs"])]
            told["tiers"] = json.loads(told["tiers"])
        assert (told["name"], told["license"]) == ("tiny: tiny", "Apache-2.0")
        assert (told["role"], told["precision"]) == (entry.role, entry.precision)
        assert (told["checkpoint_sha256"], told["author"]) == (sha256, NOT_STATED)
        assert told["version"] == f"checkpoint {sha256[:12]}"
        assert [one["id"] for one in told["tiers"]] == [tier.id for tier in manifest.tiers]


def test_an_onnx_file_keeps_what_it_said_before(small_bundle: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(small_bundle / "models/tiny-d4-32px-fp32.onnx", tmp_path))
    before = {item.key: item.value for item in onnx.load(path).metadata_props}
    describe_onnx(path, ABOUT, "transfer", "fp32")
    after = {item.key: item.value for item in onnx.load(path).metadata_props}
    assert after["author"] == "Ada" and set(after) == set(before)
    kept = {"size_multiple_px", "inputs", "outputs"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
