"""Writing a .tflite file so that whatever repeats is stored once. No torch.

Constants that are equal byte for byte are stored once, whichever signature reads them, and
constants that differ are never merged; both directions are proved on the written bytes
(`check_constants`). Files are canonical: no metadata, no timestamps, short stable tensor names,
unused tensors and buffers left out, so that equal models are equal bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from iast_export.errors import ToolError
from iast_export.formats.tflite_file import (
    Array,
    Graph,
    Model,
    Signature,
    buffer_bytes,
    find_signature,
    op_name,
    schema,
    signatures,
    tensor_shape,
    text,
)

# Bytes, as the TFLite schema asks of a buffer (`force_align: 16`).
_BUFFER_ALIGNMENT = 16


def canonicalize(model: Model) -> None:
    """Strips metadata, removes what nothing reads, shares equal constants and renames; in place."""
    model.metadata = None
    model.description = None
    model.metadataBuffer = None
    for graph in model.subgraphs:
        graph.debugMetadataIndex = -1
        for op in graph.operators:
            op.debugMetadataIndex = -1
        drop_unused_tensors(model, graph)
    for signature in signatures(model):
        _rename(model, signature)
    share_buffers(model)


def drop_unused_tensors(model: Model, graph: Graph) -> None:
    """Removes tensors that nothing names, and shares equal constant tensors."""
    used = {int(t) for op in graph.operators for t in [*op.inputs, *op.outputs] if t >= 0}
    used |= {int(t) for t in [*graph.inputs, *graph.outputs]}
    first: dict[tuple[object, ...], int] = {}
    target: dict[int, int] = {-1: -1}
    kept: list[Any] = []
    for i, tensor in enumerate(graph.tensors):
        if i not in used:
            continue
        raw = buffer_bytes(model, tensor)
        key = (raw, tensor.type, tensor_shape(tensor), _quantization_key(tensor)) if raw else (i,)
        if key not in first:
            first[key] = len(kept)
            kept.append(tensor)
        target[i] = first[key]
    graph.tensors = kept
    for op in graph.operators:
        op.inputs = [target[int(t)] for t in op.inputs]
        op.outputs = [target[int(t)] for t in op.outputs]
    graph.inputs = [target[int(t)] for t in graph.inputs]
    graph.outputs = [target[int(t)] for t in graph.outputs]
    for definition in model.signatureDefs or []:
        if model.subgraphs[definition.subgraphIndex] is graph:
            for entry in [*definition.inputs, *definition.outputs]:
                entry.tensorIndex = target[int(entry.tensorIndex)]


def operator_code(model: Model, name: str, version: int = 2) -> int:
    """The index of an operator's code, registered in that version where the model lacks it."""
    number = getattr(schema().BuiltinOperator, name)
    numbers = [max(c.builtinCode, c.deprecatedBuiltinCode) for c in model.operatorCodes]
    if number not in numbers:
        code = schema().OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, number, version
        model.operatorCodes.append(code)
        numbers.append(number)
    return numbers.index(number)


def _quantization_key(tensor: Any) -> tuple[object, ...]:
    q = tensor.quantization
    if q is None or q.scale is None or len(q.scale) == 0:
        return ()
    points = () if q.zeroPoint is None else tuple(int(z) for z in q.zeroPoint)
    return tuple(float(x) for x in q.scale), points, int(q.quantizedDimension)


def _rename(model: Model, signature: Signature) -> None:
    graph = model.subgraphs[signature.subgraph]
    graph.name = signature.key
    names: dict[int, str] = {}
    for n, op in enumerate(graph.operators):
        for k, t in enumerate(op.outputs):
            names[int(t)] = f"{signature.key}/{n:03d}_{op_name(model, op)}" + (f"_{k}" if k else "")
    for name, t in [*signature.inputs.items(), *signature.outputs.items()]:
        names[t] = f"{signature.key}/{name}"
    for i, tensor in enumerate(graph.tensors):
        tensor.name = names.get(i)


def share_buffers(model: Model) -> None:
    """Stores equal constants once and drops buffers that nothing reads; in place.

    Buffers are merged only when every byte is equal. Tensors keep their own type, shape and
    quantization, which are not part of the buffer. Metadata, which points at buffers, is dropped.
    """
    s = schema()
    model.metadata = None
    empty = s.BufferT()
    buffers, index = [empty], {b"": 0}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            raw = buffer_bytes(model, tensor)
            if raw not in index:
                index[raw] = len(buffers)
                fresh = s.BufferT()
                fresh.data = np.frombuffer(raw, np.uint8)
                buffers.append(fresh)
            tensor.buffer = _Pending(index[raw])
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = tensor.buffer.index
    model.buffers = buffers


@dataclass(frozen=True)
class _Pending:
    """A buffer's new index, while old indices are still being read."""

    index: int


class _Once:
    """Packs a table into a flatbuffer once; later tables point at the same place."""

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped
        self._offset: int | None = None

    def Pack(self, builder: Any) -> int:  # noqa: N802 - the name that the schema's classes call
        if self._offset is None:
            self._offset = int(self.wrapped.Pack(builder))
        return self._offset


def sharing_builder() -> Any:
    """A flatbuffer builder that writes equal vectors once, and buffers aligned to 16 bytes."""
    import flatbuffers

    class SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(1 << 20)
            self.written: dict[tuple[str, bytes], int] = {}

        def CreateNumpyVector(self, x: Array) -> int:  # noqa: N802
            key = (x.dtype.str, x.tobytes())
            if key not in self.written:
                align = _BUFFER_ALIGNMENT if x.dtype == np.uint8 else x.itemsize
                self.StartVector(x.itemsize, x.size, align)
                start = int(self.Head()) - len(key[1])
                self.head = start
                self.Bytes[start : start + len(key[1])] = key[1]
                self.written[key] = int(self.EndVector())
            return self.written[key]

    return SharingBuilder()


def serialize(
    model: Model, *, named_constants: bool = False, metadata: Mapping[str, bytes] | None = None
) -> bytes:
    """The model's bytes, in which whatever repeats is written once.

    That is: constants, quantization, options and shapes.

    Unused buffers are dropped and equal ones shared first; the model is otherwise left unchanged.
    With `named_constants` every constant gets a name of its own (`SIGNATURE/cNNN`), which tools
    that go by names need, and costs bytes. `metadata` is all that the file has of it, by entry.
    """
    share_buffers(model)
    compact = _compacted(model, named_constants)
    _attach(compact, metadata or {})
    builder = sharing_builder()
    builder.Finish(compact.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _attach(compact: Model, metadata: Mapping[str, bytes]) -> None:
    """Gives a shallow copy buffers of metadata, behind all others."""
    s, buffers = schema(), list(compact.buffers)
    compact.metadata = [] if metadata else None
    for name, data in metadata.items():
        buffer, entry = s.BufferT(), s.MetadataT()
        buffer.data = np.frombuffer(data, np.uint8)
        entry.name, entry.buffer = name, len(buffers)
        buffers.append(buffer)
        compact.metadata.append(entry)
    compact.buffers = buffers


def _compacted(model: Model, named_constants: bool) -> Model:
    """A shallow copy of the model's tables in which equal tables are one object."""
    pool: dict[str, _Once] = {}

    def once(table: Any) -> Any:
        return None if table is None else pool.setdefault(_content(table), _Once(table))

    compact = copy(model)
    compact.subgraphs = []
    for graph in model.subgraphs:
        graph = copy(graph)
        graph.tensors = [_compacted_tensor(model, t, once) for t in graph.tensors]
        for i, tensor in enumerate(graph.tensors if named_constants else []):
            if isinstance(tensor, _Once):
                graph.tensors[i] = copy(tensor.wrapped)
                graph.tensors[i].name = f"{text(graph.name)}/c{i:03d}"
        graph.operators = [copy(op) for op in graph.operators]
        for op in graph.operators:
            op.builtinOptions = once(op.builtinOptions)
        compact.subgraphs.append(graph)
    return compact


def _compacted_tensor(model: Model, tensor: Any, once: Callable[[Any], Any]) -> Any:
    """A tensor's table with vectors that can be shared; a constant is shared whole, unnamed."""
    small = copy(tensor)
    small.shape = np.array(tensor_shape(tensor), np.int32)
    if tensor.quantization is not None:
        small.quantization = q = copy(tensor.quantization)
        for field, dtype in (("scale", np.float32), ("zeroPoint", np.int64)):
            values = getattr(q, field)
            setattr(q, field, None if values is None else np.asarray(values, dtype))
        empty = q.scale is None or q.scale.size == 0
        small.quantization = None if empty else once(q)
    if not buffer_bytes(model, tensor):
        return small
    small.name = None
    return once(small)


def _content(value: Any) -> str:
    """A table's class and values, written out; equal text means equal tables."""
    if isinstance(value, _Once):
        return f"@{id(value)}"
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{value.tobytes().hex()}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_content(v) for v in value) + "]"
    if hasattr(value, "__dict__"):
        return (
            type(value).__name__
            + "{"
            + ",".join(f"{k}:{_content(v)}" for k, v in vars(value).items())
            + "}"
        )
    return repr(value)


def check_constants(before: Model, after: Model) -> None:
    """Proves that sharing changed no constant and left no two equal ones apart.

    Operators of both models must correspond one to one.

    Raises:
        ToolError: a constant reads other values than before, or equal constants are stored twice.
    """
    for signature in signatures(after):
        old = before.subgraphs[find_signature(before, signature.key).subgraph]
        new = after.subgraphs[signature.subgraph]
        for a, b in zip(old.operators, new.operators, strict=True):
            for i, j in zip(a.inputs, b.inputs, strict=True):
                if i >= 0 and not _reads_equal(before, old.tensors[i], after, new.tensors[j]):
                    raise ToolError(
                        f"signature {signature.key}: {text(new.tensors[j].name)} changed its "
                        "values",
                        "report this: sharing buffers merged constants that differ",
                    )
    stored = Counter(bytes(b.data) for b in after.buffers if b.data is not None and len(b.data))
    if stored and max(stored.values()) > 1:
        raise ToolError(
            "equal constants are stored more than once", "report this: sharing buffers failed"
        )


def _reads_equal(before: Model, a: Any, after: Model, b: Any) -> bool:
    same_type = a.type == b.type and tensor_shape(a) == tensor_shape(b)
    return same_type and buffer_bytes(before, a) == buffer_bytes(after, b)
