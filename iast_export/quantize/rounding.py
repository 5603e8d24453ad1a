"""Rounding learned from data, and biases corrected by it, both from the moments of `patches`.

Rounding to nearest is best for each weight alone, not for a layer's output: errors of weights that
read like inputs can cancel. Following Nagel et al., "Up or Down? Adaptive Rounding for
Post-Training Quantization" (2020), each weight goes up or down so that the layer's expected squared
error is least. Their relaxation trained by Adam is not needed here: the error is quadratic in the
decisions, its matrix is known exactly, and turning over one weight after another, the best first,
ends in seconds.

What error remains in the mean goes into the bias, after Nagel et al., "Data-Free Quantization
Through Weight Equalization and Bias Correction" (2019), in its empirical form: output channel by
output channel, the mean of INT8 less the mean of float.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from iast_export.formats.onnx_graph import Array
from iast_export.quantize.onnx.layers import (
    WEIGHT_LEVELS,
    filter_key,
    quantize_weight,
    with_learned,
)
from iast_export.quantize.patches import Layer, Moments

# Of the mean second moment, on the diagonal, as in GPTQ (Frantar et al. 2022).
_DAMPING = 0.01
_SETTLED = 1e-3  # a weight this near to a level stays there; the largest of a channel always is


def learn_filters(
    tiers: Iterable[tuple[list[Layer], Mapping[str, Moments]]], centered: bool
) -> dict[str, Array]:
    """Every weight rounded once, for all tiers that share it; by `filter_key`, per output.

    Args:
        tiers: layers and their moments, per tier.
        centered: the mean error will be taken up by the bias.
    """
    weights: dict[bytes, Array] = {}
    sums: dict[bytes, Moments] = {}
    for layers, moments in tiers:
        for layer in layers:
            key = layer.weight.tobytes()
            weights[key] = layer.weight
            sums.setdefault(key, Moments(layer.weight[0].size)).merge(moments[layer.name])
    filters: dict[str, Array] = {}
    for key, weight in weights.items():
        rounded = round_weight(weight, sums[key].second(centered))
        filters.update({filter_key(one): new for one, new in zip(weight, rounded, strict=True)})
    return filters


def round_weight(weight: Array, second: NDArray[np.float64]) -> Array:
    """A weight on its grid, each value rounded up or down for the least error of the output.

    Args:
        weight: float32 [O, I, kH, kW].
        second: moments [K, K] of what it reads, K = I * kH * kW.
    """
    _, scales, _ = quantize_weight(weight, np.zeros(len(weight), np.float32), np.float32(1))
    exact = weight.reshape(len(weight), -1) / scales[:, None].astype(np.float64)
    levels = turn_over(exact, second)
    rounded: Array = (levels * scales[:, None]).astype(np.float32).reshape(weight.shape)
    return rounded


def turn_over(exact: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integer levels [O, K] next to `exact` whose error e has the least e @ second @ e, row by row.

    Starts from the nearest levels and turns over, in each row, the one that lowers the error most,
    until none does.
    """
    matrix = second + _DAMPING * np.mean(np.diag(second)) * np.eye(len(second))
    levels = np.clip(np.rint(exact), -WEIGHT_LEVELS, WEIGHT_LEVELS)
    error = levels - exact
    free = np.abs(error) > _SETTLED
    gradient, rows = error @ matrix, np.arange(len(exact))
    diagonal = np.diag(matrix)
    for _ in range(2 * exact.shape[1]):
        step = np.where(error > 0, -1.0, 1.0)
        change = np.where(free, 2.0 * step * gradient + diagonal, 0.0)
        best = np.argmin(change, axis=1)
        better = change[rows, best] < -1e-12 * np.abs(diagonal).max(initial=0.0)
        if not better.any():
            break
        turned, column = rows[better], best[better]
        moved = step[turned, column]
        levels[turned, column] += moved
        error[turned, column] += moved
        gradient[turned] += moved[:, None] * matrix[column]
    return levels


def bias_shifts(
    layers: Iterable[Layer], moments: Mapping[str, Moments], filters: Mapping[str, Array]
) -> dict[str, Array]:
    """Mean of each layer's float output less its INT8 output's, float32 [O], by output.

    Args:
        layers: all groups of a convolution in turn.
        filters: learned ones by `filter_key`; others are rounded to nearest.
    """
    shifts: dict[str, Array] = {}
    for layer in layers:
        seen = moments[layer.name]
        used = with_learned(layer.weight, filters)
        int8, scales, _ = quantize_weight(used, layer.bias, layer.parameters.scale)
        rounded = int8.reshape(len(int8), -1) * scales[:, None].astype(np.float64)
        wanted = layer.weight.reshape(len(int8), -1).astype(np.float64) @ seen.float_sum
        shift = ((wanted - rounded @ seen.int8_sum) / seen.count).astype(np.float32)
        before = shifts.get(layer.output, shift[:0])  # of the groups before this one
        shifts[layer.output] = np.concatenate([before, shift])
    return shifts
