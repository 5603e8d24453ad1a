"""How far a file's outputs are from PyTorch's, and may be: one rule for both runtimes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iast_export.specs import STYLIZED

# Of a picture a fortieth of an 8-bit level; chosen.
PARITY_TOLERANCE = 1e-4
# How many times PyTorch's own distance to float64 a file may be away: each adds up in an order of
# its own, and the errors of two such sums differ by up to twice that. Chosen, with room for one
# fused operator.
ROUNDINGS = 4.0
_LEAST_SCALE = 1e-3  # of a code: below it, differences of 1e-7 are rounding and no error

Array = NDArray[Any]


def parity_error(wanted: Mapping[str, Array], got: Mapping[str, Array]) -> float:
    """Largest difference of any output over the output's scale; at most PARITY_TOLERANCE is equal.

    A picture's scale is its range, 1. A code's is its own largest magnitude: float32 rounds in
    proportion to what it adds up (Higham, "Accuracy and Stability of Numerical Algorithms", 2002,
    section 3.1), so an absolute limit would refuse codes of 100 for rounding and let any error in
    codes of 0.001 pass. PyTorch's and ONNX's own checks of exported files are relative too, with a
    floor of 1e-7, but value by value.

    Args:
        wanted: PyTorch's outputs by name.
        got: the file's, at least those.

    Returns:
        Infinity where shapes disagree or a value is not finite.
    """
    return max(
        (_error(name, value, np.asarray(got[name])) for name, value in wanted.items()), default=0.0
    )


def _error(name: str, wanted: Array, got: Array) -> float:
    if wanted.shape != got.shape or not (np.all(np.isfinite(wanted)) and np.all(np.isfinite(got))):
        return float("inf")
    magnitude = float(np.max(np.abs(wanted), initial=0.0))
    scale = 1.0 if name == STYLIZED else max(magnitude, _LEAST_SCALE)
    return float(np.max(np.abs(np.subtract(wanted, got, dtype=np.float64)), initial=0.0)) / scale
