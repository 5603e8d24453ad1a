"""Whether a face is still the same person, by a face-embedding network that the user brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError, ToolError
from iast_export.files.apart import read_foreign
from iast_export.files.artifacts import sha256_bytes
from iast_export.metrics._checks import Picture, finite, pair_as_unit

# Left, top, right, bottom as shares of the picture's width and height.
FaceBox = tuple[float, float, float, float]
# Of the face crop, as ArcFace networks are published (Deng et al., CVPR 2019).
_SIDE_PX = 112


class FaceIdentity:
    """Cosine similarity of face embeddings, in [-1, 1]; higher is the same person.

    The network is an ONNX file with one input [1, 3, 112, 112], RGB (level - 127.5) / 128, and one
    embedding as output. Faces are cut by their box and scaled, not aligned by landmarks, so that
    absolute values lie lower than with alignment; drops between two models compare.

    Raises:
        InputError: the file is missing, damaged or crashes ONNX Runtime, or takes another input.
        ToolError: ONNX Runtime can't load it.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime as ort

        if not path.is_file():
            raise InputError(
                f"{path} is missing", "give a face-embedding ONNX file, or leave it out"
            )
        data = path.read_bytes()
        read_foreign("iast_export.runtimes.onnx:run_on_zeros", path, sha256=sha256_bytes(data))
        options = ort.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session: Any = ort.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises classes of its own, without a common base
            raise ToolError(f"ONNX Runtime can't load {path}: {error}", "check the file") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or list(inputs[0].shape[1:]) != [3, _SIDE_PX, _SIDE_PX]:
            raise InputError(
                f"{path} takes {[(one.name, one.shape) for one in inputs]}",
                f"use a network with one input [1, 3, {_SIDE_PX}, {_SIDE_PX}]",
            )

    def similarity(self, a: Picture, b: Picture, box: FaceBox) -> float:
        """Cosine similarity of the faces at `box` in two pictures [H, W, 3] of one size.

        Raises:
            InputError: NaN, empty, shapes that differ, or a box that is not inside the picture.
        """
        first, second = pair_as_unit(a, b)
        one, other = self._embed(_crop(first, box)), self._embed(_crop(second, box))
        norms = float(np.linalg.norm(one) * np.linalg.norm(other))
        if norms == 0.0:
            raise InputError("a face embedding is zero", "check the face-embedding network")
        return finite(float(one @ other) / norms, "the identity similarity")

    def _embed(self, face: NDArray[np.float64]) -> NDArray[np.float64]:
        planes = ((face * 255.0 - 127.5) / 128.0).transpose(2, 0, 1)[np.newaxis].astype(np.float32)
        result = self._session.run(
            None, {self._session.get_inputs()[0].name: np.ascontiguousarray(planes)}
        )
        return np.asarray(result[0], np.float64).reshape(-1)


def _crop(picture: NDArray[np.float64], box: FaceBox) -> NDArray[np.float64]:
    left, top, right, bottom = box
    if not (0.0 <= left < right <= 1.0 and 0.0 <= top < bottom <= 1.0):
        raise InputError(
            f"a face box of {box} is not inside the picture", "give shares between 0 and 1"
        )
    height, width = picture.shape[:2]
    rows = slice(int(top * height), max(int(top * height) + 1, round(bottom * height)))
    columns = slice(int(left * width), max(int(left * width) + 1, round(right * width)))
    face = np.ascontiguousarray(picture[rows, columns])
    scaled = cv2.resize(face, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_LINEAR)
    return np.asarray(scaled, np.float64)
