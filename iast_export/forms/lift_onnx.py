"""Spatial statistics lifted out of an ONNX model of any precision (see `lift`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from iast_export.formats.onnx_graph import (
    attribute,
    check_model,
    index_graph,
    parse_model,
    prune,
    size_multiple_px,
)
from iast_export.forms.edit import add_constant, copy_model, remove_node, replace_node
from iast_export.forms.lift import Kept, Shape, Site, kept, levels_of, site_name
from iast_export.specs import CONTENT, PIXEL_WEIGHT

_MEANS = ("ReduceMean", "GlobalAveragePool")
_SUMS = (*_MEANS, "ReduceSum")
_NORMALIZATION = "InstanceNormalization"
# Operators whose result tells a picture's size and nothing of its values.
_SIZES = ("Shape", "Size")
_MOVES = ("Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze")
# Steps of the size multiple, in which all shapes are inferred twice: what differs is a map.
_SIDES = ((32, 48), (40, 56))


@dataclass(frozen=True)
class _Place:
    """Where a site stands in the graph.

    Attributes:
        result: of the reduction.
        sums: operators from the tensor that is added up to the result, which only move and add.
        moves: operators that move values, from the map to the tensor that is added up.
        map: a tensor [1, C, H, W] with the pixels of what is added up.
    """

    result: str
    sums: tuple[onnx.NodeProto, ...]
    moves: tuple[onnx.NodeProto, ...]
    map: str

    @property
    def summed(self) -> str:
        """The tensor that is added up."""
        return str(self.sums[0].input[0])

    @property
    def is_mean(self) -> bool:
        """Whether nothing is added up without being divided by its number."""
        return not any(node.op_type == "ReduceSum" for node in self.sums)


class OnnxLift:
    """The model of one tier as a `Lift`.

    Args:
        data: the file's bytes.

    Raises:
        InputError: they are no model.
    """

    def __init__(self, data: bytes) -> None:
        model = parse_model(data)
        self._model = copy_model(model)
        multiple = size_multiple_px(model)
        _write_out_normalizations(self._model)
        self._shapes, other = (_shapes(self._model, *sides, multiple) for sides in _SIDES)
        self._fixed = {
            name
            for name, shape in self._shapes.items()
            if shape == other.get(name) and 0 not in shape
        }
        self._index = index_graph(self._model.graph)
        self._places: dict[str, _Place] = {}
        self.sites, self.kept = self._find()

    @property
    def step_px(self) -> int:
        content = self._shapes[CONTENT][2]
        return math.lcm(
            *(content // shape[2] for n, shape in self._shapes.items() if self._is_map(n))
        )

    def render(self) -> bytes:
        made = copy_model(self._model)
        for site in self.sites:
            self._give(made.graph, site)
        return _finished(made)

    def measure(self, level: int) -> bytes:
        made, outputs = copy_model(self._model), []
        made.graph.input.append(_edge(PIXEL_WEIGHT, [1, 1, "height", "width"]))
        for site in self.sites:
            if site.level < level:
                self._give(made.graph, site)
            elif site.level == level:
                made.graph.node.extend(self._weighed(made.graph, site))
                outputs.append(_edge(site.name, site.shape))
        del made.graph.output[:]
        made.graph.output.extend(outputs)
        return _finished(made)

    def _find(self) -> tuple[tuple[Site, ...], tuple[Kept, ...]]:
        results, left, seen = [], list[Kept](), {CONTENT}
        for node in self._model.graph.node:
            read = [name for name in node.input if name in seen]
            if not read or node.op_type in _SIZES:
                continue
            seen.update(node.output)
            if all(name in self._fixed for name in read) or node.output[0] not in self._fixed:
                continue
            place = self._place(node)
            if place is None:
                adds_up = node.op_type in _SUMS
                left.append(kept(node.op_type, node.output[0], adds_up=adds_up))
            else:
                results.append(place.result)
                self._places[site_name(len(results) - 1)] = place
        levels = levels_of(results, self._read_by_maker)
        sites = (
            Site(name, self._shapes[place.result], levels[place.result])
            for name, place in self._places.items()
        )
        return tuple(sites), tuple(left)

    def _read_by_maker(self, name: str) -> Iterable[str]:
        node = self._index.producer(name)
        return () if node is None else [one for one in node.input if one]

    def _place(self, node: onnx.NodeProto) -> _Place | None:
        if node.op_type not in _SUMS:
            return None
        sums = [node]
        while True:
            maker = self._index.producer(sums[0].input[0], *_MOVES, *_SUMS)
            if maker is None or (self._is_map(sums[0].input[0]) and maker.op_type in _MOVES):
                break
            sums.insert(0, maker)
        found = self._map_above(sums[0].input[0])
        return None if found is None else _Place(node.output[0], tuple(sums), *found)

    def _map_above(self, name: str) -> tuple[tuple[onnx.NodeProto, ...], str] | None:
        """The movements from a map to a tensor with its pixels, and that map."""
        moves: list[onnx.NodeProto] = []
        while not self._is_map(name):
            maker = self._index.producer(name)
            source = (
                next((one for one in maker.input if one and one not in self._fixed), None)
                if maker
                else None
            )
            if maker is None or source is None or maker.op_type in (*_SUMS, "MatMul", "Gemm"):
                return None
            if maker.op_type in _MOVES:
                moves.insert(0, maker)
            name = source
        return tuple(moves), name

    def _is_map(self, name: str) -> bool:
        """Whether a tensor is [1, C, H, W], with sides that are the content's or a part of them."""
        shape, content = self._shapes.get(name, ()), self._shapes[CONTENT]
        if len(shape) != 4 or shape[0] != 1 or name in self._fixed or 0 in shape:
            return False
        return all(c % s == 0 for c, s in zip(content[2:], shape[2:], strict=True)) and (
            shape[2] * content[3] == shape[3] * content[2]
        )

    def _give(self, graph: onnx.GraphProto, site: Site) -> None:
        """Puts an input in the place of a reduction."""
        place = self._places[site.name]
        node = next(node for node in graph.node if place.result in node.output)
        graph.input.append(_edge(site.name, site.shape))
        made = [helper.make_node("Identity", [site.name], [place.result])]
        if not place.is_mean:
            made = list(self._counted(place, site.name, "Mul", place.result))
        replace_node(graph, node, made)

    def _weighed(self, graph: onnx.GraphProto, site: Site) -> Iterator[onnx.NodeProto]:
        """The reduction over weighed values; its result has the site's name."""
        place, name = self._places[site.name], f"{site.name}.weights"
        step = self._shapes[CONTENT][2] // self._shapes[place.map][2]
        yield helper.make_node(
            "AveragePool",
            [PIXEL_WEIGHT],
            [name],
            kernel_shape=[step, step],
            strides=[step, step],
        )
        if place.moves:
            like, name_of_shape = f"{name}.like", f"{name}.shape"
            yield helper.make_node("Shape", [place.map], [name_of_shape])
            yield helper.make_node("Expand", [name, name_of_shape], [like])
            name = like
        for node in place.moves:
            yield _again(node, name, f"{node.output[0]}.{site.name}.weights")
            name = f"{node.output[0]}.{site.name}.weights"
        weighed = f"{site.name}.weighed"
        yield helper.make_node("Mul", [place.summed, name], [weighed])
        for node in place.sums:
            yield _again(node, weighed, f"{node.output[0]}.{site.name}")
            weighed = f"{node.output[0]}.{site.name}"
        if place.is_mean:
            yield helper.make_node("Identity", [weighed], [site.name])
        else:
            yield from self._counted(place, weighed, "Div", site.name)

    def _counted(
        self, place: _Place, source: str, operator: str, result: str
    ) -> Iterator[onnx.NodeProto]:
        """A sum out of a mean, or back: by how many values of the tile are in it."""
        stem = f"{result}.{operator.lower()}"
        yield helper.make_node("Size", [place.map], [f"{stem}.all"])
        yield helper.make_node("Size", [source], [f"{stem}.left"])
        yield helper.make_node("Div", [f"{stem}.all", f"{stem}.left"], [f"{stem}.count"])
        yield helper.make_node("Cast", [f"{stem}.count"], [f"{stem}.float"], to=TensorProto.FLOAT)
        yield helper.make_node(operator, [source, f"{stem}.float"], [result])


def _finished(model: onnx.ModelProto) -> bytes:
    """The model's bytes, without what its outputs don't need."""
    prune(model.graph)
    read = {name for node in model.graph.node for name in node.input}
    inputs = [item for item in model.graph.input if item.name in read]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    check_model(model)
    return bytes(model.SerializeToString())


def _edge(name: str, shape: Iterable[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape))


def _again(node: onnx.NodeProto, source: str, result: str) -> onnx.NodeProto:
    """The operator once more, over another tensor."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.input[0], copy.output[0], copy.name = source, result, result
    return copy


def largest_tensor(data: bytes, height_px: int, width_px: int) -> int:
    """How many values the largest tensor of a model has for a picture of that size."""
    model = parse_model(data)
    multiple = size_multiple_px(model)
    found = _shapes(model, height_px // multiple, width_px // multiple, multiple)
    return max(map(math.prod, found.values()))


def _shapes(model: onnx.ModelProto, height: int, width: int, multiple_px: int) -> dict[str, Shape]:
    """The shape of every tensor for a picture of so many steps; what can't be told is left out."""
    copy = copy_model(model)
    for item in copy.graph.input:
        if item.name == CONTENT:
            sides = [1, 3, height * multiple_px, width * multiple_px]
            item.CopyFrom(_edge(CONTENT, sides))
    del copy.graph.value_info[:]
    for item in copy.graph.output:
        for dim in item.type.tensor_type.shape.dim:
            dim.Clear()
    inferred = onnx.shape_inference.infer_shapes(copy, data_prop=True)
    graph = inferred.graph
    items = (*graph.value_info, *graph.input, *graph.output)
    found = {
        item.name: tuple(dim.dim_value for dim in item.type.tensor_type.shape.dim)
        for item in items
        if item.type.tensor_type.HasField("shape")
    }
    return {**found, **{item.name: tuple(item.dims) for item in graph.initializer}}


def _write_out_normalizations(model: onnx.ModelProto) -> None:
    """Puts means, a gain and an offset in the place of every InstanceNormalization."""
    graph, shapes = model.graph, _shapes(model, *_SIDES[0], size_multiple_px(model))
    for node in [node for node in graph.node if node.op_type == _NORMALIZATION]:
        x, result = node.input[0], node.output[0]
        less = index_graph(graph).only_consumer(result)
        moves = less is not None and less.op_type == "Sub" and list(less.input) == [result, x]
        made = _written_out(graph, node, len(shapes.get(x, ())) or 4, is_move=moves)
        replace_node(graph, node, list(made))
        if moves and less is not None:
            remove_node(graph, less, result)


def _written_out(
    graph: onnx.GraphProto, node: onnx.NodeProto, rank: int, *, is_move: bool
) -> Iterator[onnx.NodeProto]:
    """A normalization of [N, C, ...] in arithmetic, or by how far it moves each value.

    The gain and the offset are applied by a BatchNormalization: one pass over the picture.
    """
    x, scale, shift = node.input
    stem, result = f"{node.output[0]}.lifted", node.output[0]

    def fixed(name: str, value: object, kind: type[np.generic]) -> str:
        return add_constant(graph, f"{stem}.{name}", np.array(value, kind))

    def made(operator: str, *inputs: str, to: str, **attributes: Any) -> onnx.NodeProto:
        name = to if to == result else f"{stem}.{to}"
        return helper.make_node(operator, list(inputs), [name], name=name, **attributes)

    rows, columns = (
        fixed("rows", range(2, rank - 1), np.int64),
        fixed("columns", [rank - 1], np.int64),
    )
    flat, one, zero = (
        fixed("flat", [-1], np.int64),
        fixed("one", 1, np.float32),
        fixed("zero", 0, np.float32),
    )
    epsilon = fixed("epsilon", attribute(node, "epsilon", 1e-5), np.float32)
    yield made("Mul", x, x, to="square")
    for source, mean in ((x, "mean"), (f"{stem}.square", "mean_square")):
        # In two steps, since one sum over a whole picture loses digits in FP32.
        yield made("ReduceMean", source, columns, to=f"{mean}_of_rows" if rank > 3 else mean)
        if rank > 3:
            yield made("ReduceMean", f"{stem}.{mean}_of_rows", rows, to=mean)
    yield made("Mul", f"{stem}.mean", f"{stem}.mean", to="square_mean")
    yield made("Sub", f"{stem}.mean_square", f"{stem}.square_mean", to="difference")
    yield made("Relu", f"{stem}.difference", to="variance")
    yield made("Add", f"{stem}.variance", epsilon, to="biased")
    yield made("Sqrt", f"{stem}.biased", to="deviation")
    yield made("Reshape", f"{stem}.deviation", flat, to="deviations")
    yield made("Reshape", f"{stem}.mean", flat, to="means")
    yield made("Div", scale, f"{stem}.deviations", to="gain")
    yield made("Mul", f"{stem}.means", f"{stem}.gain", to="moved")
    yield made("Sub", shift, f"{stem}.moved", to="offset")
    gain = "gain"
    if is_move:
        gain = "gain_less_one"
        yield made("Sub", f"{stem}.gain", one, to=gain)
    yield made("Mul", f"{stem}.means", zero, to="zeros")
    yield made("Add", f"{stem}.zeros", one, to="ones")
    given = (f"{stem}.{name}" for name in (gain, "offset", "zeros", "ones"))
    yield made("BatchNormalization", x, *given, to=result, epsilon=0.0)
