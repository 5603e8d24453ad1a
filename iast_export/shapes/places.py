"""Where the numbers of a TFLite file lie that say how large something is, in bytes.

Changing them changes no length in a flatbuffer, so a file can be re-shaped in place. Places in the
schema are numbers of fields: 4 + 2 * the field's number is where a table's index has it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from iast_export.errors import InputError
from iast_export.formats.tflite_file import schema
from iast_export.shapes.table import NUMBER_BYTES

Kind: TypeAlias = Literal["model", "graph", "tensor", "buffer", "operator", "signature"]
# Fields that are offsets, by table; the others are numbers.
_POINTERS: Mapping[Kind, Mapping[str, int]] = {
    "model": {
        "codes": 6,
        "graphs": 8,
        "description": 10,
        "buffers": 12,
        "metadata_buffer": 14,
        "metadata": 16,
        "signatures": 18,
    },
    "graph": {"tensors": 4, "inputs": 6, "outputs": 8, "operators": 10, "name": 12},
    "tensor": {
        "shape": 4,
        "name": 10,
        "quantization": 12,
        "sparsity": 16,
        "shape_signature": 18,
        "variants": 22,
    },
    "buffer": {"data": 4},
    "operator": {"inputs": 6},
    "signature": {},
}
TENSOR_BUFFER, _SIGNATURE_GRAPH = 8, 12
_OPTION_FIELDS = {"newShape": 4, "filterWidth": 10, "filterHeight": 12}


@dataclass(frozen=True)
class Vector:
    """A vector: where its first item stands, and where the offset to it stands."""

    start: int
    pointer: int


class FilePlaces:
    """Places in one file's bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._model = schema().Model.GetRootAsModel(data, 0)

    def tensor(self, subgraph: int, index: int) -> int:
        """A tensor's table."""
        return int(self._model.Subgraphs(subgraph).Tensors(index)._tab.Pos)

    def graph(self, subgraph: int) -> int:
        """A subgraph's table."""
        return int(self._model.Subgraphs(subgraph)._tab.Pos)

    def operator(self, subgraph: int, index: int) -> int:
        """An operator's table."""
        return int(self._model.Subgraphs(subgraph).Operators(index)._tab.Pos)

    def buffer(self, index: int) -> int:
        """A buffer's table."""
        return int(self._model.Buffers(index)._tab.Pos)

    @property
    def model(self) -> int:
        """The table of all."""
        return int(self._model._tab.Pos)

    def counts(self, subgraph: int) -> tuple[int, int]:
        """How many tensors a subgraph has, and how many buffers the file."""
        return self._model.Subgraphs(subgraph).TensorsLength(), self._model.BuffersLength()

    def vector(self, table: int, kind: Kind, name: str) -> Vector | None:
        """A vector that a table points to; None where it is left out."""
        field = self.field(table, _POINTERS[kind][name])
        if field is None:
            return None
        return Vector(field + self._number(field) + NUMBER_BYTES, field)

    def field(self, table: int, field: int) -> int | None:
        """Where a table has a field; None where it is left out, and has its usual value."""
        index = table - self._number(table)
        if field >= struct.unpack_from("<H", self._data, index)[0]:
            return None
        offset = int(struct.unpack_from("<H", self._data, index + field)[0])
        return table + offset if offset else None

    def option(self, subgraph: int, operator: int, name: str) -> int | None:
        """A number among an operator's options, or the first of several; None: left out."""
        table = self._model.Subgraphs(subgraph).Operators(operator).BuiltinOptions()
        field = self.field(int(table.Pos), _OPTION_FIELDS[name])
        if name == "newShape" and field is not None:
            return field + self._number(field) + NUMBER_BYTES
        return field

    def alone(self, signature: int) -> dict[int, int]:
        """What to write where, so that the file holds that signature and its subgraph alone."""
        graphs = self._needed(self.model, "model", "graphs")
        entries = self._needed(self.model, "model", "signatures")
        entry = self._model.SignatureDefs(signature)
        table = int(entry._tab.Pos)
        written = {graphs.start - NUMBER_BYTES: 1, entries.start - NUMBER_BYTES: 1}
        written[graphs.start] = _forward(graphs.start, self.graph(entry.SubgraphIndex()))
        written[entries.start] = _forward(entries.start, table)
        index = self.field(table, _SIGNATURE_GRAPH)
        if index is not None:
            written[index] = 0
        return written

    def copy(self, table: int, kind: Kind, to: int, moved: Mapping[str, int]) -> dict[int, int]:
        """What to write where, so that a table stands at `to` too.

        Args:
            table: that is copied.
            kind: of table.
            to: before or behind the file.
            moved: by name, what the copy points to instead.
        """
        index = table - self._number(table)
        size = int(struct.unpack_from("<H", self._data, index + 2)[0])
        words = range(NUMBER_BYTES, size, NUMBER_BYTES)
        written = {to: to - index, **{to + at: self._number(table + at) for at in words}}
        for name, field in _POINTERS[kind].items():
            place = self.field(table, field)
            if place is not None:
                at = to + place - table
                target = moved.get(name, place + self._number(place))
                written[at] = _forward(at, target)
        return written

    def copy_items(self, start: int, count: int, to: int, further: Sequence[int]) -> dict[int, int]:
        """What to write where, so that a vector of tables stands at `to`, with further ones.

        Args:
            start: of the vector's first item.
            count: of its items.
            to: of the copy's length.
            further: tables behind them.
        """
        items = [start + i * NUMBER_BYTES for i in range(count)]
        targets = [*(item + self._number(item) for item in items), *further]
        written = {to: len(targets)}
        for i, target in enumerate(targets, start=1):
            written[to + i * NUMBER_BYTES] = _forward(to + i * NUMBER_BYTES, target)
        return written

    def _needed(self, table: int, kind: Kind, name: str) -> Vector:
        found = self.vector(table, kind, name)
        assert found is not None, "a file that was parsed has it"
        return found

    def _number(self, at: int) -> int:
        padded = self._data[at : at + NUMBER_BYTES].ljust(NUMBER_BYTES, b"\0")
        return int(struct.unpack("<i", padded)[0])


def _forward(at: int, target: int) -> int:
    if target <= at:
        raise InputError("its parts point backward", "give a file that the build wrote")
    return target - at


def table_bytes(data: bytes, table: int) -> int:
    """How much room a copy of a table needs."""
    index = table - int(struct.unpack_from("<i", data, table)[0])
    return -(-int(struct.unpack_from("<H", data, index + 2)[0]) // NUMBER_BYTES) * NUMBER_BYTES
