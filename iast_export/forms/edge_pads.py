"""Reflections and repetitions of edges by slices and concatenations, as Pad operators.

Networks reflect by hand where an operator is missing or slow elsewhere, as for LiteRT. ONNX Runtime
pads in one pass, in float and in integers, and a quantized graph has one operator to move instead
of many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from iast_export.formats.onnx_graph import GraphIndex, attribute
from iast_export.forms.edit import Rewritten, add_constant, replace_node, rewrite_each

# A slice to the end: beyond any side.
_END = 2**31


@dataclass(frozen=True)
class _Pad:
    """Pixels of `source` that stand before and after it along an axis."""

    source: str
    mode: str
    axis: int
    before: int
    after: int


def fold_edge_pads(model: onnx.ModelProto) -> Rewritten:
    """A copy in which edges joined to a picture's height, width or both are one Pad each."""

    def build(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        outer = _match(index, node)
        middle = index.producer(outer.source) if outer is not None else None
        if outer is None:
            return False
        inner = _match(index, middle) if middle is not None and middle.op_type == "Concat" else None
        if inner is not None and (inner.axis != 5 - outer.axis or inner.mode != outer.mode):
            inner = None
        pads = np.zeros(8, np.int64)
        for pad in (outer, inner):
            if pad is not None:
                pads[[pad.axis, pad.axis + 4]] = pad.before, pad.after
        if inner is None and _goes_on(index, node, outer):
            return False
        constant = add_constant(graph, "edge_pads", pads)
        source = (inner or outer).source
        made = helper.make_node("Pad", [source, constant], [node.output[0]], mode=outer.mode)
        replace_node(graph, node, [made])
        return True

    return rewrite_each(model, "Concat", build)


def _goes_on(index: GraphIndex, node: onnx.NodeProto, pad: _Pad) -> bool:
    """Whether a pad's result is padded alike along the other axis, which takes both at once."""
    for reader in index.consumers.get(node.output[0], []):
        following = _match(index, reader) if reader.op_type == "Concat" else None
        if following is not None and following.source == node.output[0]:
            return following.axis == 5 - pad.axis and following.mode == pad.mode
    return False


def _match(index: GraphIndex, node: onnx.NodeProto) -> _Pad | None:
    """The pad along height or width that a concatenation computes."""
    axis = int(attribute(node, "axis", 0))
    if axis not in (2, 3):
        return None
    for place, source in enumerate(node.input):
        if list(node.input).count(source) != 1:
            continue
        heads = [_positions(index, name, source, axis) for name in node.input[:place]]
        tails = [_positions(index, name, source, axis) for name in node.input[place + 1 :]]
        if not heads + tails or any(part is None for part in heads + tails):
            continue
        before = [row for part in heads for row in part or []]
        after = [row for part in tails for row in part or []]
        mode = _mode(before, after)
        if mode:
            return _Pad(source, mode, axis, len(before), len(after))
    return None


def _mode(before: list[int], after: list[int]) -> str:
    """How rows repeat those at the edges; empty where they don't.

    Negative rows count from the end.
    """
    if before == list(range(len(before), 0, -1)) and after == list(range(-2, -2 - len(after), -1)):
        return "reflect"
    return "edge" if set(before) <= {0} and set(after) <= {-1} else ""


def _positions(index: GraphIndex, name: str, source: str, axis: int) -> list[int] | None:
    """Which rows of `source` a slice of it, or of such a slice, holds, in order; None: unknown."""
    node = index.producer(name, "Slice")
    bounds = _slice_bounds(index, node, axis) if node is not None else None
    if node is None or bounds is None:
        return None
    start, end, step = bounds
    if node.input[0] != source:
        inner = _positions(index, node.input[0], source, axis)
        return None if inner is None else inner[_python_slice(start, end, step)]
    if step != 1:
        return None
    if start < 0 and end >= _END:
        return list(range(start, 0))
    return list(range(start, end)) if (start < 0) == (end < 0) and abs(end) < _END else None


def _python_slice(start: int, end: int, step: int) -> slice:
    """The slice of a list that is as the operator's: bounds beyond the list mean its ends."""
    first = None if abs(start) >= _END else start
    return slice(first, None if abs(end) >= _END else end, step)


def _slice_bounds(
    index: GraphIndex, node: onnx.NodeProto, axis: int
) -> tuple[int, int, int] | None:
    """Start, end and step of a slice along this axis alone."""
    values = [index.constant(node, position) for position in range(1, 5)]
    starts, ends, axes, steps = values
    if (
        starts is None
        or ends is None
        or axes is None
        or starts.size != 1
        or int(axes.ravel()[0]) != axis
    ):
        return None
    if len(node.input) > 4 and steps is None:
        return None
    step = 1 if steps is None else int(steps.ravel()[0])
    return int(starts.ravel()[0]), int(ends.ravel()[0]), step
