"""Small clips whose motion is known: a window that pans over a photograph."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from iast_export.pictures.images import Rgb, load_image
from iast_export.pictures.imagesets import picture_path


def pan(
    frames: int, name: str = "coffee.png", size: tuple[int, int] = (64, 96), step: int = 2
) -> Iterator[Rgb]:
    """Frames of a window that moves right by `step` px and down by half as much."""
    rgb = load_image(picture_path(f"skimage:{name}"))
    for k in range(frames):
        top, left = 40 + k * step // 2, 60 + k * step
        yield np.ascontiguousarray(rgb[top : top + size[0], left : left + size[1]])
