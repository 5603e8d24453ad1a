"""A 3x3 convolution behind a picture of twice the sides: what is matched of it, however resized."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import onnx

from iast_export.formats.onnx_graph import Array, GraphIndex, attribute
from iast_export.forms.edit import conv_weight, plain_strides

EDGES_OF_ONE = [0, 0, 1, 1, 0, 0, 1, 1]
"""Pads of one pixel on all four sides."""
Edges = Literal["edge", "reflect", "zeros"]
_EDGES: dict[str, Edges] = {"edge": "edge", "reflect": "reflect", "constant": "zeros"}


@dataclass(frozen=True)
class Doubled:
    """What a convolution reads.

    Attributes:
        resize: that nothing else reads the result of.
        edges: what stands around it, one pixel wide.
        weight: of the convolution, [O, I, 3, 3].
    """

    resize: onnx.NodeProto
    edges: Edges
    weight: Array


def match_doubled(
    index: GraphIndex,
    conv: onnx.NodeProto,
    doubles: Callable[[onnx.NodeProto], bool],
) -> Doubled | None:
    """What a dense 3x3 of stride 1 reads, where that is a resize, with edges of 1.

    Args:
        doubles: whether a resize by two, which its scales are already, is the one looked for.
    """
    weight = conv_weight(index, conv)
    if weight is None or weight.shape[2:] != (3, 3):
        return None
    if not plain_strides(conv) or attribute(conv, "group", 1) != 1:
        return None
    border, pad = list(attribute(conv, "pads", [0] * 4)), index.producer(conv.input[0], "Pad")
    edges: Edges | None = "zeros" if border == [1] * 4 else None
    read = [conv.input[0]]
    if pad is not None and border == [0] * 4:
        edges, read = _edges_of_one(index, pad), [conv.input[0], pad.input[0]]
    resize = index.producer(read[-1], "Resize")
    alone = all(index.only_consumer(name) is not None for name in read)
    if edges is None or resize is None or not alone or not _is_x2(index, resize):
        return None
    return Doubled(resize, edges, weight) if doubles(resize) else None


def _edges_of_one(index: GraphIndex, pad: onnx.NodeProto) -> Edges | None:
    pads = index.constant(pad, 1)
    fits = pads is not None and pads.tolist() == EDGES_OF_ONE and not any(pad.input[2:])
    return _EDGES.get(attribute(pad, "mode", "constant")) if fits else None


def _is_x2(index: GraphIndex, resize: onnx.NodeProto) -> bool:
    scales = index.constant(resize, 2)
    return scales is not None and scales.tolist() == [1.0, 1.0, 2.0, 2.0]
