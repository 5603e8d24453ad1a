"""What a critical eye sees and a style distance doesn't: ripple, teeth, noise, colors left grey.

Pictures are uint8 RGB [H, W, 3]; "render" maps one to another of its size. No measure here trained
anything or was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from iast_export.errors import InputError
from iast_export.pictures.images import Rgb

Render = Callable[[Rgb], Rgb]
Array = NDArray[np.float64]

_SEED = 20261126
_MARGIN_PX = 16  # more than the movement, and where reflections of the edge are strongest
_SHIFTS_PX = ((1, 2), (3, 1))  # no multiples of 4, after which a quarter of the size repeats itself
_NOISE_LEVELS = 3.0  # of a phone's sensor indoors, 2 to 5
_WINDOW_PX = 64
_WINDOWS = 4  # the flattest of a picture
_PERIODS_PX = (4.0, 32.0)  # shorter is noise, longer is the picture
_BINS = 24
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
    ours, theirs = (_gradient(_light(p)).mean() for p in (result, photograph))
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


def flat_spectrum(result: Rgb, photograph: Rgb) -> Array:
    """Decibels of the lightness [bins] by period, where the photograph is flattest.

    Periods are `periods_px()`; the mean over windows.

    Raises:
        InputError: the pictures are smaller than a window.
    """
    if min(photograph.shape[:2]) < _WINDOW_PX:
        raise InputError(
            f"a picture of {photograph.shape[1]}x{photograph.shape[0]} px has no window of "
            f"{_WINDOW_PX} px",
            "give larger pictures",
        )
    light, taper = _light(result), np.outer(*[np.hanning(_WINDOW_PX)] * 2)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(_WINDOW_PX)] * 2))
    edges = 1.0 / _edges_px()[::-1]
    bins = np.digitize(frequency, edges) - 1
    power = np.zeros(_BINS)
    for top, left in _flattest_windows(photograph):
        window = light[top : top + _WINDOW_PX, left : left + _WINDOW_PX]
        found = np.abs(np.fft.fft2((window - window.mean()) * taper)) ** 2
        power += [found[bins == b].mean() if (bins == b).any() else np.nan for b in range(_BINS)]
    return np.asarray(10.0 * np.log10(power / _WINDOWS + 1e-3))[::-1]


def periods_px() -> Array:
    """The middle period of each bin of `flat_spectrum`, shortest first."""
    edges = _edges_px()
    return np.sqrt(edges[1:] * edges[:-1])


def ripple_db(spectra: Sequence[Array]) -> tuple[float, float]:
    """How far the mean spectrum rises above a straight line, and the period in px where it does.

    The line is of decibels over the logarithm of the period, fitted to the mean: textures of many
    artworks lie along it, a ripple common to all of them rises above it.
    """
    mean, place = np.mean(spectra, axis=0), np.log(periods_px())
    known = np.isfinite(mean)
    line = np.polyval(np.polyfit(place[known], mean[known], 1), place)
    rise = np.where(known, mean - line, -np.inf)
    return float(rise.max()), float(periods_px()[rise.argmax()])


def _edges_px() -> Array:
    return np.geomspace(*_PERIODS_PX, _BINS + 1)


def _flattest_windows(photograph: Rgb) -> list[tuple[int, int]]:
    """Corners of the flattest windows, none of which covers another's middle."""
    rough = uniform_filter(_gradient(_light(photograph)), _WINDOW_PX, mode="nearest")
    half = _WINDOW_PX // 2
    valid = rough[half : rough.shape[0] - half + 1, half : rough.shape[1] - half + 1].copy()
    found = []
    for _ in range(_WINDOWS):
        top, left = (int(v) for v in np.unravel_index(int(valid.argmin()), valid.shape))
        found.append((top, left))
        valid[max(0, top - half) : top + half, max(0, left - half) : left + half] += 1e3
    return found


def _light(picture: Rgb) -> Array:
    return picture.astype(np.float64) @ np.array([0.299, 0.587, 0.114])


def _lab(picture: Rgb) -> Array:
    lab = cv2.cvtColor(picture.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB)
    return lab.reshape(-1, 3).astype(np.float64)


def _gradient(light: Array) -> Array:
    across, down = np.diff(light, axis=1)[:-1], np.diff(light, axis=0)[:, :-1]
    return np.asarray(np.pad(np.abs(across) + np.abs(down), ((0, 1), (0, 1)), mode="edge"))


def _inner(picture: Array) -> Array:
    return picture[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX]
