"""What a model file really holds, read without running it, against what the manifest says of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from flatbuffers.number_types import Int8Flags, Uint32Flags
from flatbuffers.table import Table
from numpy.typing import NDArray

from iast_export.families import FAMILIES
from iast_export.formats.flatbuffer import items, numbers, root, words
from iast_export.reports.manifest import FileEntry, IoEntry, Manifest
from iast_export.specs import CONTENT, SIZE_MULTIPLE_KEY, edge_layout, edge_value_range

_FLOAT16, _INT16, _INT8 = "float16", "int16", "int8"
# Places of fields in the tables of TFLite's schema (4, and two for each field before), and its
# types.
_SUBGRAPHS, _BUFFERS, _SIGNATURES = 8, 12, 18
_TENSORS = 4
_SHAPE, _TYPE, _BUFFER, _QUANTIZATION = 4, 6, 8, 12
_SCALE, _ZERO_POINT = 8, 10
_DATA = 4
_INPUTS, _OUTPUTS, _KEY, _SUBGRAPH = 4, 6, 8, 12
_NAME, _INDEX = 4, 6
_TFLITE_TYPES = {
    0: "float32",
    1: _FLOAT16,
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: _INT16,
    9: _INT8,
}
_ONNX_INTEGER_OPERATORS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")


@dataclass(frozen=True)
class Edge:
    """An input or output as the file has it; `signature` is LiteRT's."""

    signature: str | None
    direction: str
    name: str
    dtype: str
    shape: tuple[int | str, ...]
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class Contents:
    """What was read of a file.

    Attributes:
        edges: all inputs and outputs.
        signatures: LiteRT's keys.
        constants: types of the stored constants.
        computed: types of what operators write; None where the format does not say (ONNX).
        integer_operators: whether it quantizes or dequantizes (ONNX).
        external: whether weights lie in another file (ONNX).
        metadata: ONNX's.
    """

    edges: frozenset[Edge]
    signatures: tuple[str, ...] = ()
    constants: frozenset[str] = frozenset()
    computed: frozenset[str] | None = None
    integer_operators: bool = False
    external: bool = False
    metadata: tuple[tuple[str, str], ...] = ()

    @property
    def in_integers(self) -> bool:
        """Whether anything in it is quantized to integers."""
        return self.integer_operators or bool(self.constants & {_INT8, _INT16})


def read_contents(entry: FileEntry, data: bytes) -> Contents:
    """The contents of a file's bytes.

    Raises:
        ValueError: they are no such model.
    """
    try:
        return _READERS[FAMILIES[entry.runtime].suffix](data)
    except Exception as error:  # protobuf and flatbuffers raise many classes, without a common base
        raise ValueError(f"{type(error).__name__}: {error}") from error


def content_faults(manifest: Manifest, entry: FileEntry, found: Contents) -> Iterator[str]:
    """What is not as the manifest says, in words."""
    if found.external:
        yield "weights lie in another file, which no hash covers"
    yield from _edge_faults([one for one in manifest.io if one.path == entry.path], found)
    if set(found.signatures) != set(entry.signatures):
        yield f"its signatures are {', '.join(found.signatures) or 'none'}"
    if entry.role == "landmarks":
        return
    yield from _type_faults(entry, found)
    yield from _shape_faults(manifest, entry, found)


def _edge_faults(listed: Iterable[IoEntry], found: Contents) -> Iterator[str]:
    rows = list(listed)
    said = {
        Edge(r.signature, r.direction, r.name, r.dtype, r.shape, r.scale, r.zero_point): r
        for r in rows
    }
    if set(said) != found.edges or len(rows) != len(said):
        off = sorted({edge.name for edge in set(said) ^ found.edges})
        yield f"the manifest's io differs from it in {', '.join(off) or 'rows told twice'}"
    for edge, row in said.items():
        layout = edge_layout(edge.name, len(edge.shape), edge.signature is not None)
        if (row.layout, row.value_range) != (layout, edge_value_range(edge.name)):
            yield (
                f"the manifest's layout or value_range of {edge.name} is not what every bundle has"
            )


def _type_faults(entry: FileEntry, found: Contents) -> Iterator[str]:
    """Types that a precision has, and those that it can't have."""
    if entry.precision in ("fp32", "fp16") and found.in_integers:
        yield f"it computes in integers, which {entry.precision} doesn't"
    if entry.precision == "fp32" and _FLOAT16 in found.constants:
        yield "it holds half-precision weights"
    if entry.precision == "fp16" and _FLOAT16 not in found.constants:
        yield "it holds no half-precision weights"
    if entry.precision == "dynamic_int8" and _INT8 in (found.computed or ()):
        yield "its activations are integers, which dynamic_int8's aren't"
    told = entry.precision == "int8" and found.computed is not None
    if told and found.in_integers and _INT8 not in (found.computed or ()):
        yield "its weights are integers, but no activation is"


def _shape_faults(manifest: Manifest, entry: FileEntry, found: Contents) -> Iterator[str]:
    inputs = [edge for edge in found.edges if edge.direction == "input"]
    if entry.role == "style_encoder":
        side = manifest.preprocess.style_side_px
        if any(side not in edge.shape for edge in inputs):
            yield f"it takes no style picture of {side} px"
        return
    shapes = {name: tuple(shape) for name, shape in manifest.network.code_shapes.items()}
    for edge in inputs:
        if edge.name != CONTENT and shapes.get(edge.name) != edge.shape:
            yield f"its input {edge.name} is not one of the manifest's code_shapes"
    if FAMILIES[entry.runtime].fixed_shape:
        sides = {tier.id.replace("-", "_"): tier.shape_px for tier in manifest.tiers}
        for edge in inputs:
            if edge.name == CONTENT and edge.shape[1:3] != sides.get(edge.signature or ""):
                yield f"the signature {edge.signature} takes {edge.shape}, not its tier's shape"
        if set(sides) != set(found.signatures):
            yield "its signatures are not the manifest's tiers"
    multiple = dict(found.metadata).get(SIZE_MULTIPLE_KEY)
    if multiple not in (None, str(manifest.network.size_multiple_px)):
        yield f"it was made for a size multiple of {multiple}"


def _onnx(data: bytes) -> Contents:
    import onnx

    model = onnx.ModelProto.FromString(data)
    names = {number: name.lower() for name, number in onnx.TensorProto.DataType.items()}
    graphs = list(_graphs(model.graph))
    initializers = [tensor for graph in graphs for tensor in graph.initializer]
    stored = {tensor.name for tensor in model.graph.initializer}
    operators = {node.op_type for graph in graphs for node in graph.node}
    edges = [
        _onnx_edge(direction, item, names)
        for direction, listed in (("input", model.graph.input), ("output", model.graph.output))
        for item in listed
        if item.name not in stored
    ]
    integer = any(
        name in _ONNX_INTEGER_OPERATORS or name.startswith("QLinear") or name.endswith("Integer")
        for name in operators
    )
    return Contents(
        edges=frozenset(edges),
        integer_operators=integer,
        external=any(tensor.data_location == tensor.EXTERNAL for tensor in initializers),
        metadata=tuple((one.key, one.value) for one in model.metadata_props),
    )


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and those inside it, such as the branches of a dispatching model."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _onnx_edge(direction: str, item: Any, names: dict[int, str]) -> Edge:
    kind = item.type.tensor_type
    shape = tuple(d.dim_param if d.HasField("dim_param") else d.dim_value for d in kind.shape.dim)
    dtype = names.get(kind.elem_type, "unknown")
    return Edge(None, direction, item.name, "float32" if dtype == "float" else dtype, shape)


def _tflite(data: bytes) -> Contents:
    if data[4:8] != b"TFL3":
        raise ValueError("no TFLite file")
    model, tables = root(data), _Tables(data)
    stored = tables.field(tables.vector(model, _BUFFERS), _DATA, "<u4", 0) > 0
    constants: set[int] = set()
    computed: set[int] = set()
    graphs = items(model, _SUBGRAPHS)
    for graph in graphs:
        tensors = tables.vector(graph, _TENSORS)
        kinds = tables.field(tensors, _TYPE, "i1", 0)
        held = stored[tables.field(tensors, _BUFFER, "<u4", 0)]
        constants |= set(np.unique(kinds[held]).tolist())
        computed |= set(np.unique(kinds[~held]).tolist())
    signatures = items(model, _SIGNATURES)
    return Contents(
        edges=frozenset(edge for one in signatures for edge in _tflite_edges(graphs, one)),
        signatures=tuple(words(one, _KEY) for one in signatures),
        constants=frozenset(_TFLITE_TYPES.get(one, "other") for one in constants),
        computed=frozenset(_TFLITE_TYPES.get(one, "other") for one in computed),
    )


class _Tables:
    """Fields of many tables of a flatbuffer at once: a file has thousands of tensors."""

    def __init__(self, data: bytes) -> None:
        self._bytes = np.frombuffer(data, np.uint8)

    def vector(self, table: Table, slot: int) -> NDArray[np.int64]:
        """Where the tables of a vector field lie."""
        offset = table.Offset(slot)
        if offset == 0:
            return np.zeros(0, np.int64)
        start, count = table.Vector(offset), table.VectorLen(offset)
        places = start + 4 * np.arange(count, dtype=np.int64)
        found: NDArray[np.int64] = places + self._read(places, "<u4")
        return found

    def field(
        self, tables: NDArray[np.int64], slot: int, kind: str, default: int
    ) -> NDArray[np.int64]:
        """A number of each table, or `default` where the table doesn't have it."""
        vtables = tables - self._read(tables, "<i4")
        has = self._read(vtables, "<u2") > slot
        offsets = np.zeros_like(tables)
        offsets[has] = self._read(vtables[has] + slot, "<u2")
        found = np.full_like(tables, default)
        there = offsets > 0
        found[there] = self._read((tables + offsets)[there], kind)
        return found

    def _read(self, places: NDArray[np.int64], kind: str) -> NDArray[np.int64]:
        size = np.dtype(kind).itemsize
        found = self._bytes[places[:, None] + np.arange(size)].view(kind)[:, 0]
        return np.asarray(found, np.int64)


def _tflite_edges(graphs: list[Table], signature: Table) -> Iterator[Edge]:
    graph, key = graphs[signature.GetSlot(_SUBGRAPH, 0, Uint32Flags)], words(signature, _KEY)
    tensors = items(graph, _TENSORS)
    for direction, slot in (("input", _INPUTS), ("output", _OUTPUTS)):
        for item in items(signature, slot):
            tensor = tensors[item.GetSlot(_INDEX, 0, Uint32Flags)]
            dtype = _TFLITE_TYPES.get(tensor.GetSlot(_TYPE, 0, Int8Flags), "other")
            shape = tuple(numbers(tensor, _SHAPE, "<i4"))
            scale, zero_point = (None, None) if dtype == "float32" else _quantization(tensor)
            yield Edge(key, direction, words(item, _NAME), dtype, shape, scale, zero_point)


def _quantization(tensor: Table) -> tuple[float, int]:
    offset = tensor.Offset(_QUANTIZATION)
    found = Table(tensor.Bytes, tensor.Indirect(tensor.Pos + offset))
    return float(numbers(found, _SCALE, "<f4")[0]), int(numbers(found, _ZERO_POINT, "<i8")[0])


_READERS = {".onnx": _onnx, ".tflite": _tflite}
