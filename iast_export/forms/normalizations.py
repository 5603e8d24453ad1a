"""Instance normalization written out in arithmetic, as one InstanceNormalization.

One pass of a kernel instead of up to eight over the picture, gain and offset included; and what
reads it alone may be equalized (`quantize.equalize.norms`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from iast_export.formats.onnx_graph import GraphIndex, index_graph, prune
from iast_export.forms.edit import Rewritten, add_constant, copy_model, replace_node

Shapes = Mapping[str, tuple[int, ...]]
"""Of tensors; 0: a side of any size."""
_MOVES = ("AveragePool", "Concat", "DepthToSpace", "MaxPool", "Pad", "Resize", "Slice")
_PASSES = frozenset([*_MOVES, "Add", "Clip", "Div", "LeakyRelu", "Mul", "Relu", "Sub"])
_RESHAPES = ("Expand", "Reshape", "Squeeze", "Unsqueeze")


@dataclass(frozen=True)
class _Normalized:
    """(x - mean) / sqrt(variance + epsilon), times `scale` where that was part of the division.

    Attributes:
        count: how many values a channel has, where the variance is divided by one less.
    """

    x: str
    epsilon: float
    count: str = ""
    scale: str = ""


def fuse_normalization(model: onnx.ModelProto, corrected: bool = False) -> Rewritten:
    """A copy in which instance normalization in arithmetic is InstanceNormalization, with the gain
    and the offset behind it.

    The variance may be the mean of squares about the mean or the difference of two means. The
    operator takes scale and shift as inputs [C], so it serves one picture at a time: tensors of
    another batch stay.

    Args:
        model: an FP32 graph.
        corrected: those alone whose variance is the operator's times n / (n - 1), as PyTorch's
            `var` is by default for n values; else the others alone. Their gain is times
            sqrt((n - 1) / n), with n from the picture's shape. What is added to the variance is
            larger by one part in n, which the result of a channel of variance v shows as epsilon /
            (2 n v): nothing, but for channels that are nearly flat in small pictures.
    """
    copy, shapes, places = copy_model(model), _shapes(model), []
    deviations = set[str]()
    matcher = _Matcher(index_graph(copy.graph), shapes)
    for node in [one for one in copy.graph.node if one.op_type in ("Div", "Mul")]:
        found = matcher.match(node)
        asked = found is not None and bool(found.count) == corrected
        if found is not None and asked and _channels(shapes.get(found.x, ())):
            places.append(_write(copy.graph, node, found, shapes))
            deviations.add(_deviation(places[-1]))
    prune(copy.graph)
    absorbed = dict(_absorb_all(copy.graph, shapes, deviations))
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
            found = self._epsilon(biased, x)
            if found is not None and not self._is_sum(x):
                return _Normalized(x, *found, scale)
        return None

    def _is_sum(self, x: str) -> bool:
        """Whether a picture is of several: a sum, or what passes pixels of one on.

        Factors of all that is in it pass through arithmetic exactly, epsilon included
        (`quantize.equalize.channels`). They don't pass through the operator, whose epsilon is one
        number, and before which only what a single convolution gives is equalized.
        """
        node = self.index.producer(x)
        while node is not None and node.op_type in _PASSES:
            pictures = [name for name in node.input if self._is_picture(name)]
            if len(pictures) > 1:
                return True
            node = self.index.producer(pictures[0]) if pictures else None
        return False

    def _is_picture(self, name: str) -> bool:
        """Whether a tensor has more than a value per channel."""
        shape = self.shapes.get(name, ())
        return len(shape) == 4 and tuple(shape[2:]) != (1, 1)

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

    def _epsilon(self, biased: str, x: str) -> tuple[float, str] | None:
        """What is added to the variance of `x` in `biased`, and the count that it was corrected by.

        None where it is another's.
        """
        node = self._behind(biased)
        for variance, held in _ways(node) if node is not None and node.op_type == "Add" else ():
            epsilon = self.index.constants.get(held)
            if epsilon is None or epsilon.size != 1:
                continue
            own, count = self._uncorrected(variance, x)
            if self._is_variance(own, x):
                return float(epsilon.ravel()[0]), count
        return None

    def _uncorrected(self, name: str, x: str) -> tuple[str, str]:
        """The mean that `name` is times n / (n - 1), and n; `name` and "" where it is not."""
        node = self._behind(name)
        if node is None or node.op_type != "Div":
            return name, ""
        product = self.index.producer(node.input[0], "Mul")
        less = self.index.producer(node.input[1], "Sub")
        one = self.index.constant(less, 1) if less is not None else None
        if product is None or less is None or one is None or not np.all(one == 1):
            return name, ""
        count = str(less.input[0])
        mean = next((own for own, other in _ways(product) if other == count), "")
        return (mean, count) if mean and self._counts(count, x) else (name, "")

    def _counts(self, name: str, x: str) -> bool:
        """Whether `name` is how many values a channel of `x` has."""
        cast = self.index.producer(name, "Cast")
        product = self.index.producer(cast.input[0], "ReduceProd") if cast is not None else None
        taken = self.index.producer(product.input[0], "Gather") if product is not None else None
        sides = self.index.producer(taken.input[0], "Shape") if taken is not None else None
        axes = self.index.constant(taken, 1) if taken is not None else None
        if sides is None or axes is None or self._flat(sides.input[0]) != x:
            return False
        rank = len(self.shapes.get(sides.input[0], ()))
        return sorted(int(axis) % max(rank, 1) for axis in axes.ravel()) == [*range(2, rank)]

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
    result = str(stem if found.scale else node.output[0])
    nodes = []
    if found.count:
        one = add_constant(graph, f"{stem}_one", np.array(1, np.float32))
        nodes = [
            helper.make_node("Sub", [found.count, one], [f"{stem}_free"]),
            helper.make_node("Div", [f"{stem}_free", found.count], [f"{stem}_share"]),
            helper.make_node("Sqrt", [f"{stem}_share"], [f"{stem}_root"]),
            helper.make_node("Mul", [neutral[0], f"{stem}_root"], [_deviation(result)]),
        ]
        neutral[0] = _deviation(result)
    nodes.append(
        helper.make_node(
            "InstanceNormalization", [found.x, *neutral], [result], epsilon=found.epsilon
        )
    )
    if found.scale:
        nodes.append(helper.make_node("Mul", [result, found.scale], [node.output[0]]))
    replace_node(graph, node, nodes)
    return result


def _deviation(result: str) -> str:
    """The scale [C] that makes a normalization one by the deviation of n - 1."""
    return f"{result}_deviation"


def _absorb_all(
    graph: onnx.GraphProto, shapes: Shapes, deviations: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Lets normalizations take up gains and offsets behind them, in place.

    Args:
        deviations: scales that a gain may be multiplied with.

    Yields:
        The results of one before and after.
    """
    index = index_graph(graph)
    for node in [one for one in graph.node if one.op_type == "InstanceNormalization"]:
        last, given = node, dict[int, str]()
        for place, neutral, kind in ((1, 1.0, "Mul"), (2, 0.0, "Add")):
            held, reader = index.constant(node, place), index.only_consumer(last.output[0])
            is_free = node.input[place] in deviations or (
                held is not None and not np.any(held != neutral)
            )
            if reader is None or reader.op_type != kind or not is_free:
                continue
            other = next(way[1] for way in _ways(reader) if way[0] == last.output[0])
            channels = _channels(shapes.get(node.input[0], ())) if held is None else held.size
            if _is_per_channel(shapes.get(other, ()), channels):
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
            flat = add_constant(graph, stem, held.ravel())
        else:
            sides = add_constant(graph, f"{stem}_sides", np.array([-1], np.int64))
            nodes.append(helper.make_node("Reshape", [name, sides], [stem]))
            flat = stem
        if inputs[place] not in index.constants:
            nodes.append(helper.make_node("Mul", [flat, inputs[place]], [f"{stem}_deviated"]))
            flat = f"{stem}_deviated"
        inputs[place] = flat
    made = helper.make_node("InstanceNormalization", inputs, [result])
    made.attribute.extend(node.attribute)
    replace_node(graph, last, [*nodes, made])
