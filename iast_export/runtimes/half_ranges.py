"""Which tensors of a TFLite graph overflow in a GPU's FP16, by calibrated ranges alone.

Nothing is run. The range of a tensor that calibration did not see follows from its inputs, where
that says something: not behind a product or quotient of two computed tensors, such as a
normalization's own scale, whose bound would be far from what it reaches.

Whether a sum passes 65,504 while it is taken depends on the operator. LiteRT's delegate sums means
in FP32 and convolutions and matrix products in FP16; the tests show both on its own shaders.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from iast_export.formats import tflite_file as tf
from iast_export.reports.half import LARGEST, words

SUMS_IN_FP16 = ("CONV_2D", "FULLY_CONNECTED")
_LIMITS: Mapping[str, tuple[float, float]] = {
    "LOGISTIC": (0.0, 1.0),
    "SOFTMAX": (0.0, 1.0),
    "TANH": (-1.0, 1.0),
}
_CLAMPS: Mapping[str, tuple[float, float]] = {
    "RELU": (0.0, np.inf),
    "RELU6": (0.0, 6.0),
    "RELU_0_TO_1": (0.0, 1.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}
_KEEPS = (
    "AVERAGE_POOL_2D",
    "CONCATENATION",
    "DEPTH_TO_SPACE",
    "MAX_POOL_2D",
    "MEAN",
    "RESHAPE",
    "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR",
    "SLICE",
    "SPACE_TO_DEPTH",
    "STRIDED_SLICE",
    "TRANSPOSE",
)
Interval = tuple[float, float]
"""Lowest and highest value."""


class _Range(Protocol):
    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


@dataclass(frozen=True)
class Overflow:
    """What an operator reaches, at most, in size, over all pictures; `of_sum`: while it sums."""

    tensor: str
    operator: str
    peak: float
    of_sum: bool

    def __str__(self) -> str:
        return words(self.operator, self.tensor, self.peak, self.of_sum)


def foretell_overflows(
    model: tf.Model, signature: str, ranges: Mapping[str, _Range]
) -> tuple[Overflow, ...]:
    """The operators of a signature that pass FP16's largest number first, in graph order.

    What only hands on a value that is too large already is not named.

    Args:
        model: in FP32.
        signature: its key.
        ranges: of the tensors that calibration saw, by name.

    Raises:
        InputError: no such signature.
    """
    graph = model.subgraphs[tf.find_signature(model, signature).subgraph]
    known, found = _follow_all(model, graph, ranges), []
    for op in graph.operators:
        result, sums = int(op.outputs[0]), partial_sums(model, graph, op, known)
        peak = max(map(abs, known.get(result, (0.0,))))
        handed = any(max(map(abs, known.get(int(t), (0.0,)))) > LARGEST for t in op.inputs)
        if max(peak, sums) > LARGEST and not handed:
            name, of_sum = tf.text(graph.tensors[result].name), sums > peak
            found.append(Overflow(name, tf.op_name(model, op), max(peak, sums), of_sum))
    return tuple(found)


def count_judged(model: tf.Model, signature: str, ranges: Mapping[str, _Range]) -> tuple[int, int]:
    """Of how many float results the foretelling knows a range, and how many there are."""
    graph = model.subgraphs[tf.find_signature(model, signature).subgraph]
    known = _follow_all(model, graph, ranges)
    results = [int(t) for op in graph.operators for t in op.outputs]
    floats = [t for t in results if tf.dtype_name(graph.tensors[t]) == "float32"]
    return sum(t in known for t in floats), len(floats)


def _follow_all(
    model: tf.Model, graph: tf.Graph, ranges: Mapping[str, _Range]
) -> dict[int, Interval]:
    """The range of every tensor of which something is known."""
    known = {
        i: (float(ranges[name].low), float(ranges[name].high))
        for i, name in enumerate(tf.text(tensor.name) for tensor in graph.tensors)
        if name in ranges
    }
    for op in graph.operators:
        followed = _follow(model, graph, op, known)
        if followed is not None:
            known.setdefault(int(op.outputs[0]), followed)
    return known


def partial_sums(
    model: tf.Model, graph: tf.Graph, op: Any, known: Mapping[int, Interval | tuple[Any, Any]]
) -> float:
    """The largest size that a sum taken in FP16 can pass, in whatever order; 0 for other operators.

    Args:
        model, graph, op: a convolution or matrix product with constant weights.
        known: by tensor, lowest and highest value: numbers, or float arrays with one for each of
            the input's channels.
    """
    parts = _products(model, graph, op, known)
    if parts is None:
        return 0.0
    low, high, bias = parts
    sides = (np.minimum(low, 0.0).sum(1), np.maximum(high, 0.0).sum(1))
    return float(max(np.abs(side + at).max() for side in sides for at in (bias, 0.0)))


def _products(
    model: tf.Model, graph: tf.Graph, op: Any, known: Mapping[int, Any]
) -> tuple[Any, Any, Any] | None:
    """Lowest and highest products of weights and inputs [O, N], and biases [O]; None: not known."""
    if tf.op_name(model, op) not in SUMS_IN_FP16 or int(op.inputs[0]) not in known:
        return None
    weight = tf.constant(model, graph.tensors[int(op.inputs[1])])
    if weight is None or weight.dtype != np.float32:
        return None
    low, high = (np.asarray(one, np.float64) for one in known[int(op.inputs[0])])
    ends = np.stack([weight * low, weight * high]).reshape(2, weight.shape[0], -1)
    biased = len(op.inputs) > 2 and int(op.inputs[2]) >= 0
    bias = tf.constant(model, graph.tensors[int(op.inputs[2])]) if biased else None
    return ends.min(0), ends.max(0), np.zeros(weight.shape[0]) if bias is None else bias


def _follow(
    model: tf.Model, graph: tf.Graph, op: Any, known: Mapping[int, Interval]
) -> Interval | None:
    """What an operator's result ranges over, by its inputs; None where that says nothing."""
    name = tf.op_name(model, op)
    products = _products(model, graph, op, known)
    if products is not None:
        low, high, bias = products
        return _activated(op, (float((low.sum(1) + bias).min()), float((high.sum(1) + bias).max())))
    given = [_interval(model, graph, int(t), known) for t in op.inputs if int(t) >= 0]
    if name in _LIMITS:
        return _LIMITS[name]
    if not given or given[0] is None:
        return None
    first = given[0]
    if name in _CLAMPS:
        return _clamped(first, _CLAMPS[name])
    if name == "CONCATENATION":
        whole = [one for one in given if one is not None]
        return _hull(*whole) if len(whole) == len(given) else None
    if name in _KEEPS:
        return first
    if name == "PAD":
        return _hull(first, (0.0, 0.0))
    if name == "SUM":
        shapes = [tf.tensor_shape(graph.tensors[int(t)]) for t in (op.inputs[0], op.outputs[0])]
        count = float(np.prod(shapes[0]) / np.prod(shapes[1]))
        return first[0] * count, first[1] * count
    return _of_two(model, graph, op, given)


def _of_two(
    model: tf.Model, graph: tf.Graph, op: Any, given: list[Interval | None]
) -> Interval | None:
    """The result of arithmetic with two operands, each within its own range."""
    kind = _ARITHMETIC.get(tf.op_name(model, op))
    if kind is None or len(given) != 2 or given[0] is None or given[1] is None:
        return None
    constant = any(tf.buffer_bytes(model, graph.tensors[int(t)]) for t in op.inputs)
    same = int(op.inputs[0]) == int(op.inputs[1])
    if tf.op_name(model, op) == "MUL" and same:
        return _activated(op, (0.0, max(map(abs, given[0])) ** 2))
    if tf.op_name(model, op) == "MUL" and not constant:
        return None
    ends = [kind(one, other) for one in given[0] for other in given[1]]
    squared = tf.op_name(model, op) == "SQUARED_DIFFERENCE"
    return _activated(op, (0.0 if squared else min(ends), max(ends)))


_ARITHMETIC: Mapping[str, Callable[[float, float], float]] = {
    "ADD": lambda one, other: one + other,
    "SUB": lambda one, other: one - other,
    "MUL": lambda one, other: one * other,
    "MAXIMUM": max,
    "MINIMUM": min,
    "SQUARED_DIFFERENCE": lambda one, other: (one - other) ** 2,
}


def _interval(
    model: tf.Model, graph: tf.Graph, tensor: int, known: Mapping[int, Interval]
) -> Interval | None:
    value = tf.constant(model, graph.tensors[tensor])
    if value is not None and value.size:
        return float(value.min()), float(value.max())
    return known.get(tensor)


def _activated(op: Any, found: Interval) -> Interval:
    """After the activation that is fused into an operator."""
    kind = int(getattr(op.builtinOptions, "fusedActivationFunction", 0) or 0)
    types = vars(tf.schema().ActivationFunctionType)
    name = next((key for key, value in types.items() if value == kind), "")
    return _clamped(found, _CLAMPS[name]) if name in _CLAMPS else found


def _clamped(found: Interval, limits: Interval) -> Interval:
    low, high = (min(max(end, limits[0]), limits[1]) for end in found)
    return low, high


def _hull(*given: Interval) -> Interval:
    return min(low for low, _ in given), max(high for _, high in given)
