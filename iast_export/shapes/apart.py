"""Constants of their own for operators that read one and need it to be different things.

A converter stores equal constants once: begin at [0, 0, 254, 0] is two rows from the end to one
operator and two columns to another, as long as the picture is a square. Where they part ways, the
re-shaped file gets one more constant. A flatbuffer points forward only, so that the lists which
name all constants and tensors are written anew before the file, with what is new behind them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from iast_export.shapes.places import TENSOR_BUFFER, FilePlaces, table_bytes
from iast_export.shapes.table import NUMBER_BYTES

# Of the file's beginning: the offset to the first table, and the format's name.
_HEAD_BYTES = 8
# Constants stay aligned to as many bytes when the file moves.
_ALIGNMENT = 16


@dataclass(frozen=True)
class Extra:
    """A further constant: the tensor and the buffer that it is like, and where its data lies."""

    tensor: int
    buffer: int
    data: int


def front(
    data: bytes, places: FilePlaces, subgraph: int, extras: Sequence[Extra]
) -> tuple[int, dict[int, int]]:
    """Room before a file, in bytes, and what to write where in it.

    Places count from the file's own beginning, so that those before it are negative. The new
    tensors and buffers are numbered behind the others, in the order given.
    """
    if not extras:
        return 0, {}
    room, at = _Room(data, places, subgraph, extras), 0
    places_of = {}
    for name, size in room.sizes().items():
        places_of[name] = at
        at += size
    total = at + -at % _ALIGNMENT
    return total, room.filled({name: place - total for name, place in places_of.items()})


class _Room:
    """What stands before the file: head, model, subgraph, both lists, new tensors and buffers."""

    def __init__(
        self, data: bytes, places: FilePlaces, subgraph: int, extras: Sequence[Extra]
    ) -> None:
        self._data, self._places, self._subgraph = data, places, subgraph
        self._extras = extras
        self._tensors, self._buffers = places.counts(subgraph)

    def sizes(self) -> dict[str, int]:
        """How much each part takes, in the order in which they point to one another."""
        more = len(self._extras) + 1
        sizes = {
            "head": _HEAD_BYTES,
            "model": table_bytes(self._data, self._places.model),
            "graphs": 2 * NUMBER_BYTES,
            "graph": table_bytes(self._data, self._places.graph(self._subgraph)),
            "tensors": (self._tensors + more) * NUMBER_BYTES,
            "buffers": (self._buffers + more) * NUMBER_BYTES,
        }
        for i, extra in enumerate(self._extras):
            tensor = self._places.tensor(self._subgraph, extra.tensor)
            sizes[f"tensor{i}"] = table_bytes(self._data, tensor)
            sizes[f"buffer{i}"] = table_bytes(self._data, self._places.buffer(extra.buffer))
        return sizes

    def filled(self, at: Mapping[str, int]) -> dict[int, int]:
        """What stands in each part, by place."""
        p, graph = self._places, self._places.graph(self._subgraph)
        tensors, buffers = (
            p.vector(graph, "graph", "tensors"),
            p.vector(p.model, "model", "buffers"),
        )
        assert tensors is not None and buffers is not None, "a file that was parsed has them"
        name = int.from_bytes(self._data[4:8], "little", signed=True)
        written = {at["head"]: at["model"] - at["head"], at["head"] + NUMBER_BYTES: name}
        moved = {"graphs": at["graphs"], "buffers": at["buffers"]}
        written |= p.copy(p.model, "model", at["model"], moved)
        written |= {at["graphs"]: 1, at["graphs"] + NUMBER_BYTES: at["graph"] - at["graphs"] - 4}
        written |= p.copy(graph, "graph", at["graph"], {"tensors": at["tensors"]})
        every = range(len(self._extras))
        for items, count, name_of in (
            (tensors, self._tensors, "tensor"),
            (buffers, self._buffers, "buffer"),
        ):
            further = [at[f"{name_of}{i}"] for i in every]
            written |= p.copy_items(items.start, count, at[f"{name_of}s"], further)
        for i, extra in enumerate(self._extras):
            written |= self._extra(i, extra, at)
        return written

    def _extra(self, i: int, extra: Extra, at: Mapping[str, int]) -> dict[int, int]:
        p = self._places
        table = p.tensor(self._subgraph, extra.tensor)
        written = p.copy(table, "tensor", at[f"tensor{i}"], {})
        field = p.field(table, TENSOR_BUFFER)
        assert field is not None, "a constant has a buffer"
        written[at[f"tensor{i}"] + field - table] = self._buffers + i
        moved = {"data": extra.data}
        return written | p.copy(p.buffer(extra.buffer), "buffer", at[f"buffer{i}"], moved)
