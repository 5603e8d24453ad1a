"""Views of a textured scene with exact geometry: one plane seen through homographies."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from iast_export.pictures.images import Rgb

Homography = NDArray[np.float64]
SIZE_PX = (448, 320)  # width and height of a view
# A pixel of the border is read from both sides of it.
_BORDER_PX = 2


@dataclass(frozen=True)
class View:
    """A picture of the plane, and the way from its pixels to the plane's."""

    rgb: Rgb
    to_plane: Homography


def render_views(plane: Rgb, count: int, seed: int = 7) -> list[View]:
    """Views of different parts of the plane, from different sides and distances."""
    random, views = np.random.default_rng(seed), []
    height, width = plane.shape[:2]
    w, h = SIZE_PX
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    for _ in range(count):
        scale = random.uniform(0.5, 0.8)
        reach = np.array([scale * width, scale * width * h / w])
        start = random.uniform(0, np.array([width, height]) - reach - 1)
        seen = start + corners / SIZE_PX * reach
        seen += random.uniform(-0.08, 0.08, (4, 2)) * reach
        seen = np.clip(seen, 0, [width - 1, height - 1]).astype(np.float32)
        to_plane = cv2.getPerspectiveTransform(corners, seen)
        how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        views.append(
            View(np.asarray(cv2.warpPerspective(plane, to_plane, SIZE_PX, flags=how)), to_plane)
        )
    return views


def disagreement(views: list[View], drawn: list[Rgb]) -> tuple[float, float]:
    """How far views differ where they see the same, in levels: RMS, and RMS of the low band.

    The low band, a blur over 16 px, is tone: it holds no stroke.
    """
    found = []
    for (a, one), (b, two) in combinations(zip(views, drawn, strict=True), 2):
        way = np.linalg.inv(b.to_plane) @ a.to_plane
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = np.full(two.shape[:2], 255, np.uint8)
        seen[:_BORDER_PX] = seen[-_BORDER_PX:] = 0
        seen[:, :_BORDER_PX] = seen[:, -_BORDER_PX:] = 0
        other = cv2.warpPerspective(two, way, SIZE_PX, flags=how).astype(np.float64)
        mask = cv2.warpPerspective(seen, way, SIZE_PX, flags=how) == 255
        if mask.mean() < 0.1:
            continue
        error = other - one
        share = cv2.blur(mask.astype(np.float64), (16, 16))[..., None]
        low = cv2.blur(error * mask[..., None], (16, 16)) / np.maximum(share, 1e-9)
        found.append((np.mean(error[mask] ** 2), np.mean(low[mask] ** 2)))
    squares = np.mean(found, axis=0)
    return float(np.sqrt(squares[0])), float(np.sqrt(squares[1]))
