"""Exact motion: photographs that pan, zoom and turn, rendered with the flow that they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from iast_export.files.artifacts import sha256_bytes
from iast_export.pictures.images import Rgb, load_image
from iast_export.pictures.imagesets import picture_path

Affine = NDArray[np.float64]
Flow = NDArray[np.float32]
Mask = NDArray[np.bool_]

WIDTH_PX, HEIGHT_PX, FRAMES = 256, 192, 12


@dataclass(frozen=True)
class Motion:
    """A named motion over a photograph; `at` gives where frame k looks, about its own middle."""

    name: str
    photograph: str
    at: Callable[[int], Affine]

    @property
    def sha256(self) -> str:
        """Of the frames."""
        return sha256_bytes(b"".join(frame.tobytes() for frame in self.frames()))

    def frames(self) -> list[Rgb]:
        """Frames [H, W, 3], in order."""
        rgb = load_image(picture_path(self.photograph))
        size, how = (WIDTH_PX, HEIGHT_PX), cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        return [
            np.asarray(cv2.warpAffine(rgb, self._map(k, rgb)[:2], size, flags=how), np.uint8)
            for k in range(FRAMES)
        ]

    def flow(self, k: int) -> tuple[Flow, Mask]:
        """Where the pixels of frame k were in frame k - 1 (dx, dy), and where that is inside."""
        rgb = load_image(picture_path(self.photograph))
        back = np.linalg.inv(self._map(k - 1, rgb)) @ self._map(k, rgb)
        y, x = np.mgrid[:HEIGHT_PX, :WIDTH_PX].astype(np.float64)
        was = np.stack([x, y, np.ones_like(x)], 2) @ back[:2].T
        inside = (was >= 0).all(2) & (was[..., 0] < WIDTH_PX - 1) & (was[..., 1] < HEIGHT_PX - 1)
        return (was - np.stack([x, y], 2)).astype(np.float32), inside

    def _map(self, k: int, rgb: Rgb) -> Affine:
        """From a frame's pixels to the photograph's."""
        center = _shift(rgb.shape[1] / 2, rgb.shape[0] / 2)
        return center @ self.at(k) @ _shift(-WIDTH_PX / 2, -HEIGHT_PX / 2)


def _shift(dx: float, dy: float) -> Affine:
    return np.array([[1, 0, dx], [0, 1, dy], [0, 0, 1]], np.float64)


def _turned(degrees: float, scale: float) -> Affine:
    angle = np.deg2rad(degrees)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float64)


MOTIONS: Mapping[str, Motion] = {
    motion.name: motion
    for motion in (
        Motion("pan", "skimage:coffee.png", lambda k: _shift(1.7 * k - 9, 0.6 * k - 3)),
        Motion("zoom", "skimage:astronaut.png", lambda k: _turned(0.0, 1.3 * 0.985**k)),
        Motion("turn", "skimage:chelsea.png", lambda k: _turned(0.8 * k - 4, 1.0)),
    )
}
