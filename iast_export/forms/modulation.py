"""Gains and offsets of channels that a style sets behind a convolution: for integers.

Feature-wise linear modulation (Perez et al., "FiLM", AAAI 2018) of what a convolution makes needs
three passes over floats between two conversions, and channels moved first and last again around
them. But a gain of an output channel is a factor on that channel's filter, which in integers lies
in its scale: it costs nothing there. An offset is the sum with a row of the picture's width, which
the integer kernel adds in long runs; a single value a channel would be ten times as slow. Float
gains nothing: a filter that is computed can't be packed beforehand.

Behind a rectifier a gain moves into the filter where it is sure not to be negative.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import onnx
from onnx import helper

from iast_export.formats.onnx_graph import Array, GraphIndex, attribute, index_graph, prune
from iast_export.forms.edit import (
    add_constant,
    conv_weight,
    copy_model,
    replace_node,
    unused_name,
    with_edges,
)

_NEVER_NEGATIVE = ("Abs", "Exp", "HardSigmoid", "Relu", "Sigmoid", "Softmax", "Softplus", "Sqrt")
_MOVES = ("Expand", "Flatten", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
_FIRST_OPSET = 15  # whose Shape gives one side alone


@dataclass(frozen=True)
class Modulated:
    """A copy of a model with gains in filters and offsets along rows.

    Attributes:
        model: the copy.
        results: for the first output of each such convolution, what the file calls the modulated
            tensor. The copy has it from the convolution, from its rectifier, or from the sum.
        names: of tensors that are new, the one of the given model that holds their values.
    """

    model: onnx.ModelProto
    results: Mapping[str, str]
    names: Mapping[str, str]


@dataclass(frozen=True)
class Gained:
    """A convolution whose filters are multiplied, each by its own gain.

    Attributes:
        weight: [O, I / groups, kH, kW], constant.
        bias: [O], constant; None: there is none.
        gain: the tensor [O] that multiplies both.
    """

    weight: Array
    bias: Array | None
    gain: str


@dataclass(frozen=True)
class _Chain:
    """A convolution, the rectifier behind it, and what multiplies it and is added to it."""

    conv: onnx.NodeProto
    clamp: onnx.NodeProto | None
    product: onnx.NodeProto | None
    sum: onnx.NodeProto | None

    @property
    def last(self) -> onnx.NodeProto:
        """What makes the modulated tensor."""
        return cast(onnx.NodeProto, self.sum or self.product)


def gained(index: GraphIndex, node: onnx.NodeProto) -> Gained | None:
    """A convolution as `fold_modulation` writes it; None: it is another."""
    weight = index.producer(node.input[1], "Mul") if node.op_type == "Conv" else None
    held = index.constant(weight, 0) if weight is not None else None
    spread = index.producer(weight.input[1], "Reshape") if weight is not None else None
    if held is None or held.ndim != 4 or spread is None:
        return None
    bias = index.producer(node.input[2], "Mul") if len(node.input) > 2 else None
    if len(node.input) > 2 and (bias is None or bias.input[1] != spread.input[0]):
        return None
    return Gained(held, None if bias is None else index.constant(bias, 0), spread.input[0])


def weight_of(index: GraphIndex, node: onnx.NodeProto) -> Array | None:
    """The constant filters of a convolution, those included that gains multiply."""
    plain = conv_weight(index, node)
    found = gained(index, node) if plain is None else None
    return plain if found is None else found.weight


def is_row(index: GraphIndex, name: str, beside: str) -> bool:
    """Whether a tensor is a value a channel, repeated for each column of the one beside it."""
    row = index.producer(name, "Expand")
    width = None if row is None else index.producer(row.input[1], "Shape")
    return (
        width is not None
        and width.input[0] == beside
        and (attribute(width, "start", 0), attribute(width, "end", 0)) == (3, 4)
    )


def fold_modulation(model: onnx.ModelProto, wanted: Collection[str]) -> Modulated:
    """A copy with the modulation behind some convolutions in integers' form.

    Args:
        model: an FP32 file.
        wanted: first outputs of the convolutions.
    """
    copy, results, names = copy_model(model), dict[str, str](), dict[str, str]()
    graph, opsets = copy.graph, {item.domain: item.version for item in copy.opset_import}
    if opsets.get("", 0) < _FIRST_OPSET or not _chains(graph, wanted, None):
        return Modulated(copy, results, names)
    shapes = _shapes(model)
    for chain in _chains(graph, wanted, shapes):
        results[chain.conv.output[0]] = chain.last.output[0]
        if chain.sum is not None:
            names.update(_along_rows(graph, chain))
        if chain.product is not None:
            _into_filters(graph, chain)
    prune(graph)
    return Modulated(copy, results, names)


def _chains(
    graph: onnx.GraphProto, wanted: Collection[str], shapes: Mapping[str, Sequence[int]] | None
) -> list[_Chain]:
    """The modulated convolutions; those that look like it where no shapes are given."""
    index = index_graph(graph)
    found = (_chain(index, n, shapes) for n in graph.node if n.output[0] in wanted)
    return [chain for chain in found if chain is not None]


def _chain(
    index: GraphIndex, conv: onnx.NodeProto, shapes: Mapping[str, Sequence[int]] | None
) -> _Chain | None:
    weight = conv_weight(index, conv)
    if weight is None:
        return None
    reader, made, clamp = index.only_consumer(conv.output[0]), conv.output[0], None
    if reader is not None and reader.op_type == "Relu":
        clamp, made = reader, reader.output[0]
        reader = index.only_consumer(made)
    product = _by_channel(index, reader, "Mul", made, len(weight), shapes)
    if product is not None and clamp is not None:
        product = product if _never_negative(index, _other(product, made)) else None
        if product is None:
            return None
    if product is not None:
        made = product.output[0]
        reader = index.only_consumer(made)
    total = _by_channel(index, reader, "Add", made, len(weight), shapes)
    return _Chain(conv, clamp, product, total) if product or total else None


def _by_channel(
    index: GraphIndex,
    node: onnx.NodeProto | None,
    op_type: str,
    made: str,
    channels: int,
    shapes: Mapping[str, Sequence[int]] | None,
) -> onnx.NodeProto | None:
    """The node, if it takes a tensor and one computed value for each of its channels."""
    if node is None or node.op_type != op_type or list(node.input).count(made) != 1:
        return None
    other = _other(node, made)
    if other in index.constants:
        return None
    if shapes is None:
        return node
    fits = list(shapes.get(other, ())) in ([channels, 1, 1], [1, channels, 1, 1])
    return node if fits else None


def _other(node: onnx.NodeProto, name: str) -> str:
    return str(next(one for one in node.input if one != name))


def _never_negative(index: GraphIndex, name: str) -> bool:
    """Whether a tensor has no negative value, whatever is fed."""
    value, maker = index.constants.get(name), index.producer(name)
    if value is not None:
        return bool((value >= 0).all())
    if maker is None:
        return False
    if maker.op_type == "Clip":
        low = index.constant(maker, 1)
        return low is not None and float(low) >= 0
    if maker.op_type in _MOVES:
        return _never_negative(index, maker.input[0])
    if maker.op_type in ("Add", "Mul"):
        return all(_never_negative(index, one) for one in maker.input)
    return maker.op_type in _NEVER_NEGATIVE


def _shapes(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Sides of all tensors; 0 where they are not known."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    items = (*graph.value_info, *graph.input)
    return {i.name: [d.dim_value for d in i.type.tensor_type.shape.dim] for i in items}


def _along_rows(graph: onnx.GraphProto, chain: _Chain) -> Iterator[tuple[str, str]]:
    """Repeats what a sum adds for each column, in place; yields the new name and the old."""
    total = cast(onnx.NodeProto, chain.sum)
    before = chain.product or chain.clamp or chain.conv
    offset = _other(total, before.output[0])
    width, row = (unused_name(graph, f"{total.output[0]}_{key}") for key in ("width", "row"))
    made = [
        helper.make_node("Shape", [before.output[0]], [width], name=width, start=3, end=4),
        helper.make_node("Expand", [offset, width], [row], name=row),
    ]
    summed = with_edges(total, [before.output[0], row], total.output[0])
    replace_node(graph, total, [*made, summed])
    yield row, offset


def _into_filters(graph: onnx.GraphProto, chain: _Chain) -> None:
    """Multiplies filters instead of what they make, in place."""
    conv, clamp, product = chain.conv, chain.clamp, cast(onnx.NodeProto, chain.product)
    result, before = product.output[0], clamp or conv
    weight = next(i for i in graph.initializer if i.name == conv.input[1])
    flat, spread, filters, biases = (
        unused_name(graph, f"{result}_{key}")
        for key in ("gain", "gain_of_filter", "filter", "bias")
    )
    shapes = {flat: [-1], spread: [weight.dims[0], 1, 1, 1]}
    held = {key: add_constant(graph, f"{key}_sides", np.array(s)) for key, s in shapes.items()}
    gain = _other(product, before.output[0])
    made = [
        helper.make_node("Reshape", [gain, held[flat]], [flat], name=flat),
        helper.make_node("Reshape", [flat, held[spread]], [spread], name=spread),
        helper.make_node("Mul", [conv.input[1], spread], [filters], name=filters),
    ]
    inputs = [conv.input[0], filters]
    if len(conv.input) > 2 and conv.input[2]:
        made.append(helper.make_node("Mul", [conv.input[2], flat], [biases], name=biases))
        inputs.append(biases)
    moved = [with_edges(conv, inputs, conv.output[0] if clamp else result)]
    if clamp is not None:
        moved.append(with_edges(clamp, [conv.output[0]], result))
    gone, nodes = {node.output[0] for node in (conv, clamp) if node is not None}, []
    for node in graph.node:
        if node.output[0] == result:
            nodes.extend([*made, *moved])
        elif node.output[0] not in gone:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
