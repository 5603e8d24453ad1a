"""Nearness of two pictures: PSNR and SSIM."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError
from iast_export.metrics._checks import Picture, finite, pair_as_unit
from iast_export.reports.base import PSNR_CAP_DB

# As `skimage.metrics.structural_similarity` has them (Wang et al. 2004: K1 = 0.01, K2 = 0.03).
_WINDOW_PX = 7
_C1, _C2 = 0.01**2, 0.03**2


def psnr_db(a: Picture, b: Picture) -> float:
    """Peak signal-to-noise ratio, 20 log10(1 / RMS difference), at most `PSNR_CAP_DB`.

    Args:
        a: [H, W, 3], uint8 levels or floats in [0, 1].
        b: the same shape.

    Raises:
        InputError: NaN, empty, out of range, or shapes that differ.
    """
    first, second = pair_as_unit(a, b)
    mse = float(np.mean(np.square(first - second)))
    if mse == 0.0:
        return PSNR_CAP_DB
    return min(PSNR_CAP_DB, finite(-10.0 * math.log10(mse), "the PSNR"))


def ssim(a: Picture, b: Picture) -> float:
    """Mean structural similarity (Wang et al. 2004), 1 for equal pictures.

    The definition of `skimage.metrics.structural_similarity(channel_axis=2, data_range=1)`: uniform
    7x7 windows, sample covariance, borders of 3 px left out, the mean over the channels; computed
    one channel at a time, several times faster.

    Raises:
        InputError: NaN, empty, out of range, shapes that differ, or a side below 7 px.
    """
    first, second = pair_as_unit(a, b)
    if min(first.shape[:2]) < _WINDOW_PX:
        raise InputError(
            f"pictures of {first.shape[1]}x{first.shape[0]} px are too small for SSIM",
            f"both sides must be at least {_WINDOW_PX} px",
        )
    channels = [_ssim_channel(first[..., c], second[..., c]) for c in range(3)]
    return finite(np.mean(channels), "the SSIM")


def _ssim_channel(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    norm = _WINDOW_PX**2 / (_WINDOW_PX**2 - 1.0)
    mean_a, mean_b = _windows(a), _windows(b)
    var_a = norm * (_windows(a * a) - mean_a * mean_a)
    var_b = norm * (_windows(b * b) - mean_b * mean_b)
    cov = norm * (_windows(a * b) - mean_a * mean_b)
    top = (2 * mean_a * mean_b + _C1) * (2 * cov + _C2)
    bottom = (mean_a**2 + mean_b**2 + _C1) * (var_a + var_b + _C2)
    return float(np.mean(top / bottom))


def ssim_content(result: Picture, content: Picture) -> float:
    """SSIM of a stylized picture to its photograph: how much detail was kept. Higher is better.

    Raises:
        InputError: see `ssim`.
    """
    return ssim(result, content)


def _windows(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over the 7x7 windows that lie inside a plane."""
    blurred = cv2.boxFilter(
        plane, cv2.CV_64F, (_WINDOW_PX, _WINDOW_PX), borderType=cv2.BORDER_REFLECT
    )
    edge = _WINDOW_PX // 2
    return np.asarray(blurred[edge:-edge, edge:-edge], np.float64)
