"""What every metric asks of its pictures."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError

Picture = NDArray[np.uint8] | NDArray[np.float32] | NDArray[np.float64]


def as_unit(picture: Picture, what: str) -> NDArray[np.float64]:
    """`picture` [H, W, 3] as float64 in [0, 1]; 8-bit levels are divided by 255.

    Raises:
        InputError: another shape or type, empty, NaN, infinity, or a float outside [0, 1].
    """
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise InputError(
            f"{what} has shape {picture.shape}, [H, W, 3] was needed", "give an RGB picture"
        )
    if picture.size == 0:
        raise InputError(f"{what} is empty", "give a picture with pixels")
    if picture.dtype == np.uint8:
        return picture.astype(np.float64) / 255.0
    if not np.issubdtype(picture.dtype, np.floating):
        raise InputError(
            f"{what} holds {picture.dtype} values", "give uint8 levels or floats in [0, 1]"
        )
    if not np.isfinite(picture).all():
        raise InputError(
            f"{what} holds NaN or infinity", "the model's output is damaged; inspect the model"
        )
    if picture.min() < 0.0 or picture.max() > 1.0:
        found = f"{float(picture.min()):.4g}..{float(picture.max()):.4g}"
        raise InputError(
            f"{what} holds values in {found}, 0..1 was needed", "clip it or use 8-bit levels"
        )
    return cast("NDArray[np.float64]", np.asarray(picture, np.float64))


def pair_as_unit(a: Picture, b: Picture) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both pictures as float64 in [0, 1], of one shape.

    Raises:
        InputError: as `as_unit`, or the shapes differ.
    """
    if a.shape != b.shape:
        raise InputError(
            f"pictures of shapes {a.shape} and {b.shape} can't be compared",
            "give two pictures of one size",
        )
    return as_unit(a, "the first picture"), as_unit(b, "the second picture")


def finite(value: Any, what: str) -> float:
    """`value` as float.

    Raises:
        InputError: it is NaN or infinite.
    """
    number = float(value)
    if not np.isfinite(number):
        raise InputError(f"{what} is {number}", "check the pictures that it was measured on")
    return number
