"""Facial parts from a real mesh of the face, beside those that are drawn from 68 landmarks.

The mesh is MediaPipe's (Kartynnik et al. 2019, Apache-2.0): one TFLite file, run by LiteRT, without
the package it came in (`python -m benchmarks.face_parts`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from iast_export.errors import InputError
from models.faces.measuring import Face, Points, Rgb
from models.faces.outlines import RING_POINTS

MESH = "face_landmark.tflite"
POINTS = 468
_SIDE_PX = 192
_ROOM = 1.5  # side of what the mesh looks at over that of the face's box, as MediaPipe has it


class MeshFinder:
    """Finds the mesh of a face that a detector saw.

    Raises:
        InputError: the file is missing, or not a mesh of 468 points on 192x192.
    """

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        if not path.is_file():
            raise InputError(
                f"{path} is missing",
                f"python -m benchmarks.face_parts --out {path.parent}, or leave the mesh out",
            )
        self._net: Any = Interpreter(str(path))
        self._net.allocate_tensors()
        self._input = self._net.get_input_details()[0]
        found = [o for o in self._net.get_output_details() if np.prod(o["shape"]) == 3 * POINTS]
        if tuple(self._input["shape"]) != (1, _SIDE_PX, _SIDE_PX, 3) or not found:
            raise InputError(
                f"{path} is no mesh of {POINTS} points on {_SIDE_PX}x{_SIDE_PX}", "check the file"
            )
        self._output = found[0]

    def points(self, picture: Rgb, face: Face) -> Points:
        """The mesh [468, 2] in pixels of the picture."""
        matrix = upright(face)
        crop = cv2.warpAffine(picture, matrix, (_SIDE_PX, _SIDE_PX), flags=cv2.INTER_LINEAR)
        self._net.set_tensor(self._input["index"], crop[np.newaxis].astype(np.float32) / 255.0)
        self._net.invoke()
        found = self._net.get_tensor(self._output["index"]).reshape(POINTS, 3)[:, :2]
        back = cv2.invertAffineTransform(matrix)
        return np.asarray(found @ back[:, :2].T + back[:, 2], np.float32)

    def rings(self, picture: Rgb, face: Face) -> Points:
        """The points of `RING_OUTLINES` [P, 2] in pixels of the picture."""
        return self.points(picture, face)[list(RING_POINTS)]


def upright(face: Face) -> np.ndarray:
    """The matrix [2, 3] that brings a face into the mesh's square, its eyes level.

    Raises:
        InputError: both eyes are in one place.
    """
    across = face.points[1].astype(np.float64) - face.points[0]
    length = float(np.hypot(*across))
    if not length > 0.0:
        raise InputError("a face's eyes fall together", "detect the face again")
    center = (face.box[:2].astype(np.float64) + face.box[2:]) / 2.0
    scale = _SIDE_PX / (_ROOM * float(max(face.box[2:] - face.box[:2])))
    cos, sin = scale * across / length
    turn = np.array([[cos, sin], [-sin, cos]])
    return np.hstack([turn, (_SIDE_PX / 2.0 - turn @ center)[:, None]])
