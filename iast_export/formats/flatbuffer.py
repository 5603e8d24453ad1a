"""Reading tables of a flatbuffer by their places, without a schema's generated module.

A place is 4, and two more for each field before it in the schema. The generated module of TFLite
holds the whole schema and takes longer to load than all files to read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from flatbuffers.table import Table


def root(data: bytes) -> Table:
    """The table of all."""
    return Table(data, int.from_bytes(data[:4], "little"))


def items(table: Table, slot: int) -> list[Table]:
    """The tables of a vector field."""
    offset = table.Offset(slot)
    if offset == 0:
        return []
    start = table.Vector(offset)
    return [
        Table(table.Bytes, table.Indirect(start + 4 * i)) for i in range(table.VectorLen(offset))
    ]


def numbers(table: Table, slot: int, kind: str) -> list[Any]:
    """The values of a vector of numbers."""
    offset = table.Offset(slot)
    if offset == 0:
        return []
    found = np.frombuffer(table.Bytes, kind, table.VectorLen(offset), table.Vector(offset))
    return list(found.tolist())


def words(table: Table, slot: int) -> str:
    """A text."""
    offset = table.Offset(slot)
    return bytes(table.String(table.Pos + offset)).decode() if offset else ""
