"""Spatial statistics lifted out of a signature of a TFLite file of any precision (see `lift`)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.formats.tflite_front import Program
from iast_export.forms.lift import Kept, Shape, Site, kept, levels_of, site_name
from iast_export.specs import CONTENT, PIXEL_WEIGHT

_MEANS = ("MEAN", "AVERAGE_POOL_2D")
_SUMS = (*_MEANS, "SUM")
_MOVES = ("RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS")
# Whose results have other values in other places, on the axes of the first input.
_LIKE_FIRST = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
    "RESIZE_BILINEAR",
    "RESIZE_NEAREST_NEIGHBOR",
    "DEPTH_TO_SPACE",
    "SPACE_TO_DEPTH",
    "PAD",
    "PADV2",
    "MIRROR_PAD",
    "SLICE",
)
_PRODUCTS = ("BATCH_MATMUL", "FULLY_CONNECTED")
_INTEGERS = ("int32", "int64", "bool")


@dataclass(frozen=True)
class _Place:
    """Where a site stands in the graph; see `lift_onnx._Place`, with operators by their places."""

    result: int
    sums: tuple[int, ...]
    moves: tuple[int, ...]
    summed: int
    map: int
    count: int
    is_mean: bool


class LiteRtLift:
    """One signature as a `Lift`; its own shape is the shape of the tiles.

    Args:
        data: the file's bytes.
        signature: its key.

    Raises:
        InputError: they are no model, or have no such signature.
    """

    def __init__(self, data: bytes, signature: str) -> None:
        self._model = tf.extract_signature(tf.parse_to_read(data), signature)
        graph = self._model.subgraphs[0]
        found = tf.find_signature(self._model, signature)
        self._content = found.inputs[CONTENT]
        self._axes: dict[int, frozenset[int]] = {self._content: frozenset((1, 2))}
        self._writer = {int(t): n for n, op in enumerate(graph.operators) for t in op.outputs}
        self._places: dict[str, _Place] = {}
        self.sites, self.kept = self._find(graph)

    @property
    def step_px(self) -> int:
        content = self._shape(self._content)[1]
        return math.lcm(*(content // self._shape(t)[1] for t in self._axes if self._is_map(t)))

    def render(self) -> bytes:
        made = _Edit(self._model)
        self._give_all(made)
        return made.finished(None)

    def measure(self, level: int) -> bytes:
        made = _Edit(self._model)
        return made.finished(self._measuring(made, level))

    def program(self, level: int | None, key: str, base: int) -> Program:
        """`render` (None), or `measure` of a level, over the tables of the file itself.

        Args:
            key: of the new signature.
            base: the signature's subgraph in the file.
        """
        made = _Edit(self._model)
        if level is None:
            self._give_all(made)
            return made.program(None, key, base)
        return made.program(self._measuring(made, level), key, base)

    def counts(self) -> dict[str, int]:
        """Of each site that is a sum, the tensor whose numbers it adds up."""
        return {name: place.summed for name, place in self._places.items() if not place.is_mean}

    def _give_all(self, made: _Edit) -> None:
        for site in self.sites:
            self._give(made, site)

    def _measuring(self, made: _Edit, level: int) -> dict[str, int]:
        outputs = {}
        _, height, width, _ = self._shape(self._content)
        weight = made.input(PIXEL_WEIGHT, (1, height, width, 1))
        for site in self.sites:
            if site.level < level:
                self._give(made, site)
            elif site.level == level:
                outputs[site.name] = self._weigh(made, site, weight)
        return outputs

    def _find(self, graph: tf.Graph) -> tuple[tuple[Site, ...], tuple[Kept, ...]]:
        results, left = [], list[Kept]()
        for n, op in enumerate(graph.operators):
            read = [int(t) for t in op.inputs if int(t) in self._axes]
            moving = [t for t in read if self._axes[t]]
            for t in op.outputs if read else ():
                self._axes[int(t)] = self._axes_of(op, int(t)) if moving else frozenset()
            result = int(op.outputs[0])
            if not moving or self._axes[result] or self._type(result) in _INTEGERS:
                continue
            place = self._place(n)
            if place is None:
                name = tf.op_name(self._model, op)
                left.append(kept(name, f"operator {n}", adds_up=name in _SUMS))
            else:
                results.append(result)
                self._places[site_name(len(results) - 1)] = place
        levels = levels_of(
            [str(t) for t in results], lambda name: map(str, self._read_by_maker(int(name)))
        )
        sites = (
            Site(name, self._shape(place.result), levels[str(place.result)])
            for name, place in self._places.items()
        )
        return tuple(sites), tuple(left)

    def _axes_of(self, op: Any, result: int) -> frozenset[int]:
        """The axes of an operator's result along which values belong to places of the picture."""
        name, first = tf.op_name(self._model, op), int(op.inputs[0])
        source, target = self._shape(first), self._shape(result)
        axes = self._axes.get(first, frozenset())
        if name in _LIKE_FIRST or (name == "STRIDED_SLICE" and len(source) == len(target)):
            gone = name == "AVERAGE_POOL_2D" and all(target[a] == 1 for a in axes)
            return frozenset() if gone else axes
        if name == "TRANSPOSE_CONV":
            return self._axes.get(int(op.inputs[2]), frozenset())
        if name == "TRANSPOSE":
            order = self._constant(int(op.inputs[1]))
            return frozenset(i for i, a in enumerate(order) if int(a) in axes)
        if name in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"):
            return through_reshape(source, target, axes)
        if name in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"):
            summed = {int(a) % len(source) for a in np.ravel(self._constant(int(op.inputs[1])))}
            if len(source) == len(target):
                return axes - summed
            left = [a for a in range(len(source)) if a not in summed]
            return frozenset(i for i, a in enumerate(left) if a in axes)
        if name in _PRODUCTS:
            return self._axes_of_product(op, len(target))
        return self._broadcast(op, len(target))

    def _axes_of_product(self, op: Any, rank: int) -> frozenset[int]:
        """Rows of the first and columns of the second factor; what is summed over is gone."""
        options, found = op.builtinOptions, set()
        for place, t in enumerate(list(op.inputs)[:2]):
            turned = bool(getattr(options, ("adjX", "adjY")[place], False))
            if tf.op_name(self._model, op) == "FULLY_CONNECTED":
                turned = place == 1
            own = len(self._shape(int(t)))
            for axis in self._axes.get(int(t), frozenset()):
                at = axis - own
                kept = (-2 if not turned else -1) if place == 0 else (-1 if not turned else -2)
                if at < -2:
                    found.add(rank + at)
                elif at == kept:
                    found.add(rank - 2 + place)
        return frozenset(found)

    def _broadcast(self, op: Any, rank: int) -> frozenset[int]:
        """The axes of all inputs, aligned at the last."""
        inputs = [int(t) for t in op.inputs if int(t) in self._axes]
        return frozenset(
            axis + rank - len(self._shape(t)) for t in inputs for axis in self._axes[t]
        )

    def _place(self, n: int) -> _Place | None:
        operators = self._model.subgraphs[0].operators
        if tf.op_name(self._model, operators[n]) not in _SUMS:
            return None
        sums = [n]
        while True:
            source = int(operators[sums[0]].inputs[0])
            above = self._writer.get(source)
            name = "" if above is None else tf.op_name(self._model, operators[above])
            if above is None or name not in (*_MOVES, *_SUMS):
                break
            if self._is_map(source) and name not in _SUMS:
                break
            sums.insert(0, above)
        found = self._map_above(source)
        if found is None:
            return None
        result = int(operators[n].outputs[0])
        names = [tf.op_name(self._model, operators[one]) for one in sums]
        count = int(np.prod(self._shape(source))) // int(np.prod(self._shape(result)))
        return _Place(result, tuple(sums), found[0], source, found[1], count, "SUM" not in names)

    def _map_above(self, tensor: int) -> tuple[tuple[int, ...], int] | None:
        """The movements from a map to a tensor with its pixels, and that map."""
        moves: list[int] = []
        while not self._is_map(tensor):
            n = self._writer.get(tensor)
            op = None if n is None else self._model.subgraphs[0].operators[n]
            source = (
                next((int(t) for t in op.inputs if self._axes.get(int(t))), None) if op else None
            )
            if n is None or source is None:
                return None
            name = tf.op_name(self._model, op)
            if name in (*_SUMS, *_PRODUCTS):
                return None
            if name in _MOVES:
                moves.insert(0, n)
            tensor = source
        return tuple(moves), tensor

    def _is_map(self, tensor: int) -> bool:
        """Whether a tensor is [1, H, W, C], with sides that are the content's or a part of them."""
        shape, content = self._shape(tensor), self._shape(self._content)
        if len(shape) != 4 or shape[0] != 1 or self._axes.get(tensor) != frozenset((1, 2)):
            return False
        return all(c % s == 0 for c, s in zip(content[1:3], shape[1:3], strict=True)) and (
            shape[1] * content[2] == shape[2] * content[1]
        )

    def _give(self, made: _Edit, site: Site) -> None:
        """Puts an input in the place of a reduction."""
        place = self._places[site.name]
        given = made.input(site.name, site.shape)
        if not place.is_mean:
            count = made.constant(np.array(place.count, np.float32))
            given = made.made("MUL", (given, count), site.shape)
        if self._type(place.result) != "float32":
            made.convert("QUANTIZE", given, place.result)
        else:
            made.replace(place.result, given)

    def _weigh(self, made: _Edit, site: Site, weight: int) -> int:
        """The reduction over weighed values; the tensor of its result."""
        place = self._places[site.name]
        shape, full = self._shape(place.map), self._shape(self._content)
        weights = made.pooled(weight, (full[1] // shape[1], full[2] // shape[2]))
        if place.moves:
            ones = made.constant(np.ones((1, 1, 1, shape[3]), np.float32))
            weights = made.made("MUL", (weights, ones), shape)
        for n in place.moves:
            weights = made.again(n, weights)
        values = made.as_float(place.summed)
        result = made.made("MUL", (values, weights), self._shape(place.summed))
        for n in place.sums:
            result = made.again(n, result)
        if not place.is_mean:
            share = made.constant(np.array(1 / place.count, np.float32))
            result = made.made("MUL", (result, share), site.shape)
        return result

    def _read_by_maker(self, tensor: int) -> Iterable[int]:
        n = self._writer.get(tensor)
        inputs = () if n is None else self._model.subgraphs[0].operators[n].inputs
        return [int(t) for t in inputs if int(t) >= 0]

    def _shape(self, tensor: int) -> Shape:
        return tf.tensor_shape(self._model.subgraphs[0].tensors[tensor])

    def _type(self, tensor: int) -> str:
        return tf.dtype_name(self._model.subgraphs[0].tensors[tensor])

    def _constant(self, tensor: int) -> tf.Array:
        held = tf.constant(self._model, self._model.subgraphs[0].tensors[tensor])
        return np.zeros(0, np.int32) if held is None else held


def through_reshape(
    source: Sequence[int], target: Sequence[int], axes: Collection[int]
) -> frozenset[int]:
    """The axes of the result that step over values that `axes` step over."""
    covered = [run for axis, run in enumerate(_steps(source)) if axis in axes]
    return frozenset(
        axis
        for axis, (low, high) in enumerate(_steps(target))
        if any(low < end and start < high for start, end in covered)
    )


def _steps(shape: Sequence[int]) -> list[tuple[int, int]]:
    """For each axis, the distance of its neighbors in memory and that of the next axis' ones."""
    found, step = [], 1
    for side in reversed(shape):
        found.append((step, step * side))
        step *= side
    return found[::-1]


class _Edit:
    """A model of one signature, edited: what is added is put where its inputs are ready.

    The edited model has tables of its own over the same vectors and constants.
    """

    def __init__(self, model: tf.Model) -> None:
        self._model, self._graph = copy(model), copy(model.subgraphs[0])
        self._model.subgraphs = [self._graph]
        self._model.signatureDefs = deepcopy(model.signatureDefs)
        self._model.buffers = list(model.buffers)
        self._model.operatorCodes = list(model.operatorCodes)
        self._graph.tensors = [copy(tensor) for tensor in self._graph.tensors]
        self._graph.operators = [copy(op) for op in self._graph.operators]
        self._old = list(self._graph.operators)
        self._ops: list[Any] = list(self._graph.operators)
        self._tensors, self._buffers = len(self._graph.tensors), len(model.buffers)
        self._codes = len(model.operatorCodes)

    def input(self, name: str, shape: Sequence[int]) -> int:
        """A new input of the signature; its tensor."""
        tensor = self._tensor(shape, name)
        self._graph.inputs = [*map(int, self._graph.inputs), tensor]
        entry = tf.schema().TensorMapT()
        entry.name, entry.tensorIndex = name, tensor
        self._model.signatureDefs[0].inputs.append(entry)
        return tensor

    def constant(self, value: tf.Array) -> int:
        """A new float32 constant."""
        buffer = tf.schema().BufferT()
        buffer.data = np.ascontiguousarray(value, np.float32).reshape(-1).view(np.uint8)
        self._model.buffers.append(buffer)
        tensor = self._tensor(value.shape, f"constant{len(self._graph.tensors)}")
        self._graph.tensors[tensor].buffer = len(self._model.buffers) - 1
        return tensor

    def made(self, name: str, inputs: Sequence[int], shape: Sequence[int]) -> int:
        """A new operator; the tensor of its result."""
        result = self._tensor(shape, f"made{len(self._graph.tensors)}")
        self._add(name, inputs, result)
        return result

    def pooled(self, weight: int, step: tuple[int, int]) -> int:
        """Averages over blocks of `step`."""
        if step == (1, 1):
            return weight
        _, height, width, channels = tf.tensor_shape(self._graph.tensors[weight])
        shape = (1, height // step[0], width // step[1], channels)
        result = self.made("AVERAGE_POOL_2D", (weight,), shape)
        options = tf.schema().Pool2DOptionsT()
        options.padding = tf.schema().Padding.VALID
        options.filterHeight = options.strideH = step[0]
        options.filterWidth = options.strideW = step[1]
        op = self._ops[-1]
        op.builtinOptions = options
        op.builtinOptionsType = tf.schema().BuiltinOptions.Pool2DOptions
        return result

    def again(self, n: int, source: int) -> int:
        """The operator of that place once more, over another tensor of floats."""
        old = self._old[n]
        shape = tf.tensor_shape(self._graph.tensors[int(old.outputs[0])])
        result = self._tensor(shape, f"made{len(self._graph.tensors)}")
        op = copy(old)
        op.inputs, op.outputs = [source, *(int(t) for t in list(old.inputs)[1:])], [result]
        self._ops.append(op)
        return result

    def as_float(self, tensor: int) -> int:
        """The tensor's values in float32."""
        described = self._graph.tensors[tensor]
        if tf.dtype_name(described) == "float32":
            return tensor
        return self.made("DEQUANTIZE", (tensor,), tf.tensor_shape(described))

    def convert(self, name: str, source: int, target: int) -> None:
        """A conversion into a tensor, instead of the operator that wrote it."""
        self._ops = [op for op in self._ops if target not in [int(t) for t in op.outputs]]
        self._add(name, (source,), target)

    def replace(self, tensor: int, by: int) -> None:
        """Has everything that reads one tensor read another."""
        for n, op in enumerate(self._ops):
            if tensor in [int(t) for t in op.inputs]:
                self._ops[n] = op = copy(op)
                op.inputs = [by if int(t) == tensor else int(t) for t in op.inputs]

    def finished(self, outputs: dict[str, int] | None) -> bytes:
        """The model's bytes, without what its outputs don't need; None: its own outputs."""
        self._end(outputs)
        tw.canonicalize(self._model)
        return tw.serialize(self._model)

    def program(self, outputs: dict[str, int] | None, key: str, base: int) -> Program:
        """As `finished`, as a signature over the tables of the file that was edited."""
        self._end(outputs)
        places = {id(op): n for n, op in enumerate(self._old)}
        signature = tf.signatures(self._model)[0]
        return Program(
            key,
            base,
            self._graph.tensors[self._tensors :],
            [places.get(id(op), op) for op in self._graph.operators],
            dict(signature.inputs),
            dict(signature.outputs),
            self._model.buffers[self._buffers :],
            self._model.operatorCodes[self._codes :],
        )

    def _end(self, outputs: dict[str, int] | None) -> None:
        """Leaves out what the outputs don't need."""
        if outputs is not None:
            self._graph.outputs = list(outputs.values())
            self._model.signatureDefs[0].outputs = [
                _entry(name, tensor) for name, tensor in outputs.items()
            ]
        self._graph.operators = self._needed()
        self._drop_unread_inputs()

    def _needed(self) -> list[Any]:
        """The operators that the outputs need, each after those whose results it reads."""
        writer = {int(t): op for op in self._ops for t in op.outputs}
        ordered: list[Any] = []
        done: set[int] = set()
        pending = [(int(t), False) for t in reversed(list(self._graph.outputs))]
        while pending:
            tensor, is_ready = pending.pop()
            op = writer.get(tensor)
            if op is None or id(op) in done:
                continue
            if is_ready:
                done.add(id(op))
                ordered.append(op)
                continue
            pending.append((tensor, True))
            pending += [(int(t), False) for t in reversed(list(op.inputs)) if int(t) >= 0]
        return ordered

    def _drop_unread_inputs(self) -> None:
        read = {int(t) for op in self._graph.operators for t in op.inputs}
        definition = self._model.signatureDefs[0]
        definition.inputs = [one for one in definition.inputs if int(one.tensorIndex) in read]
        self._graph.inputs = [int(t) for t in self._graph.inputs if int(t) in read]

    def _add(self, name: str, inputs: Sequence[int], result: int) -> None:
        schema, op = tf.schema(), tf.schema().OperatorT()
        op.opcodeIndex = tw.operator_code(self._model, name, 1)
        op.inputs, op.outputs = list(inputs), [result]
        if name == "MUL":
            op.builtinOptions = schema.MulOptionsT()
            op.builtinOptionsType = schema.BuiltinOptions.MulOptions
        self._ops.append(op)

    def _tensor(self, shape: Sequence[int], name: str) -> int:
        tensor = tf.schema().TensorT()
        tensor.shape, tensor.type = np.array(shape, np.int32), tf.schema().TensorType.FLOAT32
        tensor.buffer, tensor.name = 0, name
        self._graph.tensors.append(tensor)
        return len(self._graph.tensors) - 1


def _entry(name: str, tensor: int) -> Any:
    entry = tf.schema().TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry
