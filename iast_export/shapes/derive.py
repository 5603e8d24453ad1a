"""The table of shapes of a finished TFLite file, from its bytes."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from iast_export.files.artifacts import sha256_bytes
from iast_export.formats import tflite_file as tf
from iast_export.shapes.apart import Extra, front
from iast_export.shapes.dims import Dim, Number, Steps
from iast_export.shapes.operator_types import Sides
from iast_export.shapes.places import FilePlaces, Vector
from iast_export.shapes.table import NUMBER_BYTES, ShapeTable, SignatureShapes
from iast_export.shapes.trace import Numbers, StoppedError, Trace, trace

# As TFLite asks of constants.
_ALIGNMENT = 16
_NO_STEPS = Steps(0, 0)
# Operators whose options hold numbers that a trace can set.
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "RESHAPE": ("newShape",),
    **dict.fromkeys(
        ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"), ("filterHeight", "filterWidth")
    ),
}


def derive(
    data: bytes,
    multiple_px: int,
    summed: Mapping[str, Mapping[str, Dim]] = MappingProxyType({}),
    times: int = 1,
) -> ShapeTable:
    """The table of a file; proof is the caller's.

    Args:
        data: the file.
        multiple_px: the network's size multiple.
        summed: by signature, see `trace`.
        times: how often its parts are shared, see `check_layout`.

    Raises:
        InputError: it is no TFLite file.
    """
    model = tf.parse_to_read(data, times=times)
    found, fixed = [], {}
    for signature in tf.signatures(model):
        try:
            traced = trace(model, signature.key, multiple_px, summed.get(signature.key))
            found.append(_Writing(data, model, signature, traced).made())
        except StoppedError as error:
            fixed[signature.key] = str(error)
    return ShapeTable(sha256_bytes(data), multiple_px, tuple(found), fixed)


class _Writing:
    """Collects what is written where for one signature; places count from the file's beginning."""

    def __init__(
        self, data: bytes, model: tf.Model, signature: tf.Signature, traced: Trace
    ) -> None:
        self._data, self._model, self._signature, self._traced = data, model, signature, traced
        self._places = FilePlaces(data)
        self._graph = model.subgraphs[signature.subgraph]
        self._end = len(data) + -len(data) % _ALIGNMENT
        self._numbers: dict[int, Number] = {}
        self._lists: dict[Sides, int] = {}

    def made(self) -> SignatureShapes:
        keys = [one.key for one in tf.signatures(self._model)]
        self._fix(self._places.alone(keys.index(self._signature.key)))
        room, before = front(
            self._data, self._places, self._signature.subgraph, list(self._constants())
        )
        self._fix(before)
        self._options()
        self._shapes()
        return self._settled(room)

    def _settled(self, room: int) -> SignatureShapes:
        """What is the same for every picture becomes bytes where it stands outside of the file."""
        size = len(self._data)
        whole = bytearray(room + self._end)
        numbers: dict[Number, list[int]] = {}
        for place, dim in sorted(self._numbers.items()):
            if dim.is_constant and not 0 <= place < size:
                whole[place + room : place + room + NUMBER_BYTES] = dim.packed(_NO_STEPS)
            else:
                numbers.setdefault(dim, []).append(place + room)
        settled = {dim: tuple(found) for dim, found in numbers.items()}
        before, behind = bytes(whole[:room]), bytes(whole[room + size :])
        return SignatureShapes(self._signature.key, before, behind, settled)

    def _fix(self, written: Mapping[int, int]) -> None:
        self._numbers |= {place: Dim(value) for place, value in written.items()}

    def _constants(self) -> Iterator[Extra]:
        """Writes constants in place where all agree on one, else in ones of their own."""
        redirected: dict[int, dict[int, int]] = {}
        made = 0
        for buffer, uses in self._uses().items():
            kept = uses.most_common(1)[0][0]
            for numbers in uses:
                if numbers == kept:
                    continue
                yield Extra(self._reader(buffer), buffer, self._further(buffer, numbers))
                for operator, index in self._readers(buffer, numbers):
                    redirected.setdefault(operator, {})[index] = len(self._graph.tensors) + made
                made += 1
            if kept is not None:
                vector = self._places.vector(self._places.buffer(buffer), "buffer", "data")
                assert vector is not None, "the trace has seen its values"
                self._write(vector.start, kept, self._width(buffer))
        for operator, inputs in redirected.items():
            self._redirect(operator, inputs)

    def _uses(self) -> dict[int, Counter[Numbers]]:
        """What each constant that follows the picture is, and to how many."""
        moving = {
            int(self._graph.tensors[self._graph.operators[operator].inputs[index]].buffer)
            for (operator, index), numbers in self._traced.constants.items()
            if numbers is not None
        }
        uses: dict[int, Counter[Numbers]] = {buffer: Counter() for buffer in sorted(moving)}
        for (operator, index), buffer in self._read_constants():
            if buffer in uses:
                uses[buffer][self._traced.constants.get((operator, index))] += 1
        return uses

    def _read_constants(self) -> Iterator[tuple[tuple[int, int], int]]:
        for operator, op in enumerate(self._graph.operators):
            for index, tensor in enumerate(map(int, op.inputs)):
                if tensor >= 0 and int(self._graph.tensors[tensor].buffer):
                    yield (operator, index), int(self._graph.tensors[tensor].buffer)

    def _readers(self, buffer: int, numbers: Numbers) -> list[tuple[int, int]]:
        return [
            place
            for place, read in self._read_constants()
            if read == buffer and self._traced.constants.get(place) == numbers
        ]

    def _reader(self, buffer: int) -> int:
        """A tensor that has a buffer."""
        return next(i for i, one in enumerate(self._graph.tensors) if int(one.buffer) == buffer)

    def _width(self, buffer: int) -> int:
        name = tf.dtype_name(self._graph.tensors[self._reader(buffer)])
        return int(np.dtype(name).itemsize)

    def _further(self, buffer: int, numbers: Numbers) -> int:
        """One more constant behind the file, and the place of its length."""
        raw = tf.buffer_bytes(self._model, self._graph.tensors[self._reader(buffer)])
        at = self._end + -self._end % _ALIGNMENT + _ALIGNMENT - NUMBER_BYTES  # numbers are aligned
        start, end = at + NUMBER_BYTES, at + NUMBER_BYTES + len(raw)
        words = struct.unpack(f"<{len(raw) // NUMBER_BYTES}i", raw)
        self._fix({at: len(raw)})
        self._fix({start + i * NUMBER_BYTES: word for i, word in enumerate(words)})
        self._write(start, numbers or (), self._width(buffer))
        self._end = end + -end % _ALIGNMENT
        return at

    def _redirect(self, operator: int, inputs: Mapping[int, int]) -> None:
        """Gives an operator a list of inputs of its own."""
        table = self._places.operator(self._signature.subgraph, operator)
        vector = self._places.vector(table, "operator", "inputs")
        assert vector is not None, "it reads something"
        read = [int(t) for t in self._graph.operators[operator].inputs]
        made = tuple(Dim(inputs.get(i, tensor)) for i, tensor in enumerate(read))
        self._numbers[vector.pointer] = Dim(self._list(made) - vector.pointer)

    def _write(self, start: int, numbers: Sequence[Number], width: int = NUMBER_BYTES) -> None:
        for i, dim in enumerate(numbers):
            if not dim.is_constant:
                self._numbers[start + i * width] = dim

    def _options(self) -> None:
        known: dict[int, Numbers] = {}
        for index, op in enumerate(self._graph.operators):
            name = tf.op_name(self._model, op)
            for one in _OPTIONS.get(name, ()) if op.builtinOptions is not None else ():
                at = self._places.option(self._signature.subgraph, index, one)
                numbers = self._traced.options.get((index, one))
                if at is not None and known.setdefault(at, numbers) != numbers:
                    why = "it shares its options with an operator that needs others"
                    raise StoppedError(f"operator {index}, {name}: {why}")
        for at, numbers in known.items():
            if numbers is not None:
                self._write(at, numbers)

    def _shapes(self) -> None:
        """Writes shapes in place where all that read one agree on it, else behind the file."""
        found = list(self._vectors())
        readers: dict[int, set[Sides]] = {}
        for vector, sides in found:
            readers.setdefault(vector.start, set()).add(sides)
        taken = set(_other_lists(self._graph))
        for vector, sides in found:
            if all(side.is_constant for side in sides):
                continue
            is_own = readers[vector.start] == {sides}
            if is_own and _at(sides, self._traced.steps) not in taken:
                self._write(vector.start, sides)
            else:
                self._numbers[vector.pointer] = Dim(self._list(sides) - vector.pointer)

    def _vectors(self) -> Iterator[tuple[Vector, Sides]]:
        used = set(_used(self._graph))
        for index, tensor in enumerate(self._graph.tensors):
            if index not in used:
                continue
            table = self._places.tensor(self._signature.subgraph, index)
            shape = self._places.vector(table, "tensor", "shape")
            if shape is None:
                continue
            sides = self._traced.sides.get(index, tuple(map(Dim, tf.tensor_shape(tensor))))
            yield shape, sides
            again = self._places.vector(table, "tensor", "shape_signature")
            if again is not None:
                named = [int(n) for n in tensor.shapeSignature]
                yield again, tuple(map(Dim, named)) if min(named, default=0) < 0 else sides

    def _list(self, sides: Sides) -> int:
        """A list of numbers behind the file, and the place of its length."""
        if sides not in self._lists:
            self._lists[sides] = self._end
            for i, dim in enumerate((Dim(len(sides)), *sides)):
                self._numbers[self._end + i * NUMBER_BYTES] = dim
            self._end += (len(sides) + 1) * NUMBER_BYTES
        return self._lists[sides]


def _used(graph: tf.Graph) -> Iterator[int]:
    """The tensors that something reads or writes."""
    for found in (graph.inputs, graph.outputs):
        yield from map(int, found)
    for op in graph.operators:
        yield from (int(tensor) for found in (op.inputs, op.outputs) for tensor in found)


def _at(sides: Sides, steps: Steps) -> tuple[int, ...]:
    return tuple(side.at(steps) for side in sides)


def _other_lists(graph: tf.Graph) -> Iterator[tuple[int, ...]]:
    """Whatever else a subgraph holds as lists of whole numbers, which equal shapes may share."""
    yield from (tuple(map(int, found)) for found in (graph.inputs, graph.outputs))
    for op in graph.operators:
        for found in (op.inputs, op.outputs, op.intermediates):
            yield () if found is None else tuple(map(int, found))
        for table in (op.builtinOptions, op.builtinOptions2):
            for value in vars(table).values() if table is not None else ():
                if isinstance(value, np.ndarray | Sequence) and not isinstance(value, str | bytes):
                    yield tuple(map(int, np.asarray(value).reshape(-1)))
