"""What a critical eye sees and a style distance doesn't: teeth, noise, colors left grey.

Pictures are uint8 RGB [H, W, 3]; "render" maps one to another of its size. No measure here trained
anything or was trained.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from iast_export.pictures.images import Rgb

Render = Callable[[Rgb], Rgb]
Array = NDArray[np.float64]

_SEED = 20261126
_MARGIN_PX = 16  # more than the movement, and where reflections of the edge are strongest
_SHIFTS_PX = ((1, 2), (3, 1))  # no multiples of 4, after which a quarter of the size repeats itself
_NOISE_LEVELS = 3.0  # of a phone's sensor indoors, 2 to 5
_DIRECTIONS = 16


def color_distance(result: Rgb, artwork: Rgb) -> float:
    """Sliced Wasserstein-1 distance of the two pictures' colors in CIELAB, whatever lies where."""
    directions = np.random.default_rng(_SEED).normal(size=(_DIRECTIONS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    steps = (np.arange(512) + 0.5) / 512
    ours, theirs = (np.quantile(_lab(p) @ directions.T, steps, axis=0) for p in (result, artwork))
    return float(np.abs(ours - theirs).mean())


def gradient_energy(result: Rgb, photograph: Rgb) -> float:
    """Mean absolute gradient of the lightness over the photograph's own: 1 is as busy as it was."""
    ours, theirs = (gradients(light(p)).mean() for p in (result, photograph))
    return float(ours / max(theirs, 1e-6))


def shift_error(render: Render, photograph: Rgb) -> float:
    """Levels (root mean square) by which a picture changes where the photograph moves by pixels.

    What aliasing costs: strided layers that are no proper filters answer each position differently.
    """
    still = render(photograph).astype(np.float64)
    errors = []
    for shift in _SHIFTS_PX:
        moved = render(np.roll(photograph, shift, (0, 1))).astype(np.float64)
        errors.append(_inner(moved - np.roll(still, shift, (0, 1))))
    return float(np.sqrt(np.mean(np.square(errors))))


def noise_gain(render: Render, photograph: Rgb) -> float:
    """Deviation of what sensor noise adds to the picture over the deviation of the noise itself."""
    noise = np.random.default_rng(_SEED).normal(0.0, _NOISE_LEVELS, photograph.shape)
    noisy = np.clip(np.rint(photograph + noise), 0, 255).astype(np.uint8)
    added = _inner(noisy.astype(np.float64) - photograph)
    answer = _inner(render(noisy).astype(np.float64) - render(photograph))
    return float(answer.std() / max(added.std(), 1e-6))


def light(picture: Rgb) -> Array:
    """Lightness [H, W] of a picture, 0 to 255."""
    return picture.astype(np.float64) @ np.array([0.299, 0.587, 0.114])


def _lab(picture: Rgb) -> Array:
    lab = cv2.cvtColor(picture.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    return lab.reshape(-1, 3).astype(np.float64)


def gradients(levels: Array) -> Array:
    """Absolute differences [H, W] to the next pixel across and down, together."""
    across, down = np.diff(levels, axis=1)[:-1], np.diff(levels, axis=0)[:, :-1]
    return np.asarray(np.pad(np.abs(across) + np.abs(down), ((0, 1), (0, 1)), mode="edge"))


def _inner(picture: Array) -> Array:
    return picture[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX]
