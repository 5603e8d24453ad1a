"""Instance normalization written out in arithmetic, as one InstanceNormalization.

One pass of a kernel instead of up to eight over the picture, gain and offset included; and what
reads it alone may be equalized (`quantize.equalize.norms`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from iast_export.formats.onnx_graph import GraphIndex, index_graph, prune
from iast_export.forms.edit import Rewritten, add_constant, copy_model, replace_node

Shapes = Mapping[str, tuple[int, ...]]
"""Of tensors; 0: a side of any size."""
_RESHAPES = ("Expand", "Reshape", "Squeeze", "Unsqueeze")


@dataclass(frozen=True)
class _Normalized:
    """(x - mean) / sqrt(variance + epsilon), times `scale` where that was part of the division."""

    x: str
    epsilon: float
    scale: str = ""


def fuse_normalization(model: onnx.ModelProto) -> Rewritten:
    """A copy in which instance normalization in arithmetic is InstanceNormalization, with the gain
    and the offset behind it.

    The variance may be the mean of squares about the mean or the difference of two means. The
    operator takes scale and shift as inputs [C], so it serves one picture at a time: tensors of
    another batch stay.
    """
    copy, shapes, places = copy_model(model), _shapes(model), []
    matcher = _Matcher(index_graph(copy.graph), shapes)
    for node in [one for one in copy.graph.node if one.op_type in ("Div", "Mul")]:
        found = matcher.match(node)
        if found is not None and _channels(shapes.get(found.x, ())):
            places.append(_write(copy.graph, node, found, shapes))
    prune(copy.graph)
    absorbed = dict(_absorb_all(copy.graph, shapes))
    prune(copy.graph)
    kept = [name for name in places if name not in absorbed]
    return Rewritten(copy, (*kept, *absorbed.values()))


def _shapes(model: onnx.ModelProto) -> Shapes:
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    found = {
        item.name: tuple(int(dim.dim_value) for dim in item.type.tensor_type.shape.dim)
        for item in (*graph.value_info, *graph.input, *graph.output)
        if item.type.tensor_type.HasField("shape")
    }
    return {**found, **{item.name: tuple(item.dims) for item in graph.initializer}}


def _channels(shape: tuple[int, ...]) -> int:
    """Of one picture [1, C, H, W]; 0 of anything else."""
    return shape[1] if len(shape) == 4 and shape[0] == 1 else 0


class _Matcher:
    """Finds normalizations in a graph as it was; "" stands for a tensor that is not there."""

    def __init__(self, index: GraphIndex, shapes: Shapes) -> None:
        self.index, self.shapes = index, shapes

    def match(self, node: onnx.NodeProto) -> _Normalized | None:
        """What a product or quotient normalizes; None: nothing."""
        for centered, factor in _ways(node):
            x = self._centered(centered)
            is_picture = len(self.shapes.get(centered, ())) == 4
            if not x or not is_picture or not self._fits(factor, centered):
                continue
            divides = node.op_type == "Div"
            biased, scale = (self._root(factor), "") if divides else self._inverse(factor)
            epsilon = self._epsilon(biased, x)
            if epsilon is not None:
                return _Normalized(x, epsilon, scale)
        return None

    def _behind(self, name: str) -> onnx.NodeProto | None:
        """What makes a value per channel, before it was given another shape."""
        node = self.index.producer(name)
        while node is not None and node.op_type in _RESHAPES:
            node = self.index.producer(node.input[0])
        return node

    def _flat(self, name: str) -> str:
        """The picture that `name` holds as [1, C, H * W]; else `name` itself."""
        node = self.index.producer(name, "Reshape")
        source = str(node.input[0]) if node is not None else ""
        before, after = self.shapes.get(source, ()), self.shapes.get(name, ())
        return source if len(before) == 4 and len(after) == 3 and before[:2] == after[:2] else name

    def _centered(self, name: str) -> str:
        """The picture that `name` holds without its means."""
        node = self.index.producer(name, "Sub")
        if node is None:
            return ""
        x = self._flat(node.input[0])
        taken = self._fits(node.input[1], node.input[0]) and self._mean_of(node.input[1]) == x
        return x if taken else ""

    def _fits(self, name: str, picture: str) -> bool:
        """Whether a tensor has one value for each channel of another, beside it."""
        own, wide = self.shapes.get(name, ()), self.shapes.get(picture, ())
        return len(own) == len(wide) > 2 and own[1] == wide[1] == math.prod(own)

    def _mean_of(self, name: str) -> str:
        """The tensor whose means per channel `name` holds."""
        node = self._behind(name)
        if node is None or node.op_type != "ReduceMean":
            return ""
        axes, rank = self.index.constant(node, 1), len(self.shapes.get(node.input[0], ()))
        if axes is None or sorted(int(axis) % max(rank, 1) for axis in axes.ravel()) != [
            *range(2, rank)
        ]:
            return ""
        return self._flat(node.input[0])

    def _root(self, name: str) -> str:
        """What `name` is the square root of."""
        node = self._behind(name)
        is_root = node is not None and (node.op_type == "Sqrt" or self._power(node) == 0.5)
        return str(node.input[0]) if node is not None and is_root else ""

    def _inverse(self, name: str) -> tuple[str, str]:
        """What `name` is one over the square root of, and what that is multiplied by."""
        node = self.index.producer(name)
        kind = node.op_type if node is not None else ""
        if node is None or kind not in ("Div", "Mul", "Pow", "Reciprocal"):
            return "", ""
        if kind == "Reciprocal":
            return self._root(node.input[0]), ""
        if kind == "Pow":
            return str(node.input[0]) if self._power(node) == -0.5 else "", ""
        if kind == "Div":
            above = self.index.constant(node, 0)
            is_one = above is not None and bool(np.all(above == 1))
            return self._root(node.input[1]), "" if is_one else str(node.input[0])
        for own, scale in _ways(node):
            inner = self.index.producer(own, "Reciprocal", "Pow")
            biased = self._inverse(own)[0] if inner is not None else ""
            if biased:
                return biased, scale
        return "", ""

    def _power(self, node: onnx.NodeProto) -> float:
        """The exponent of a power; 0 of anything else."""
        exponent = self.index.constant(node, 1) if node.op_type == "Pow" else None
        return float(exponent.ravel()[0]) if exponent is not None and exponent.size == 1 else 0.0

    def _epsilon(self, biased: str, x: str) -> float | None:
        """What is added to the variance of `x` in `biased`; None where it is another's."""
        node = self.index.producer(biased, "Add")
        for variance, held in _ways(node) if node is not None else ():
            epsilon = self.index.constants.get(held)
            if epsilon is not None and epsilon.size == 1 and self._is_variance(variance, x):
                return float(epsilon.ravel()[0])
        return None

    def _is_variance(self, name: str, x: str) -> bool:
        node = self._behind(name)
        if node is not None and self._is_rectifier(node):
            node = self._behind(node.input[0])
        if node is None:
            return False
        if node.op_type == "Sub":  # of two means
            squares, mean = self._mean_of(node.input[0]), self._squared(node.input[1])
            return self._squared(squares) == x and self._mean_of(mean) == x
        return self._centered(self._squared(self._mean_of(node.output[0]))) == x

    def _is_rectifier(self, node: onnx.NodeProto) -> bool:
        if node.op_type != "Clip":
            return node.op_type == "Relu"
        low, high = self.index.constant(node, 1), node.input[2:3]
        return low is not None and bool(np.all(low == 0)) and not any(high)

    def _squared(self, name: str) -> str:
        """What `name` is the square of."""
        node = self.index.producer(name, "Mul", "Pow")
        if node is None:
            return ""
        squares = self._power(node) == 2 if node.op_type == "Pow" else len(set(node.input)) == 1
        return self._flat(node.input[0]) if squares else ""


def _ways(node: onnx.NodeProto) -> list[tuple[str, str]]:
    """The two inputs of an operator, both ways around where that is the same."""
    one, two = node.input[0], node.input[1]
    return [(one, two)] if node.op_type == "Div" else [(one, two), (two, one)]


def _write(graph: onnx.GraphProto, node: onnx.NodeProto, found: _Normalized, shapes: Shapes) -> str:
    """Puts the normalization in the place of the operator that ended it, in place; its result."""
    stem, channels = f"{node.output[0]}_normalized", _channels(shapes[found.x])
    neutral = [
        add_constant(graph, f"{stem}_{key}", np.full(channels, value, np.float32))
        for key, value in (("scale", 1.0), ("shift", 0.0))
    ]
    result = stem if found.scale else node.output[0]
    made = helper.make_node(
        "InstanceNormalization", [found.x, *neutral], [result], epsilon=found.epsilon
    )
    scaled = helper.make_node("Mul", [result, found.scale], [node.output[0]])
    replace_node(graph, node, [made, *([scaled] if found.scale else [])])
    return str(result)


def _absorb_all(graph: onnx.GraphProto, shapes: Shapes) -> Iterator[tuple[str, str]]:
    """Lets normalizations take up gains and offsets behind them, in place.

    Yields:
        The results of one before and after.
    """
    index = index_graph(graph)
    for node in [one for one in graph.node if one.op_type == "InstanceNormalization"]:
        last, given = node, dict[int, str]()
        for place, neutral, kind in ((1, 1.0, "Mul"), (2, 0.0, "Add")):
            held, reader = index.constant(node, place), index.only_consumer(last.output[0])
            if held is None or reader is None or reader.op_type != kind or np.any(held != neutral):
                continue
            other = next(way[1] for way in _ways(reader) if way[0] == last.output[0])
            if _is_per_channel(shapes.get(other, ()), held.size):
                given[place], last = other, reader
        if given:
            _absorb(graph, index, node, last, given)
            yield str(node.output[0]), str(last.output[0])


def _is_per_channel(shape: tuple[int, ...], channels: int) -> bool:
    return len(shape) in (3, 4) and shape[-3] == channels == math.prod(shape)


def _absorb(
    graph: onnx.GraphProto,
    index: GraphIndex,
    node: onnx.NodeProto,
    last: onnx.NodeProto,
    given: Mapping[int, str],
) -> None:
    result, inputs, nodes = str(last.output[0]), list(node.input), []
    for place, name in given.items():
        stem, held = f"{result}_input_{place}", index.constants.get(name)
        if held is not None:
            inputs[place] = add_constant(graph, stem, held.ravel())
            continue
        sides = add_constant(graph, f"{stem}_sides", np.array([-1], np.int64))
        nodes.append(helper.make_node("Reshape", [name, sides], [stem]))
        inputs[place] = stem
    made = helper.make_node("InstanceNormalization", inputs, [result])
    made.attribute.extend(node.attribute)
    replace_node(graph, last, [*nodes, made])
