"""Batch normalization, and scales and shifts per channel, as part of the convolution beside them.

The exporter folds what directly follows a convolution that nothing else reads. Folded here as well:
where a shape is taken of the convolution's result, constants that multiply and add (a picture's
normalization), and what precedes a convolution. What stays is an operator in float, and between
integers two conversions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from iast_export.formats.onnx_graph import Array, GraphIndex, attribute
from iast_export.forms.edit import (
    Rewritten,
    add_constant,
    conv_bias,
    conv_weight,
    remove_node,
    replace_node,
    rewrite_each,
)

_KINDS = ("Add", "BatchNormalization", "Div", "Mul", "Sub")


@dataclass(frozen=True)
class _Affine:
    """scale * x + shift; both float64, of one value or of one per channel."""

    x: str
    scale: Array
    shift: Array


def fold_affine(model: onnx.ModelProto) -> Rewritten:
    """A copy in which convolutions take up the scales and shifts before and after them.

    Where a convolution pads with zeros, only a scale can move through it from before.
    """

    def build(graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto) -> bool:
        found = _match(index, node)
        if found is None:
            return False
        return _fold_back(graph, index, node, found) or _fold_ahead(graph, index, node, found)

    made = rewrite_each(model, _KINDS, build)
    while (again := rewrite_each(made.model, _KINDS, build)).places:
        made = Rewritten(again.model, made.places + again.places)
    return made


def _match(index: GraphIndex, node: onnx.NodeProto) -> _Affine | None:
    if node.op_type == "BatchNormalization":
        return _batch_norm(index, node)
    for place in (0, 1):
        value = index.constant(node, place)
        if (
            value is None
            or not _is_per_channel(value)
            or index.constant(node, 1 - place) is not None
        ):
            continue
        c, x = value.ravel().astype(np.float64), node.input[1 - place]
        one, none = np.ones(1), np.zeros(1)
        if node.op_type == "Mul":
            return _Affine(x, c, none)
        if node.op_type == "Add":
            return _Affine(x, one, c)
        if node.op_type == "Sub":
            return _Affine(x, one, -c) if place == 1 else _Affine(x, -one, c)
        if place == 1 and np.all(c != 0):
            return _Affine(x, 1.0 / c, none)
    return None


def _is_per_channel(value: Array) -> bool:
    """One value, or one per channel of [N, C, H, W]."""
    per_channel = (
        value.ndim in (3, 4) and value.shape[-2:] == (1, 1) and value.size == value.shape[-3]
    )
    return value.dtype == np.float32 and (per_channel or (value.size == 1 and value.ndim <= 4))


def _batch_norm(index: GraphIndex, node: onnx.NodeProto) -> _Affine | None:
    given = [index.constant(node, position) for position in range(1, 5)]
    if any(value is None for value in given) or len(node.output) != 1:
        return None
    gain, offset, mean, variance = (np.asarray(value, np.float64) for value in given)
    scale = gain / np.sqrt(variance + float(attribute(node, "epsilon", 1e-5)))
    return _Affine(node.input[0], scale, offset - mean * scale)


def _fold_back(
    graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto, found: _Affine
) -> bool:
    """Into the convolution before, where nothing else reads its values."""
    conv = index.producer(found.x, "Conv")
    weight = conv_weight(index, conv)
    readers = [one for one in index.consumers.get(found.x, []) if one.op_type != "Shape"]
    if conv is None or weight is None or len(readers) != 1 or found.x in index.outputs:
        return False
    if found.scale.size not in (1, len(weight)) or found.shift.size not in (1, len(weight)):
        return False
    scale = np.broadcast_to(found.scale, len(weight))
    bias = conv_bias(index, conv).astype(np.float64) * scale + found.shift
    made = _changed(graph, conv, weight.astype(np.float64) * scale[:, None, None, None], bias)
    made.output[0] = node.output[0]
    remove_node(graph, node, node.output[0])
    replace_node(graph, conv, [made])
    for other in graph.node:
        other.input[:] = [made.output[0] if name == found.x else name for name in other.input]
    return True


def _fold_ahead(
    graph: onnx.GraphProto, index: GraphIndex, node: onnx.NodeProto, found: _Affine
) -> bool:
    """Into the one convolution after, through edges that repeat values."""
    chain = list(_readers(index, node))
    conv = chain[-1] if chain else None
    weight = conv_weight(index, conv)
    if conv is None or weight is None:
        return False
    groups = int(attribute(conv, "group", 1))
    channels = weight.shape[1] * groups
    if found.scale.size not in (1, channels) or found.shift.size not in (1, channels):
        return False
    auto_pad = attribute(conv, "auto_pad", "NOTSET")
    padded = any(attribute(conv, "pads", [0])) or auto_pad not in ("NOTSET", "VALID")
    if np.any(found.shift != 0) and padded:
        return False
    outputs = len(weight) // groups
    inputs = [np.broadcast_to(v, channels).reshape(groups, -1) for v in (found.scale, found.shift)]
    scale, shift = (v.repeat(outputs, axis=0)[:, :, None, None] for v in inputs)
    exact = weight.astype(np.float64)
    bias = conv_bias(index, conv) + (exact * shift).sum((1, 2, 3))
    replace_node(graph, conv, [_changed(graph, conv, exact * scale, bias)])
    remove_node(graph, node, found.x)
    return True


def _readers(index: GraphIndex, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """The readers of a tensor, one after the other, up to a convolution that alone is reached."""
    reader = index.only_consumer(node.output[0])
    while reader is not None and reader.input[0] == node.output[0]:
        yield reader
        repeats = reader.op_type == "Pad" and attribute(reader, "mode", "constant") in (
            "reflect",
            "edge",
        )
        if not repeats:
            return
        node, reader = reader, index.only_consumer(reader.output[0])


def _changed(
    graph: onnx.GraphProto, conv: onnx.NodeProto, weight: Array, bias: Array
) -> onnx.NodeProto:
    """The convolution with other constants."""
    made = onnx.NodeProto()
    made.CopyFrom(conv)
    names = [
        add_constant(graph, f"{conv.input[1]}_folded", weight.astype(np.float32)),
        add_constant(graph, f"{conv.input[1]}_folded_bias", bias.astype(np.float32)),
    ]
    made.input[:] = [conv.input[0], *names]
    return made
