"""The published parts of a face's reading: Dlib's 68 landmarks and its identity network.

For training and evaluation alone: the landmarks were learned from iBUG's 300-W, whose pictures are
for research. The extra `faces` brings Dlib, and `python -m benchmarks.face_parts` its two files. Of
one face both parts see the place where Dlib's own detector would have found it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError, UsageError
from models.faces.measuring import Face, Points, Rgb

PREDICTOR = "shape_predictor_68_face_landmarks.dat"
IDENTITY = "dlib_face_recognition_resnet_model_v1.dat"
SAME_PERSON = 0.6  # below this distance two faces are one person's, by the network's own author
# Side and center of the square of Dlib's detector, in lengths of the way from the eyes' middle to
# the mouth's: means over the 88 training photographs in which both detectors see a face
# (`python -m benchmarks.face_parts --images`), where landmarks in it and in the detector's own
# square lie 0.017 of the outer eye corners' distance apart (median).
_SIDE, _BELOW_EYES = 2.30, 0.455


def detector_square(points: Points) -> NDArray[np.float64]:
    """The square [4] that Dlib's detector draws around a face of these five points, in pixels.

    Drawn and not detected, so that every face that is judged is judged by both kinds of parts.

    Raises:
        InputError: eyes and mouth fall together.
    """
    eyes, mouth = points[:2].mean(0, dtype=np.float64), points[3:].mean(0, dtype=np.float64)
    way = mouth - eyes
    length = float(np.hypot(*way))
    if not length > 0.0:
        raise InputError("a face's eyes and mouth fall together", "detect the face again")
    center, half = eyes + _BELOW_EYES * way, _SIDE * length / 2.0
    return np.concatenate([center - half, center + half])


class DlibLandmarks:
    """A `LandmarkFinder`: Dlib's regression trees (Kazemi and Sullivan, CVPR 2014).

    Raises:
        UsageError: Dlib is not installed.
        InputError: the file is missing or not Dlib's.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / PREDICTOR
        self._dlib = _dlib()
        self._predictor = _opened(self._dlib.shape_predictor, self.file)

    def shape(self, picture: Rgb, square: NDArray[np.float64]) -> Any:
        """Dlib's own object of 68 points, whole pixels, of a face in a square [4]."""
        corners = (round(float(x)) for x in square)
        return self._predictor(np.ascontiguousarray(picture), self._dlib.rectangle(*corners))

    def points(self, picture: Rgb, face: Face, square: NDArray[np.float64] | None = None) -> Points:
        """See `LandmarkFinder`; `square`: another than `detector_square` of the face."""
        chosen = detector_square(face.points) if square is None else square
        found = self.shape(picture, chosen).parts()
        return np.array([(point.x, point.y) for point in found], np.float32)


class DlibIdentity:
    """An `IdentityJudge`: the distance of 128 numbers, made from chips of 150x150.

    Raises:
        UsageError: Dlib is not installed.
        InputError: a file is missing or not Dlib's.
    """

    def __init__(self, folder: Path) -> None:
        self.file = folder / IDENTITY
        self._finder = DlibLandmarks(folder)
        self._net = _opened(_dlib().face_recognition_model_v1, self.file)
        self._last: tuple[bytes, Any, NDArray[np.float64]] | None = None

    def compare(self, photograph: Rgb, result: Rgb, face: Face) -> float:
        """The distance of a face and its stylized self: lower is more alike, see `SAME_PERSON`."""
        key = photograph.tobytes()
        if self._last is None or self._last[0] != key:  # one photograph has many results
            shape = self._finder.shape(photograph, detector_square(face.points))
            self._last = key, shape, self._embedded(photograph, shape)
        _, shape, own = self._last
        return float(np.linalg.norm(own - self._embedded(result, shape)))

    def _embedded(self, picture: Rgb, shape: Any) -> NDArray[np.float64]:
        found = self._net.compute_face_descriptor(np.ascontiguousarray(picture), shape)
        return np.asarray(found, np.float64)


def _dlib() -> Any:
    try:
        import dlib
    except ImportError as error:
        raise UsageError(
            "Dlib is not installed", "pip install 'iast-export[faces]', or leave --dlib out"
        ) from error
    return dlib


def _opened(make: Callable[[str], Any], path: Path) -> Any:
    if not path.is_file():
        raise InputError(
            f"{path} is missing",
            f"python -m benchmarks.face_parts --out {path.parent}, or leave --dlib out",
        )
    try:
        return make(str(path))
    except RuntimeError as error:
        raise InputError(f"Dlib can't read {path}: {error}", "fetch the file again") from error
