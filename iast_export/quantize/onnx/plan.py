"""Which operators of an ONNX graph compute in integers, and which tensors that quantizes.

Dense convolutions decide, and grouped ones that are written as dense; depthwise ones between them
follow. Around them, operators that only move values (pad, slice, pixel shuffle) work on the
integers as
they are: they share scale and zero point with the tensor that they move, their *root*, so nothing
is quantized twice. A concatenation of several is a root itself: what leads to it alone is quantized
at its scale. ReLU and clip fold into the range of the tensor before them. Everything else stays in
float on
purpose: an *island*, whole.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from iast_export.formats.onnx_graph import Array, GraphIndex, attribute, index_graph
from iast_export.forms.edit import conv_weight
from iast_export.forms.grouped import pays_in_onnx
from iast_export.specs import CONTENT

MOVEMENTS = frozenset(
    [
        "Concat",
        "DepthToSpace",
        "Flatten",
        "MaxPool",
        "Pad",
        "Reshape",
        "Resize",
        "Slice",
        "SpaceToDepth",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    ]
)
CLAMPS = ("Relu", "Clip")
SWISH_ZERO = -3.0  # what lies below gives zero in a hard swish, and needs no levels
# Outputs of a 1x1 convolution from which it is quantized: heads of fewer are rows in float
# (DESIGN.md 23).
SMALLEST_HEAD = 4


@dataclass(frozen=True)
class Root:
    """A tensor that is quantized: where its range comes from and what bounds it.

    Attributes:
        range_name: the tensor of the FP32 file with the same values.
        low, high: bounds that a clamp sets; None: unbounded.
        exact: the bounds are the range, whatever was measured.
    """

    range_name: str
    low: float | None = None
    high: float | None = None
    exact: bool = False


@dataclass(frozen=True)
class Plan:
    """The decisions over one graph.

    Attributes:
        index: of the graph, clamps already moved.
        roots: quantized tensors.
        root_of: for each tensor in integers, the root whose scale it has; a root may have
            another's.
        integers: first output of each operator that computes in integers, folded clamps included.
    """

    index: GraphIndex
    roots: dict[str, Root]
    root_of: dict[str, str]
    integers: frozenset[str]

    def is_integer(self, node: onnx.NodeProto) -> bool:
        """Whether an operator computes in integers."""
        return node.output[0] in self.integers


def moved_inputs(node: onnx.NodeProto) -> list[str]:
    """The inputs whose values a movement passes on."""
    return list(node.input) if node.op_type == "Concat" else [node.input[0]]


def is_movement(node: onnx.NodeProto | None) -> bool:
    """Whether an operator only moves values, in a mode that exists for integers."""
    if node is None or node.op_type not in MOVEMENTS:
        return False
    if node.op_type == "Pad":
        return str(attribute(node, "mode", "constant")) in ("reflect", "edge")
    if node.op_type == "Resize":
        return str(attribute(node, "mode", "nearest")) == "nearest"
    return True


def is_integer_convolution(index: GraphIndex, node: onnx.NodeProto) -> bool:
    """Dense 2-D convolutions with constant weights, heads of a few 1x1 channels excluded.

    Grouped ones are among them where the quantizer writes them as dense (`grouped.dense_groups`).
    """
    weight, groups = conv_weight(index, node), int(attribute(node, "group", 1))
    if weight is None or (groups > 1 and not pays_in_onnx(weight.shape, groups)):
        return False
    channels, _, height, width = weight.shape
    return bool(channels >= SMALLEST_HEAD or height * width > 1)


def is_depthwise(index: GraphIndex, node: onnx.NodeProto) -> bool:
    """One filter per channel, with constant weights.

    Alone it is no faster in INT8 than in float; among integer convolutions it spares two
    conversions and two changes of layout, which cost more than itself. With a multiplier it is far
    slower.
    """
    weight = conv_weight(index, node)
    return weight is not None and len(weight) > 1 and attribute(node, "group", 1) == len(weight)


def clamp_bounds(index: GraphIndex, node: onnx.NodeProto) -> tuple[float | None, float | None]:
    """What a ReLU or a clip bounds values to."""
    if node.op_type == "Relu":
        return 0.0, None
    low, high = index.constant(node, 1), index.constant(node, 2)
    return _scalar(low), _scalar(high)


def _scalar(value: Array | None) -> float | None:
    return None if value is None else float(np.ravel(value)[0])


def pull_clamps(graph: onnx.GraphProto) -> dict[str, str]:
    """Moves each clamp that follows movements of a convolution or sum to before them, in place.

    Clamping and moving commute, and before the movement the clamp folds into the quantization.

    Returns:
        For each tensor that is new, the tensor of the old graph that holds the same values.
    """
    same_values: dict[str, str] = {}
    for node in [node for node in graph.node if node.op_type in CLAMPS]:
        index = index_graph(graph)
        chain = list(_movements_before(index, node.input[0]))
        start = chain[-1].input[0] if chain else ""
        if index.producer(start, "Conv", "Add") is None or index.only_consumer(start) is None:
            continue
        clamped, result, first = f"{start}_clamped", node.output[0], chain[-1].output[0]
        same_values[clamped] = result
        rest = [item for item in graph.node if item.output[0] != result]
        for position, item in enumerate(rest):
            if item.output[0] == first:
                item.input[0] = clamped
                rest.insert(position, _with_edges(node, start, clamped))
                break
        for item in rest:
            if item.output[0] == chain[0].output[0]:
                item.output[0] = result
        _set_nodes(graph, rest)
    return same_values


def _movements_before(index: GraphIndex, name: str) -> Iterator[onnx.NodeProto]:
    """Single-input movements that end in a tensor, last first, each read by nothing else."""
    node = index.producer(name)
    while node is not None and is_movement(node) and node.op_type != "Concat":
        if index.only_consumer(node.output[0]) is None:
            return
        yield node
        node = index.producer(node.input[0])


def _with_edges(node: onnx.NodeProto, source: str, result: str) -> onnx.NodeProto:
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[0], copy.output[0], copy.name = source, result, result
    return copy


def _set_nodes(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    copies = [
        _with_edges(node, node.input[0], node.output[0]) if node.input else node for node in nodes
    ]
    del graph.node[:]
    graph.node.extend(copies)


class _Planner:
    """Builds a `Plan`: convolutions first, then what they read, then sums among integers."""

    def __init__(
        self, graph: onnx.GraphProto, same_values: dict[str, str], in_float: frozenset[str]
    ) -> None:
        self.graph = graph
        self.same_values = same_values
        self.in_float = in_float
        self.index = index_graph(graph)
        self.inputs = {item.name for item in graph.input}
        self.roots: dict[str, Root] = {}
        self.integers: set[str] = set()
        self.root_of: dict[str, str] = {}

    def plan(self) -> Plan:
        convolutions = [
            node
            for node in self.graph.node
            if is_integer_convolution(self.index, node) and node.output[0] not in self.in_float
        ]
        convolutions += self._joined_depthwise(convolutions)
        for node in convolutions:
            self._emit(node)
        for node in convolutions:
            self._demand(node.input[0])
        for node in self.graph.node:
            if self._is_integer_swish(node):
                self._emit(node)
                self._demand(node.input[0])
        sums = self._sums()
        for node in sums:
            self._emit(node)
            for name in node.input:
                self._demand(name)
        self._spread()
        return Plan(self.index, self.roots, self.root_of, frozenset(self.integers))

    def _joined_depthwise(self, dense: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
        """Depthwise convolutions that only integer convolutions read, through clamps and
        movements."""
        chosen = {node.output[0] for node in dense}
        found: list[onnx.NodeProto] = []
        for node in reversed(self.graph.node):
            if node.output[0] in self.in_float or not is_depthwise(self.index, node):
                continue
            if self._only_leads_to(self._result(node), chosen):
                chosen.add(node.output[0])
                found.append(node)
        return found

    def _only_leads_to(self, name: str, chosen: Collection[str]) -> bool:
        """Whether all that reads a tensor, through movements, is chosen; and something does."""
        readers = self.index.consumers.get(name, [])
        if name in self.index.outputs or not readers:
            return False
        return all(
            item.output[0] in chosen
            or item.op_type == "Shape"
            or (is_movement(item) and self._only_leads_to(item.output[0], chosen))
            for item in readers
        )

    def _find_root(self, name: str) -> str:
        node = self.index.producer(name)
        if node is None or not is_movement(node) or not moved_inputs(node)[0]:
            return name
        found = sorted({self._find_root(source) for source in moved_inputs(node)})
        return found[0] if len(found) == 1 else name

    def _result(self, node: onnx.NodeProto) -> str:
        """The output of a node, or of the clamp that alone reads it."""
        reader = self.index.only_consumer(node.output[0])
        return str((reader if reader is not None and reader.op_type in CLAMPS else node).output[0])

    def _emit(self, node: onnx.NodeProto) -> None:
        """Takes an operator into the integers; its (clamped) result becomes a root."""
        result = self._result(node)
        self.integers.update((node.output[0], result))
        self._add_root(result)

    def _add_root(self, name: str) -> None:
        if name in self.roots:
            return
        source = self.same_values.get(name, name)
        low, high = self._bounds(name)
        reader = self.index.only_consumer(name)
        if reader is not None and reader.op_type == "HardSwish":
            low = SWISH_ZERO if low is None else max(low, SWISH_ZERO)
        exact = source in self.index.outputs and low is not None and high is not None
        if name == CONTENT and name in self.inputs:
            low, high, exact = 0.0, 1.0, True
        self.roots[name] = Root(source, low, high, exact)
        self.root_of[name] = name

    def _bounds(self, name: str) -> tuple[float | None, float | None]:
        """What a clamp bounds a root to, or all the clamps before a concatenation."""
        node = self.index.producer(name, "Concat", *CLAMPS)
        if node is None:
            return None, None
        if node.op_type != "Concat":
            return clamp_bounds(self.index, node)
        found = [self._bounds(self._find_root(source)) for source in node.input]
        lows = [low for low, _ in found if low is not None]
        highs = [high for _, high in found if high is not None]
        return (
            min(lows) if len(lows) == len(found) else None,
            max(highs) if len(highs) == len(found) else None,
        )

    def _demand(self, name: str) -> None:
        """Makes a tensor available in integers, through movements, from its root."""
        root = self._find_root(name)
        known = root in self.roots
        self._add_root(root)
        self._mark(name, root, root)
        node = self.index.producer(root, "Concat")
        if node is not None and not known and self._only_leads_to(root, self.integers):
            self._join(node, root)

    def _mark(self, name: str, start: str, root: str) -> None:
        """Puts what moves the values of `start`, up to `name`, into the integers of a root."""
        self.root_of[name] = root
        if name == start:
            return
        node = self.index.producers[name]
        self.integers.add(node.output[0])
        for source in moved_inputs(node):
            self._mark(source, start, root)

    def _join(self, node: onnx.NodeProto, root: str) -> None:
        """Joins integers: results that lead here alone are made at the root's scale, others
        requantized."""
        result, shared = node.output[0], self.roots[root]
        self.integers.add(result)
        for name in node.input:
            start = self._find_root(name)
            inner = self.index.producer(start, "Concat")
            if start not in self.integers and inner is None:
                continue  # made in float, and quantized for this alone
            fits = self._bounds(start) == (shared.low, shared.high)
            if not fits or not self._only_leads_to(start, {result}):
                self._demand(name)
                continue
            self._mark(name, start, root)
            if inner is not None:
                self._join(inner, root)

    def _is_integer_swish(self, node: onnx.NodeProto) -> bool:
        """A hard swish between integers.

        A sum and a product there cost a quarter of an island in float.
        """
        if node.op_type != "HardSwish" or self._find_root(node.input[0]) not in self.integers:
            return False
        readers = self.index.consumers.get(node.output[0], [])
        to_integers = node.output[0] in self.root_of and node.output[0] not in self.index.outputs
        return to_integers and all(reader.output[0] in self.integers for reader in readers)

    def _sums(self) -> list[onnx.NodeProto]:
        """Sums with a ReLU of which both sides come from, and the result goes to, integers.

        A residual sum without ReLU stays in float: measured as fast, and 5 dB closer.
        """
        chosen = {
            node.output[0]: node
            for node in self.graph.node
            if node.op_type == "Add"
            and self._result(node) != node.output[0]
            and node.output[0] not in self.in_float
        }
        while True:
            dropped = [
                name for name, node in chosen.items() if not self._is_integer_sum(node, chosen)
            ]
            if not dropped:
                return list(chosen.values())
            for name in dropped:
                del chosen[name]

    def _is_integer_sum(self, node: onnx.NodeProto, chosen: dict[str, onnx.NodeProto]) -> bool:
        made = self.integers | {self._result(other) for other in chosen.values()}
        from_integers = all(self._find_root(name) in made for name in node.input)
        result = self._result(node)
        readers = self.index.consumers.get(result, [])
        to_integers = all(item.output[0] in self.integers | set(chosen) for item in readers)
        return from_integers and bool(readers) and to_integers and len(set(node.input)) == 2

    def _spread(self) -> None:
        """Lets movements after integers, up to the next float operator, work on integers too.

        A reshape that moves nothing gains nothing by it, and its readers would dequantize once
        more.
        """
        for node in self.graph.node:
            if self._only_floats_read(node):
                continue
            sources = moved_inputs(node) if is_movement(node) else []
            if not sources or node.output[0] in self.root_of:
                continue
            found = {self.root_of.get(name, "") for name in sources}
            root = found.pop() if len(found) == 1 else ""
            if root in self.integers:
                self.root_of[node.output[0]] = root
                self.integers.add(node.output[0])

    def _only_floats_read(self, node: onnx.NodeProto) -> bool:
        """Whether a node is a reshape whose source float operators read as well, and all its
        readers too."""
        if node.op_type not in ("Flatten", "Reshape") or self.index.producer(node.input[0]) is None:
            return False
        readers = self.index.consumers.get(node.output[0], [])
        return bool(readers) and all(
            not is_movement(item) and item.op_type not in ("Conv", "Add") for item in readers
        )


def make_plan(graph: onnx.GraphProto, in_float: Collection[str] = ()) -> Plan:
    """Decides over a graph; clamps are moved in place.

    Args:
        graph: of an FP32 file.
        in_float: names of operator groups (`onnx_groups`) to leave in float all the same. A sum
            that no longer lies among integers follows by itself.
    """
    return _Planner(graph, pull_clamps(graph), frozenset(in_float)).plan()
