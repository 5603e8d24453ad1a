"""Distance of a picture's color and texture from an artwork's, without any trained weights.

A picture is summed up by the moments of its colors and of the responses of a fixed bank of oriented
filters at several scales, with the correlations between orientations and between colors, after the
texture statistics of Portilla and Simoncelli, "A Parametric Texture Model Based on Joint Statistics
of Complex Wavelet Coefficients", IJCV 40(1), 2000. Gabor pairs on a Gaussian pyramid stand in for
their steerable pyramid. The vector of an artwork can be stored (a few hundred numbers) and compared
with later, so the artwork itself need not be shipped.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError
from iast_export.metrics._checks import Picture, as_unit, finite

Statistics = NDArray[np.float64]

# The least side is chosen: its smallest scale, an eighth, is 2 px. Scales and orientations are as
# many as in Portilla and Simoncelli; a kernel holds two wavelengths of 4 px and a middle.
MIN_SIDE_PX = 16
_SCALES = 4
_ORIENTATIONS = 4
_KERNEL_PX = 9
# Orthonormal opponent axes: lightness, red against green, yellow against blue.
_OPPONENT = np.array(
    [
        [1 / math.sqrt(3), 1 / math.sqrt(3), 1 / math.sqrt(3)],
        [1 / math.sqrt(2), -1 / math.sqrt(2), 0.0],
        [1 / math.sqrt(6), 1 / math.sqrt(6), -2 / math.sqrt(6)],
    ]
)
_CORRELATIONS = _ORIENTATIONS * (_ORIENTATIONS - 1) // 2
# Sizes of the groups in the vector: colors first, then per scale energies and correlations.
_COLOR_GROUPS = (3, 3, 3, 3)
_SCALE_GROUPS = (3 * _ORIENTATIONS, 3 * _ORIENTATIONS, _ORIENTATIONS, _CORRELATIONS)
GROUPS: tuple[int, ...] = _COLOR_GROUPS + _SCALES * _SCALE_GROUPS
LENGTH = sum(GROUPS)
# Kinds of groups, in the order in which they repeat.
_KINDS, _SKEWNESS, _CORRELATION = 4, 2, 3
# Differences are taken relative to at least one 8-bit level: what is fainter can't be seen.
_FLOOR = 1.0 / 255.0


def style_statistics(rgb: Picture) -> Statistics:
    """Color and texture statistics of a picture, float64 [LENGTH].

    Groups, in this order: mean, deviation, skewness and correlation of the three opponent colors;
    then per scale (1, 1/2, 1/4, 1/8 of the resolution) the mean and the deviation of the local
    energy of each color in each orientation, the skewness of lightness energy in each orientation,
    and its correlations between orientations. Skewness is the signed cube root of the third central
    moment, in the unit of the values.

    Args:
        rgb: [H, W, 3], uint8 levels or floats in [0, 1].

    Raises:
        InputError: NaN, empty, another shape, or a side below `MIN_SIDE_PX`.
    """
    unit = as_unit(rgb, "the picture")
    if min(unit.shape[:2]) < MIN_SIDE_PX:
        raise InputError(
            f"a picture of {unit.shape[1]}x{unit.shape[0]} px is too small for style statistics",
            f"both sides must be at least {MIN_SIDE_PX} px",
        )
    level = np.ascontiguousarray((unit @ _OPPONENT.T).astype(np.float32))
    parts = _moments(_planes(level), correlate=True)
    for scale in range(_SCALES):
        if scale:
            level = np.asarray(cv2.pyrDown(level), np.float32)
        energy = _energy(level)
        mean, deviation, _, _ = _moments(energy, correlate=False)
        light = energy[0::3]
        _, _, skew, correlation = _moments(light, correlate=True)
        parts += [mean, deviation, skew, correlation]
    vector = np.concatenate(parts).astype(np.float64)
    return _checked(vector, "the picture's statistics")


def style_distance(result: Picture, style: Picture | Statistics) -> float:
    """Distance in [0, 1] of a picture from an artwork: 0 for equal statistics. Lower is better.

    The mean over the groups of `style_statistics` of |a - b| / (|a| + |b|), Euclidean norms.
    Skewness, which may be zero, is taken relative to the deviations as well; correlations, which
    have a scale of their own, enter as |a - b| / (2 sqrt(n)).

    Args:
        result: [H, W, 3], uint8 levels or floats in [0, 1].
        style: the artwork, or its `style_statistics`. Sizes may differ; textures are compared
            pixel by pixel, so give the artwork at the size that its style is wanted at.

    Raises:
        InputError: NaN, empty, another shape, or statistics of another length.
    """
    wanted = style_statistics(style) if style.ndim == 3 else cast(Statistics, style)
    return statistics_distance(style_statistics(result), wanted)


def statistics_distance(a: Statistics, b: Statistics) -> float:
    """As `style_distance`, of two vectors from `style_statistics`; symmetric.

    Raises:
        InputError: another length, NaN or infinity.
    """
    first, second = (
        _groups(_checked(a, "the first statistics")),
        _groups(_checked(b, "the second statistics")),
    )
    terms = []
    for i, (one, other) in enumerate(zip(first, second, strict=True)):
        kind = i % _KINDS
        scale = _norm(one) + _norm(other) + _FLOOR
        if kind == _SKEWNESS:
            scale += _norm(first[i - 1]) + _norm(second[i - 1])
        elif kind == _CORRELATION:
            scale = 2.0 * math.sqrt(len(one))
        terms.append(_norm(one - other) / scale)
    return finite(np.mean(terms), "the style distance")


def _groups(vector: Statistics) -> list[Statistics]:
    return np.split(vector, np.cumsum(GROUPS)[:-1])


def _norm(values: Statistics) -> float:
    return float(np.linalg.norm(values))


def _energy(level: NDArray[np.float32]) -> NDArray[np.float32]:
    """Local energy [3 * orientations, H * W], all colors of the first orientation first."""
    planes = []
    for even, odd in _bank():
        real = cv2.filter2D(level, cv2.CV_32F, even, borderType=cv2.BORDER_REFLECT_101)
        imaginary = cv2.filter2D(level, cv2.CV_32F, odd, borderType=cv2.BORDER_REFLECT_101)
        # Not cv2.magnitude: its rounding depends on where the memory lies.
        planes.append(_planes(np.sqrt(real * real + imaginary * imaginary)))
    return np.concatenate(planes)


def _planes(image: Any) -> NDArray[np.float32]:
    """[H, W, C] as contiguous [C, H * W]."""
    return np.stack([plane.reshape(-1) for plane in cv2.split(image)])


@cache
def _bank() -> tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]:
    """Even and odd Gabor filters per orientation, zero mean and unit norm (wavelength 4 px)."""
    pairs = []
    for k in range(_ORIENTATIONS):
        theta = math.pi * k / _ORIENTATIONS
        pair = []
        for phase in (0.0, math.pi / 2):
            kernel = cv2.getGaborKernel(
                (_KERNEL_PX, _KERNEL_PX), 1.6, theta, 4.0, 0.8, phase, cv2.CV_64F
            )
            kernel = kernel - kernel.mean()
            pair.append((kernel / np.linalg.norm(kernel)).astype(np.float32))
        pairs.append((pair[0], pair[1]))
    return tuple(pairs)


def _moments(values: NDArray[np.float32], correlate: bool) -> list[NDArray[np.float64]]:
    """Mean, deviation, skewness [C] and correlations [C (C - 1) / 2] of the rows of [C, N]."""
    mean = values.mean(axis=1, dtype=np.float64)
    centered = values - mean.astype(np.float32)[:, np.newaxis]
    squares = centered * centered
    deviation = np.sqrt(squares.mean(axis=1, dtype=np.float64))
    if not correlate:
        return [mean, deviation, np.empty(0), np.empty(0)]
    skew = np.cbrt((squares * centered).mean(axis=1, dtype=np.float64))
    covariance = (centered @ centered.T).astype(np.float64) / values.shape[1]
    spread = np.maximum(deviation, _FLOOR)
    upper = np.triu_indices(len(values), k=1)
    return [mean, deviation, skew, np.clip(covariance / np.outer(spread, spread), -1.0, 1.0)[upper]]


def _checked(vector: Statistics, what: str) -> Statistics:
    if vector.shape != (LENGTH,):
        raise InputError(
            f"{what} have shape {vector.shape}, ({LENGTH},) was needed",
            "compute them again from the artwork",
        )
    if not np.isfinite(vector).all():
        raise InputError(f"{what} hold NaN or infinity", "compute them again from the artwork")
    return np.asarray(vector, np.float64)
