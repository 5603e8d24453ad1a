"""Detection, alignment, identity and deformation, with networks made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from iast_export.errors import InputError, ToolError
from models.faces import LandmarkNetwork
from models.faces.measuring import (
    _TEMPLATE,
    Face,
    FaceDetector,
    FaceEmbedder,
    NetworkLandmarks,
    _priors,
    align,
    deformation,
)


def save(
    path: Path, nodes: list, shape: list[int], outputs: dict[str, list[int]], name: str
) -> Path:  # type: ignore[type-arg]
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in outputs.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path
    )
    return path


def detector(path: Path, scores: dict[int, float]) -> FaceDetector:
    """Answers with its anchors by score: boxes twice as wide, all points half a width to the
    right."""
    count = len(_priors())
    boxes, points = np.zeros((1, count, 4), np.float32), np.zeros((1, count, 10), np.float32)
    boxes[..., 2] = np.log(2.0) / 0.2
    points[..., 0::2] = 5.0  # half an anchor's width
    confidence = np.zeros((1, count, 2), np.float32)
    for index, score in scores.items():
        confidence[0, index, 1] = score
    nodes = [
        helper.make_node("Constant", [], [key], value=numpy_helper.from_array(value))
        for key, value in (("boxes", boxes), ("scores", confidence), ("points", points))
    ]
    outputs = {"boxes": [1, count, 4], "scores": [1, count, 2], "points": [1, count, 10]}
    return FaceDetector(save(path, nodes, [1, 3, 640, 640], outputs, "input0"))


def embedder(path: Path) -> FaceEmbedder:
    """Embeds a crop as its mean color."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["input"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["output"]),
    ]
    return FaceEmbedder(save(path, nodes, [1, 3, 112, 112], {"output": [1, 3]}, "input"))


def test_anchors_are_decoded_to_pixels_and_overlaps_suppressed(tmp_path: Path) -> None:
    assert len(_priors()) == 16800
    last = 16800 - 2  # stride 32, the last place, 256 px
    subject = detector(tmp_path / "d.onnx", {last: 0.9, last + 1: 0.85, 0: 0.95, 2: 0.5})
    faces = subject.detect(np.zeros((320, 320, 3), np.uint8))  # shown at twice its size
    assert [round(face.score, 2) for face in faces] == [0.95, 0.9, 0.85]
    np.testing.assert_allclose(faces[0].box, [-6.0, -2.0, 10.0, 6.0], atol=1e-4)
    np.testing.assert_allclose(faces[1].box, [312 - 128, 312 - 64, 312 + 128, 312 + 64], atol=1e-3)
    np.testing.assert_allclose(faces[1].points, [[312 + 64, 312]] * 5, atol=1e-3)
    near = detector(tmp_path / "n.onnx", {1000: 0.9, 1002: 0.95})  # 8 px apart, 32 px wide
    assert [round(f.score, 2) for f in near.detect(np.zeros((640, 640, 3), np.uint8))] == [0.95]
    assert detector(tmp_path / "e.onnx", {}).detect(np.zeros((64, 64, 3), np.uint8)) == []


def test_a_face_is_turned_upright_onto_the_template() -> None:
    angle, scale, shift = np.deg2rad(25.0), 1.7, np.array([40.0, 90.0])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (_TEMPLATE @ turn.T * scale + shift).astype(np.float32)
    picture = np.zeros((400, 400, 3), np.uint8)
    for i, (x, y) in enumerate(points):
        picture[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3] = 50 * (i + 1)
    upright = align(picture, points)
    assert upright.shape == (112, 112, 3)
    for i, (x, y) in enumerate(_TEMPLATE):
        assert upright[round(y), round(x), 0] == pytest.approx(50 * (i + 1), abs=15)
    with pytest.raises(InputError, match="detect the face again"):
        align(picture, np.zeros((5, 2), np.float32))


def test_identity_is_a_cosine(tmp_path: Path) -> None:
    subject = embedder(tmp_path / "e.onnx")
    red, blue = (np.full((112, 112, 3), 127, np.uint8) for _ in range(2))
    red[..., 0], blue[..., 2] = 255, 255
    face = Face(np.zeros(4, np.float32), _TEMPLATE, 0.9)
    assert subject.compare(red, red, face) == pytest.approx(1.0, abs=1e-5)
    assert subject.compare(red, blue, face) == pytest.approx(0.0, abs=0.02)
    assert np.linalg.norm(subject.embed(red, _TEMPLATE)) == pytest.approx(1.0, abs=1e-5)


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave the face scores out"):
        FaceDetector(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no")
    with pytest.raises(ToolError, match="check the file"):
        FaceEmbedder(tmp_path / "bad.onnx")


def test_landmarks_come_in_pixels_of_the_picture() -> None:
    torch.manual_seed(0)
    net = LandmarkNetwork().eval()
    with torch.no_grad():
        net.dense.weight.zero_()
        net.dense.bias.fill_(0.5)
    face = Face(np.array([40.0, 20.0, 80.0, 60.0], np.float32), _TEMPLATE, 0.9)
    made = NetworkLandmarks(net).points(np.zeros((100, 200, 3), np.uint8), face)
    np.testing.assert_allclose(made, np.full((68, 2), (60.0, 40.0)), atol=1e-3)


def test_deformation_is_a_share_of_the_eyes_distance() -> None:
    face = np.random.default_rng(0).uniform(0.0, 100.0, (68, 2)).astype(np.float32)
    face[36], face[45] = (20.0, 40.0), (80.0, 40.0)
    assert deformation(face, face + np.float32(13.0)) == pytest.approx(0.0, abs=1e-3)
    centered = face - face.mean(0)
    expected = 0.1 * np.sqrt((centered**2).sum(1).mean()) / 60.0
    assert deformation(face, centered * np.float32(1.1)) == pytest.approx(expected, rel=1e-2)
    with pytest.raises(InputError, match="eyes fall together"):
        deformation(np.zeros((68, 2), np.float32), face)
