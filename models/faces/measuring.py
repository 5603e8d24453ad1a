"""Faces while measuring: detection, landmarks, identity and what is made of them.

Two parts read a face, each by a protocol: `LandmarkFinder` and `IdentityJudge`. Those here need no
package of their own and stand in for the published ones (`models.faces.published`). The detector
(RetinaFace, MobileNet x0.25, 640x640) and the embedder (aligned crops of 112x112) are ONNX files
that the user brings, and train nothing. Pictures are uint8 RGB [H, W, 3].
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from iast_export.errors import InputError, ToolError
from models.faces.landmarks import LandmarkNetwork
from models.faces.masks import crop_faces, square_boxes
from models.losses import geometric_loss

Rgb = NDArray[np.uint8]
Points = NDArray[np.float32]
_SIDE_PX = 640
_TOGETHER = 1e-6  # as a share of the face: no unit of length is presumed
_STRIDES_AND_SIZES = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))
_CENTER_VARIANCE, _SIZE_VARIANCE = 0.1, 0.2
_BGR_MEAN = np.array([104.0, 117.0, 123.0], np.float32)
# Where eyes, nose and mouth corners lie in an aligned crop of 112x112 (the convention of ArcFace).
_TEMPLATE = np.array(
    [[38.29, 51.70], [73.53, 51.50], [56.03, 71.74], [41.55, 92.37], [70.73, 92.20]], np.float32
)


class Face(NamedTuple):
    """One detected face, in pixels of the picture."""

    box: NDArray[np.float32]  # [4] left, top, right, bottom
    points: Points  # [5, 2] left eye, right eye, nose, left and right mouth corner, as seen
    score: float


class LandmarkFinder(Protocol):
    """Who finds the 68 landmarks of a face, in Dlib's order."""

    def points(self, picture: Rgb, face: Face) -> Points:
        """Landmarks [68, 2] in pixels of the picture, looked for where `face` was detected."""
        ...


class IdentityJudge(Protocol):
    """Who says how alike two pictures of a face are; the unit and its sign are the judge's own."""

    def compare(self, photograph: Rgb, result: Rgb, face: Face) -> float:
        """Of a face and its stylized self, both aligned by what was seen on the photograph."""
        ...


class FaceDetector:
    """RetinaFace with anchors of 16 to 512 px on strides 8, 16 and 32, and greedy suppression.

    Raises:
        InputError: the file is missing.
        ToolError: ONNX Runtime can't load it.
    """

    def __init__(self, path: Path) -> None:
        self._session = _session(path)

    def detect(self, picture: Rgb, least_score: float = 0.8, overlap: float = 0.4) -> list[Face]:
        """Faces in a picture, best first; none is an empty list."""
        scale = _SIDE_PX / max(picture.shape[:2])
        boxes, confidences, points = self._session.run(None, {"input0": _blob(picture, scale)})
        scores = confidences[0, :, 1]
        chosen = np.flatnonzero(scores >= least_score)
        chosen = chosen[np.argsort(-scores[chosen], kind="stable")]
        priors = _priors()[chosen]
        corners = _corners(boxes[0, chosen], priors) * (_SIDE_PX / scale)
        shift = points[0, chosen].reshape(-1, 5, 2) * _CENTER_VARIANCE * priors[:, None, 2:]
        places = (priors[:, None, :2] + shift) * (_SIDE_PX / scale)
        return [
            Face(
                corners[i].astype(np.float32),
                places[i].astype(np.float32),
                float(scores[chosen[i]]),
            )
            for i in _suppressed(corners, overlap)
        ]


class FaceEmbedder:
    """An `IdentityJudge`: embeddings whose cosine in [-1, 1] says whether it is the same person.

    Raises:
        InputError: the file is missing.
        ToolError: ONNX Runtime can't load it.
    """

    def __init__(self, path: Path) -> None:
        self._session = _session(path)

    def embed(self, picture: Rgb, points: Points) -> NDArray[np.float32]:
        """The unit embedding [D] of the face whose five points are given.

        Raises:
            InputError: the embedding is zero or not finite.
        """
        planes = (align(picture, points).astype(np.float32) - 127.5) / 128.0
        name = self._session.get_inputs()[0].name
        found = self._session.run(None, {name: planes.transpose(2, 0, 1)[np.newaxis]})[0].reshape(
            -1
        )
        norm = float(np.linalg.norm(found))
        if not np.isfinite(norm) or norm == 0.0:
            raise InputError(
                "a face embedding is zero or not finite", "check the face-embedding network"
            )
        return np.asarray(found / norm, np.float32)

    def compare(self, photograph: Rgb, result: Rgb, face: Face) -> float:
        """The cosine of a face and its stylized self: higher is more alike."""
        return float(self.embed(photograph, face.points) @ self.embed(result, face.points))


def align(picture: Rgb, points: Points) -> Rgb:
    """The face [112, 112, 3], turned, scaled, moved: its five points nearest to the template.

    The best similarity in closed form: with both point sets centered and read as complex numbers,
    scale and rotation are sum(conj(a) b) / sum |a|^2.

    Raises:
        InputError: not five points, or all in one place.
    """
    if points.shape != (5, 2) or np.ptp(points, axis=0).max() < 1e-6:
        raise InputError(
            f"five different points are needed, not {points.tolist()}", "detect the face again"
        )
    source = points[:, 0].astype(np.float64) + 1j * points[:, 1]
    target = _TEMPLATE[:, 0].astype(np.float64) + 1j * _TEMPLATE[:, 1]
    centered = source - source.mean()
    turn = (np.conj(centered) * (target - target.mean())).sum() / (np.abs(centered) ** 2).sum()
    shift = target.mean() - turn * source.mean()
    matrix = np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
    return np.asarray(cv2.warpAffine(picture, matrix, (112, 112), flags=cv2.INTER_LINEAR), np.uint8)


class NetworkLandmarks:
    """A `LandmarkFinder`: the differentiable network, which recipes with face terms train by."""

    def __init__(self, net: LandmarkNetwork) -> None:
        self._net = net

    @torch.no_grad()
    def points(self, picture: Rgb, face: Face) -> Points:
        """See `LandmarkFinder`."""
        squares = square_boxes(torch.from_numpy(np.asarray(face.box, np.float32))[None])
        image = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255.0
        points = self._net.points(crop_faces(image, squares))
        side = squares[:, 2:] - squares[:, :2]
        return np.asarray((points * side[:, None] + squares[:, None, :2])[0].numpy(), np.float32)


def deformation(photograph: Points, result: Points) -> float:
    """What no rigid movement explains of 68 landmarks' way, as a share of the eyes' distance.

    The root mean square of the remaining displacement over the distance of the two outer eye
    corners.

    Raises:
        InputError: the eyes fall together.
    """
    eyes = float(np.linalg.norm(photograph[45] - photograph[36]))
    extent = float(np.ptp(photograph, axis=0).max())
    if not eyes > _TOGETHER * extent:
        raise InputError("the landmarks' eyes fall together", "give the landmarks of a face")
    a, b = (torch.from_numpy(np.asarray(p, np.float32))[None] for p in (photograph, result))
    spread = float((a - a.mean(1, keepdim=True)).square().sum(2).mean())
    return float(np.sqrt(geometric_loss(b, a).item() * spread)) / eyes


def _session(path: Path) -> Any:
    import onnxruntime as ort

    if not path.is_file():
        raise InputError(f"{path} is missing", "give the ONNX file, or leave the face scores out")
    options = ort.SessionOptions()
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own, without a common base
        raise ToolError(f"ONNX Runtime can't load {path}: {error}", "check the file") from error


def _blob(picture: Rgb, scale: float) -> NDArray[np.float32]:
    """The picture in the upper left of a black 640x640, BGR less the mean [1, 3, 640, 640]."""
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    canvas = np.zeros((_SIDE_PX, _SIDE_PX, 3), np.float32)
    canvas[:height, :width] = cv2.resize(picture, (width, height))[..., ::-1]
    return np.ascontiguousarray((canvas - _BGR_MEAN).transpose(2, 0, 1)[np.newaxis])


@cache
def _priors() -> NDArray[np.float32]:
    """Anchors [16800, 4]: center and size as shares of 640 px."""
    rows = []
    for stride, sizes in _STRIDES_AND_SIZES:
        count = _SIDE_PX // stride
        y, x = np.mgrid[:count, :count].reshape(2, -1)
        centers = (np.stack([x, y], 1) + 0.5) / count
        one = [np.hstack([centers, np.full_like(centers, size / _SIDE_PX)]) for size in sizes]
        rows.append(np.stack(one, 1).reshape(-1, 4))
    return np.concatenate(rows).astype(np.float32)


def _corners(offsets: NDArray[np.float32], priors: NDArray[np.float32]) -> NDArray[np.float32]:
    centers = priors[:, :2] + offsets[:, :2] * _CENTER_VARIANCE * priors[:, 2:]
    half = priors[:, 2:] * np.exp(offsets[:, 2:] * _SIZE_VARIANCE) / 2.0
    return np.hstack([centers - half, centers + half])


def _suppressed(boxes: NDArray[np.float32], overlap: float) -> list[int]:
    """Indices of boxes, best first, of which none overlaps a better by over `overlap` (IoU)."""
    areas = np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0.0, None), axis=1)
    kept: list[int] = []
    for i in range(len(boxes)):
        low = np.maximum(boxes[kept, :2], boxes[i, :2])
        high = np.minimum(boxes[kept, 2:], boxes[i, 2:])
        shared = np.prod(np.clip(high - low, 0.0, None), axis=1)
        if not (shared > overlap * (areas[kept] + areas[i] - shared)).any():
            kept.append(i)
    return kept
