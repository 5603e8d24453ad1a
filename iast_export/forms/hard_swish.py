"""Hard swish and hard sigmoid, however they are written, as one operator each.

x * clip(x + 3, 0, 6) / 6 is four operators and reads the picture five times: 1.27 times the time of
HardSwish in a network of 3x3 convolutions. As one operator it can also be computed in integers.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import helper

from iast_export.formats.onnx_graph import GraphIndex, attribute
from iast_export.forms.edit import Rewritten, replace_node, rewrite_each

_ARITHMETIC = ("Div", "Mul")
_SIXTH = 1.0 / 6.0


def fuse_hard_swish(model: onnx.ModelProto) -> Rewritten:
    """A copy with x * hard_sigmoid(x) as HardSwish, other clip(x + 3, 0, 6) / 6 as HardSigmoid."""

    def swish(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        x = _swished(index, node)
        if x is not None:
            replace_node(graph, node, [helper.make_node("HardSwish", [x], [node.output[0]])])
        return x is not None

    def sigmoid(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        factor, base = _unscaled(index, node.output[0])
        gate = _gate(index, base)
        if gate is None or not _is_one(factor * gate[1]):
            return False
        made = helper.make_node("HardSigmoid", [gate[0]], [node.output[0]], alpha=_SIXTH, beta=0.5)
        replace_node(graph, node, [made])
        return True

    swishes = rewrite_each(model, _ARITHMETIC, swish)
    sigmoids = rewrite_each(swishes.model, _ARITHMETIC, sigmoid)
    return Rewritten(sigmoids.model, (*swishes.places, *sigmoids.places))


def _swished(index: GraphIndex, node: onnx.NodeProto) -> str | None:
    """x, where a node makes x * hard_sigmoid(x)."""
    factor, base = _unscaled(index, node.output[0])
    product = index.producer(base, "Mul")
    if product is None or len(product.input) != 2:
        return None
    for one, other in (product.input, list(product.input)[::-1]):
        gain, gated = _unscaled(index, other)
        gate = _gate(index, gated)
        for share, x in ((1.0, one), _unscaled(index, one)):
            if gate is not None and gate[0] == x and _is_one(factor * gain * share * gate[1]):
                return x
    return None


def _unscaled(index: GraphIndex, name: str) -> tuple[float, str]:
    """A tensor before it was multiplied or divided by constants, and by how much it was."""
    factor = 1.0
    while (node := index.producer(name, *_ARITHMETIC)) is not None:
        left, right = (_scalar(index, one) for one in node.input)
        if right is not None and (node.op_type == "Mul" or right != 0):
            factor, name = factor * (right if node.op_type == "Mul" else 1.0 / right), node.input[0]
        elif left is not None and node.op_type == "Mul":
            factor, name = factor * left, node.input[1]
        else:
            break
    return factor, name


def _is_one(value: float) -> bool:
    return math.isclose(value, 1.0, rel_tol=1e-6)


def _gate(index: GraphIndex, name: str) -> tuple[str, float] | None:
    """x and the largest value of a gate that is 0 up to -3 and greatest from 3 on."""
    node = index.producer(name, "Clip", "HardSigmoid")
    if node is None:
        return None
    if node.op_type == "HardSigmoid":
        slope, middle = float(attribute(node, "alpha", 0.2)), float(attribute(node, "beta", 0.5))
        return (node.input[0], 1.0) if _is_one(6.0 * slope) and middle == 0.5 else None
    bounds = [_scalar(index, one) for one in node.input[1:3]]
    shifted = index.producer(node.input[0], "Add")
    if bounds != [0.0, 6.0] or shifted is None:
        return None
    for x, other in (shifted.input, list(shifted.input)[::-1]):
        if _scalar(index, other) == 3.0:
            return x, 6.0
    return None


def _scalar(index: GraphIndex, name: str) -> float | None:
    value = index.constants.get(name)
    return (
        float(np.ravel(value)[0])
        if value is not None and value.size == 1 and value.ndim <= 4
        else None
    )
