"""Activation ranges from a stream of tensors: bounded memory; any order or split is the same.

Values are counted in one fixed grid, derived from the bit pattern of float32: sign, exponent and
the first five mantissa bits. A grid that never moves needs no rescaling, so counts are exact
integers and two histograms merge by addition. A bin is at most 1/32 (3 %) wide relative to its
value; the lowest and the highest value are kept exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError, UsageError

# 32 bins an octave, 3 % wide: a range is no nearer to its best than that.
_MANTISSA_BITS = 5
_SHIFT = 23 - _MANTISSA_BITS
_LOWEST_EXPONENT = 127 - 40  # values below 2**-40 in size count as zero
_HIGHEST_EXPONENT = 127 + 40
_PER_SIGN = ((_HIGHEST_EXPONENT - _LOWEST_EXPONENT + 1) << _MANTISSA_BITS) + 1
BINS = 2 * _PER_SIGN - 1
_CODES, _PIECE = 1 << (32 - _SHIFT), 1 << 16
LEVELS = 255
# Ends that are tried, evenly from the whole range to a fiftieth of it; chosen.
_CANDIDATES = 64


@dataclass(frozen=True)
class Range:
    """The values that INT8 shall represent, in the tensor's own unit; `low` <= `high`, finite."""

    low: float
    high: float


class RangeLike(Protocol):
    """The lowest and the highest value to represent, in the tensor's own unit."""

    @property
    def low(self) -> float:
        """Lowest value."""
        ...

    @property
    def high(self) -> float:
        """Highest value."""
        ...


def found_range(name: str, ranges: Mapping[str, RangeLike]) -> tuple[float, float]:
    """The bounds of a tensor's range.

    Raises:
        InputError: it is missing, not finite or the wrong way round.
    """
    if name not in ranges:
        raise InputError(f"no range for tensor {name}", "calibrate this FP32 file again")
    low, high = float(ranges[name].low), float(ranges[name].high)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise InputError(
            f"the range of tensor {name} is [{low}, {high}]", "calibrate again, on real pictures"
        )
    return low, high


def _edges() -> NDArray[np.float64]:
    """Magnitude of each bin's middle, from zero up."""
    codes = (
        np.arange(_PER_SIGN - 1, dtype=np.int64) + (_LOWEST_EXPONENT << _MANTISSA_BITS)
    ) << _SHIFT
    lower = codes.astype(np.uint32).view(np.float32).astype(np.float64)
    upper = (codes + (1 << _SHIFT)).astype(np.uint32).view(np.float32).astype(np.float64)
    return np.concatenate([[0.0], (lower + upper) / 2])


_MAGNITUDES = _edges()
CENTERS: NDArray[np.float64] = np.concatenate([-_MAGNITUDES[:0:-1], _MAGNITUDES])


class Histogram:
    """Exact counts of a tensor's values on the fixed grid, with its extremes.

    Attributes:
        low, high: lowest and highest value so far; infinite before the first update.
        counts: int64 [BINS], value `CENTERS[i]` stands for bin i.
    """

    def __init__(self, name: str = "tensor") -> None:
        self.name = name
        self.low, self.high = float("inf"), float("-inf")
        self.counts: NDArray[np.int64] = np.zeros(BINS, np.int64)

    def update(self, values: NDArray[Any], count: bool = True) -> None:
        """Adds every value of an array; with `count` False only the extremes.

        Raises:
            InputError: NaN or infinity, or nothing in the array.
        """
        flat = np.ascontiguousarray(values, np.float32).ravel()
        if flat.size == 0:
            raise InputError(f"activation {self.name} is empty", "check the network's shapes")
        low, high = float(flat.min()), float(flat.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InputError(
                f"activation {self.name} holds NaN or infinity",
                "check the checkpoint and the calibration pictures",
            )
        self.low, self.high = min(self.low, low), max(self.high, high)
        if count:
            np.add.at(self.counts, _BIN_OF_CODE, _count_codes(flat))

    def merge(self, other: Histogram) -> None:
        """Adds all that `other` has seen."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.counts += other.counts

    def checked(self) -> Histogram:
        """Itself, when it has seen anything.

        Raises:
            InputError: nothing was added.
        """
        if self.low > self.high:
            raise InputError(
                f"activation {self.name} was never observed", "calibrate with at least one picture"
            )
        return self


def _count_codes(flat: NDArray[np.float32]) -> NDArray[np.int64]:
    """How often each code occurs: the leading bits of a value, all that its bin depends on.

    By the piece, since what fits the cache is counted four times as fast.
    """
    counts, bits = np.zeros(_CODES, np.int64), flat.view(np.uint32)
    for start in range(0, len(bits), _PIECE):
        codes = bits[start : start + _PIECE] >> np.uint32(_SHIFT)
        counts += np.bincount(codes, minlength=_CODES)
    return counts


def _bins_of_codes() -> NDArray[np.int64]:
    """The bin of each code: sign, then magnitude within the grid's limits."""
    codes = np.arange(_CODES, dtype=np.int64)
    magnitude, is_negative = codes % (_CODES // 2), codes >= _CODES // 2
    index = np.clip(magnitude - (_LOWEST_EXPONENT << _MANTISSA_BITS) + 1, 0, _PER_SIGN - 1)
    return np.where(is_negative, -index, index) + (_PER_SIGN - 1)


_BIN_OF_CODE = _bins_of_codes()


Method = Callable[[Histogram], Range]


def minmax(histogram: Histogram) -> Range:
    """The lowest and the highest value seen."""
    seen = histogram.checked()
    return Range(seen.low, seen.high)


def percentile(histogram: Histogram, share: float) -> Range:
    """The range that keeps `share` percent of the values, the rest clipped alike on both ends.

    Zeros don't count: every range represents them exactly, and after a ReLU they may be nearly all.

    Raises:
        UsageError: `share` outside (50, 100].
    """
    if not 50.0 < share <= 100.0:
        raise UsageError(
            f"a percentile of {share} keeps no useful range", "use a share in (50, 100]"
        )
    seen = histogram.checked()
    counts = seen.counts.copy()
    counts[_PER_SIGN - 1] = 0
    if not counts.any():
        return Range(seen.low, seen.high)
    cumulative = np.cumsum(counts)
    tail = cumulative[-1] * (1.0 - share / 100.0) / 2.0
    low = CENTERS[int(np.searchsorted(cumulative, tail, side="right"))]
    high = CENTERS[int(np.searchsorted(cumulative, cumulative[-1] - tail, side="left"))]
    return _inside(seen, float(low), float(high))


def mse(histogram: Histogram) -> Range:
    """The range of least expected squared error after 8-bit rounding and clipping."""
    return _best(histogram, _squared_error)


def entropy(histogram: Histogram) -> Range:
    """The range whose 8-bit picture of the histogram loses the least information.

    Kullback-Leibler divergence between the clipped histogram and its quantized form (Migacz, "8-bit
    Inference with TensorRT", 2017), evaluated on ranges with one end drawn in.
    """
    return _best(histogram, _divergence)


def _best(
    histogram: Histogram,
    cost: Callable[[NDArray[np.float64], NDArray[np.float64], float, float], float],
) -> Range:
    seen = histogram.checked()
    used = seen.counts > 0
    values, weights = (
        np.clip(CENTERS[used], seen.low, seen.high),
        seen.counts[used].astype(np.float64),
    )
    best = Range(seen.low, seen.high)
    for end in ("high", "low", "high"):  # one end at a time: outliers seldom lie on both
        ranges = [_shrunk(seen, best, end, float(f)) for f in np.linspace(1.0, 0.02, _CANDIDATES)]
        best = ranges[int(np.argmin([cost(values, weights, r.low, r.high) for r in ranges]))]
    return best


def _shrunk(seen: Histogram, best: Range, end: str, factor: float) -> Range:
    if end == "high":
        return _inside(seen, best.low, seen.high * factor)
    return _inside(seen, seen.low * factor, best.high)


def _levels(
    values: NDArray[np.float64], low: float, high: float
) -> tuple[NDArray[np.float64], float]:
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / LEVELS or 1.0
    return np.clip(np.rint((values - low) / step), 0, LEVELS), step


def _squared_error(
    values: NDArray[np.float64], weights: NDArray[np.float64], low: float, high: float
) -> float:
    levels, step = _levels(values, low, high)
    return float(np.sum(weights * (levels * step + min(low, 0.0) - values) ** 2))


def _divergence(
    values: NDArray[np.float64], weights: NDArray[np.float64], low: float, high: float
) -> float:
    levels = _levels(values, low, high)[0].astype(np.int64)
    inside = (values >= min(low, 0.0)) & (values <= max(high, 0.0))
    if not inside.any():  # a range that holds no value of the histogram keeps nothing of it
        return math.inf
    reference = np.zeros_like(weights)
    reference[inside] = weights[inside]
    first, last = np.flatnonzero(inside)[[0, -1]]
    reference[first] += weights[:first].sum()
    reference[last] += weights[last + 1 :].sum()
    mass = np.bincount(levels[inside], weights[inside], LEVELS + 1)
    sharing = np.bincount(levels[inside], minlength=LEVELS + 1)
    spread = np.zeros_like(weights)
    spread[inside] = mass[levels[inside]] / sharing[levels[inside]]
    p, q = reference / reference.sum(), spread / spread.sum()
    known = p > 0
    return float(np.sum(p[known] * np.log(p[known] / np.maximum(q[known], 1e-12))))


def _inside(seen: Histogram, low: float, high: float) -> Range:
    low, high = max(low, seen.low), min(high, seen.high)
    return Range(low, high) if low <= high else Range(seen.low, seen.high)


def method_of(name: str, share: float = 99.99) -> Method:
    """The estimator of a recipe's `method`.

    Raises:
        UsageError: an unknown name.
    """
    known: dict[str, Method] = {
        "minmax": minmax,
        "percentile": lambda histogram: percentile(histogram, share),
        "mse": mse,
        "entropy": entropy,
    }
    if name not in known:
        raise UsageError(
            f"unknown calibration method {name!r}", f"choose one of {', '.join(known)}"
        )
    return known[name]
