"""Further signatures for a TFLite file, as bytes to put before it: its own tables are used again.

A flatbuffer points forward only, so that new tables before a file can name everything in it:
weights, scales, operators and tensors lie in the bytes once, whatever the number of signatures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from iast_export.errors import ToolError
from iast_export.formats import tflite_file as tf
from iast_export.formats.tflite_write import sharing_builder

# As TFLite asks of constants.
_ALIGNMENT = 16


@dataclass(frozen=True)
class Program:
    """A further signature, over the tensors of one that the file has; `in_front` uses it up.

    Attributes:
        key: of the signature.
        base: subgraph of the file whose tensors come first, in their order.
        tensors: further ones behind those.
        operators: by their place in `base`, or new ones.
        inputs, outputs: tensor by name.
        buffers: constants of `tensors`, numbered behind those of the file.
        codes: kinds of new operators, numbered behind those of the file.
    """

    key: str
    base: int
    tensors: Sequence[Any]
    operators: Sequence[int | Any]
    inputs: dict[str, int]
    outputs: dict[str, int]
    buffers: Sequence[Any]
    codes: Sequence[Any]


def in_front(data: bytes, programs: Sequence[Program]) -> tuple[bytes, bytes]:
    """What to put before and behind a file so that it has these signatures, and these alone.

    Raises:
        InputError: it is no TFLite file.
        ToolError: the file does not stand in the result as it was.
    """
    behind = bytes(-len(data) % _ALIGNMENT)
    made = _Front(data + behind).made(programs)
    before = made[: len(made) - len(data) - len(behind)]
    if made[len(before) :] != data + behind or len(before) % _ALIGNMENT:
        raise ToolError("a file changed under its new signatures", "report this")
    return before, behind


class _Front:
    """A flatbuffer that grows toward its beginning, begun with a whole file at its end."""

    def __init__(self, tail: bytes) -> None:
        tf.parse_to_read(tail)
        self._size = len(tail)
        self._model = tf.schema().Model.GetRootAsModel(tail, 0)
        self._builder = sharing_builder()
        size = 1 << (self._size * 2).bit_length()
        self._builder.Bytes = bytearray(size)
        self._builder.Bytes[size - self._size :] = tail
        self._builder.head = size - self._size
        self._builder.minalign = _ALIGNMENT

    def made(self, programs: Sequence[Program]) -> bytes:
        s, b = tf.schema(), self._builder
        codes, buffers = self._added(programs, "codes"), self._added(programs, "buffers")
        self._renumber(programs)
        tensors = {base: self._tensors(programs, base) for base in {one.base for one in programs}}
        graphs = self._vector([self._graph(one, tensors[one.base]) for one in programs])
        keys = self._vector([self._signature(i, one) for i, one in enumerate(programs)])
        old = [self._old(self._model.OperatorCodes(i)) for i in range(self._count("codes"))]
        all_codes = self._vector(old + codes)
        old = [self._old(self._model.Buffers(i)) for i in range(self._count("buffers"))]
        all_buffers = self._vector(old + buffers)
        s.ModelStart(b)
        s.ModelAddVersion(b, self._model.Version())
        s.ModelAddOperatorCodes(b, all_codes)
        s.ModelAddSubgraphs(b, graphs)
        s.ModelAddBuffers(b, all_buffers)
        s.ModelAddSignatureDefs(b, keys)
        b.Finish(s.ModelEnd(b), file_identifier=b"TFL3")
        return bytes(b.Output())

    def _count(self, what: str) -> int:
        model = self._model
        return int(model.OperatorCodesLength() if what == "codes" else model.BuffersLength())

    def _added(self, programs: Sequence[Program], what: str) -> list[int]:
        """Offsets of what all programs add, one program after another."""
        return [self._pack(one) for program in programs for one in getattr(program, what)]

    def _renumber(self, programs: Sequence[Program]) -> None:
        """Numbers what programs add one program after another; tensors within their subgraph."""
        codes, buffers, further = self._count("codes"), self._count("buffers"), Counter[int]()
        for_codes = for_buffers = 0
        for one in programs:
            first = self._model.Subgraphs(one.base).TensorsLength()
            for op in (op for op in one.operators if not isinstance(op, int)):
                op.opcodeIndex += for_codes if op.opcodeIndex >= codes else 0
                op.inputs = _moved(op.inputs, first, further[one.base])
                op.outputs = _moved(op.outputs, first, further[one.base])
            for tensor in one.tensors:
                tensor.buffer += for_buffers if tensor.buffer >= buffers else 0
            for named in (one.inputs, one.outputs):
                named.update(
                    zip(named, _moved(named.values(), first, further[one.base]), strict=True)
                )
            for_codes, for_buffers = for_codes + len(one.codes), for_buffers + len(one.buffers)
            further[one.base] += len(one.tensors)

    def _tensors(self, programs: Sequence[Program], base: int) -> int:
        """The tensors of a subgraph, and what its programs add, as one list for them all."""
        graph = self._model.Subgraphs(base)
        old = [self._old(graph.Tensors(i)) for i in range(graph.TensorsLength())]
        added = [
            self._pack(tensor) for one in programs if one.base == base for tensor in one.tensors
        ]
        return self._vector(old + added)

    def _graph(self, program: Program, tensors: int) -> int:
        s, b, base = tf.schema(), self._builder, self._model.Subgraphs(program.base)
        found = [
            self._old(base.Operators(op)) if isinstance(op, int) else self._pack(op)
            for op in program.operators
        ]
        operators, name = self._vector(found), b.CreateString(program.key)
        inputs, outputs = (
            self._numbers(list(named.values())) for named in (program.inputs, program.outputs)
        )
        s.SubGraphStart(b)
        for add, value in (
            (s.SubGraphAddTensors, tensors),
            (s.SubGraphAddInputs, inputs),
            (s.SubGraphAddOutputs, outputs),
            (s.SubGraphAddOperators, operators),
            (s.SubGraphAddName, name),
        ):
            add(b, value)
        return int(s.SubGraphEnd(b))

    def _signature(self, index: int, program: Program) -> int:
        made = tf.schema().SignatureDefT()
        made.signatureKey, made.subgraphIndex = program.key, index
        made.inputs = [_entry(name, tensor) for name, tensor in program.inputs.items()]
        made.outputs = [_entry(name, tensor) for name, tensor in program.outputs.items()]
        return self._pack(made)

    def _pack(self, table: Any) -> int:
        return int(table.Pack(self._builder))

    def _old(self, table: Any) -> int:
        """A table of the file, as an offset from the end."""
        return self._size - int(table._tab.Pos)

    def _vector(self, offsets: Sequence[int]) -> int:
        b = self._builder
        b.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            b.PrependUOffsetTRelative(offset)
        return int(b.EndVector())

    def _numbers(self, values: Sequence[int]) -> int:
        b = self._builder
        b.StartVector(4, len(values), 4)
        for value in reversed(values):
            b.PrependInt32(value)
        return int(b.EndVector())


def _moved(tensors: Iterable[int], first: int, by: int) -> list[int]:
    """Tensors with those from `first` on numbered anew."""
    return [int(t) + (by if int(t) >= first else 0) for t in tensors]


def _entry(name: str, tensor: int) -> Any:
    entry = tf.schema().TensorMapT()
    entry.name, entry.tensorIndex = name, tensor
    return entry
