"""What a bundle carries beside the style models: a landmark network of one's own, and every
hash."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from iast_export.build import bundle
from iast_export.build.pipeline import Build, Request
from iast_export.bundle.landmarks import write_landmarks
from iast_export.bundle.layout import Layout
from iast_export.errors import InputError
from iast_export.pictures.images import load_image
from iast_export.reports.manifest import load_manifest


def landmark_model(path: Path, side: int = 112, count: int = 136) -> Path:
    """A network of the right edges that says 0.5 plus the mean color everywhere."""
    weight = numpy_helper.from_array(np.full((3, count), 0.1, np.float32), "weight")
    nodes = [
        helper.make_node("ReduceMean", ["face"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["points"]),
    ]
    edges = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("face", [1, 3, side, side]), ("points", [1, count]))
    ]
    graph = helper.make_graph(nodes, "landmarks", edges[:1], edges[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


def test_a_landmark_network_of_ones_own_is_carried_and_listed(
    small_bundle: Path, small_request: Request, bundle_copy: Path, tmp_path: Path
) -> None:
    own = landmark_model(tmp_path / "own.onnx")
    recipe = small_request.recipe.model_copy(
        update={"bundle": small_request.recipe.bundle.model_copy(update={"landmarks": str(own)})}
    )
    bundle.STAGE.run(Build(replace(small_request, out=bundle_copy, recipe=recipe)))
    manifest = load_manifest(bundle_copy)
    entry = next(file for file in manifest.files if file.role == "landmarks")
    assert (bundle_copy / entry.path).read_bytes() == own.read_bytes()
    edges = {(edge.direction, edge.shape) for edge in manifest.io if edge.path == entry.path}
    assert edges == {("input", (1, 3, 112, 112)), ("output", (1, 136))}
    assert not any(file.role == "landmarks" for file in load_manifest(small_bundle).files)


def test_a_landmark_network_of_other_edges_is_refused(
    small_request: Request, tmp_path: Path
) -> None:
    facts = Build(small_request).facts
    for path in (
        landmark_model(tmp_path / "size.onnx", side=64),
        landmark_model(tmp_path / "points.onnx", count=10),
    ):
        with pytest.raises(InputError, match="68 points"):
            write_landmarks(Layout(tmp_path, "a"), replace(facts, landmarks=path))
    with pytest.raises(InputError):
        write_landmarks(Layout(tmp_path, "a"), replace(facts, landmarks=tmp_path / "missing.onnx"))
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="no ONNX model"):
        write_landmarks(Layout(tmp_path, "a"), replace(facts, landmarks=tmp_path / "broken.onnx"))
    assert not (tmp_path / "models").exists()


def test_every_file_that_an_app_loads_has_its_hash(small_bundle: Path) -> None:
    hashes = load_manifest(small_bundle).hashes()
    kinds = {path.split("/")[0] for path in hashes}
    assert kinds == {"models", "styles", "golden", "NOTICE"}
    on_disk = {"NOTICE"} | {
        path.relative_to(small_bundle).as_posix()
        for kind in kinds - {"NOTICE"}
        for path in (small_bundle / kind).iterdir()
        if path.suffix in (".onnx", ".tflite", ".json", ".f32", ".png")
    }
    assert on_disk == set(hashes)


def test_goldens_leave_room_for_the_pad(small_bundle: Path) -> None:
    for golden in load_manifest(small_bundle).golden:
        height, width, _ = load_image(small_bundle / golden.content).shape
        assert height < width
