"""Whether bytes are a TFLite model that can be read: layout, then what numbers point to. No torch.

A flatbuffer is offsets into itself. `check_layout` follows every one of them before anything is
parsed, so that a damaged file can neither send the parser astray nor make it unfold into gigabytes;
`check_model` then holds the parsed model to what every reader takes for granted: indices in range,
known types, shapes that fit the stored bytes, operators in an order in which they can run.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from iast_export.formats.damage import DamagedError

Field: TypeAlias = "int | str | tuple[int | str]"
"""Bytes of a number, the name of a table, or one of either in a vector; "text" is a string."""

# The slots of each table that hold more than the parser can read without looking (TFLite schema 3).
_TABLES: Mapping[str, Mapping[int, Field]] = {
    "Model": {
        0: 4,
        1: ("OperatorCode",),
        2: ("SubGraph",),
        3: "text",
        4: ("Buffer",),
        5: (4,),
        6: ("Metadata",),
        7: ("SignatureDef",),
        8: ("none",),
        9: ("none",),
    },
    "OperatorCode": {0: 1, 1: "text", 2: 4, 3: 4},
    "SubGraph": {0: ("Tensor",), 1: (4,), 2: (4,), 3: ("Operator",), 4: "text", 5: 4},
    "Tensor": {
        0: (4,),
        1: 1,
        2: 4,
        3: "text",
        4: "Quantization",
        5: 1,
        6: "Sparsity",
        7: (4,),
        8: 1,
        9: ("Variant",),
        10: 4,
    },
    "Quantization": {0: (4,), 1: (4,), 2: (4,), 3: (8,), 4: 1, 5: "other", 6: 4},
    "Sparsity": {0: (4,), 1: (4,), 2: ("Dimension",)},
    "Dimension": {0: 1, 1: 4, 2: 1, 3: "other", 4: 1, 5: "other"},
    "Variant": {0: (4,), 1: 1, 2: 1},
    "Operator": {
        0: 4,
        1: (4,),
        2: (4,),
        3: 1,
        4: "other",
        5: (1,),
        6: 1,
        7: (1,),
        8: (4,),
        9: 8,
        10: 8,
        11: 1,
        12: "other",
        13: 4,
    },
    "Buffer": {0: (1,), 1: 8, 2: 8},
    "Metadata": {0: "text", 1: 4},
    "SignatureDef": {0: ("TensorMap",), 1: ("TensorMap",), 2: "text", 4: 4},
    "TensorMap": {0: "text", 1: 4},
    "other": {},
}
_ITEM_BITS: Mapping[str, int] = {
    **dict.fromkeys(("FLOAT32", "INT32", "UINT32"), 32),
    **dict.fromkeys(("FLOAT16", "BFLOAT16", "INT16", "UINT16"), 16),
    **dict.fromkeys(("INT8", "UINT8", "BOOL"), 8),
    **dict.fromkeys(("INT64", "UINT64", "FLOAT64", "COMPLEX64"), 64),
    "COMPLEX128": 128,
    "INT4": 4,
    "INT2": 2,
}
# What the tables of a whole file may repeat beyond twice its size; chosen: small files share more
# of themselves than large ones.
_SLACK_BYTES = 1 << 16


def check_layout(data: bytes, times: int = 1) -> None:
    """Follows every offset of a .tflite file.

    Args:
        times: how often its parts may be shared: more than once only in what we wrote ourselves.

    Raises:
        DamagedError: one leads out of the file, a name is not UTF-8, or parts overlap.
    """
    walk = _Walk(data, times)
    try:
        walk.follow(0, "Model")
    except struct.error as error:
        raise DamagedError("an offset leads out of the file") from error


class _Walk:
    """Visits tables, which together may hold no more than the file: else it unfolds when parsed."""

    def __init__(self, data: bytes, times: int) -> None:
        self._data = data
        self._left = times * (2 * len(data) + _SLACK_BYTES)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise DamagedError("its parts overlap")

    def _u32(self, at: int) -> int:
        return int(struct.unpack_from("<I", self._data, at)[0])

    def follow(self, at: int, kind: str) -> None:
        """The table or text that the offset at `at` points to."""
        target = at + self._u32(at)
        if kind == "text":
            self._text(target)
        else:
            self._table(target, kind)

    def _text(self, at: int) -> None:
        size = self._vector(at, 1)
        try:
            self._data[at + 4 : at + 4 + size].decode("utf-8")
        except UnicodeDecodeError as error:
            raise DamagedError("a name is not UTF-8") from error

    def _vector(self, at: int, item_bytes: int) -> int:
        size = self._u32(at)
        self._spend(size * item_bytes)
        if at + 4 + size * item_bytes > len(self._data):
            raise DamagedError("a list is longer than the file")
        return size

    def _table(self, at: int, kind: str) -> None:
        if kind not in _TABLES:
            raise DamagedError("it keeps data outside of itself")
        back = int(struct.unpack_from("<i", self._data, at)[0])
        index = at - back
        if index < 0:
            raise DamagedError("an offset leads out of the file")
        index_bytes, table_bytes = struct.unpack_from("<HH", self._data, index)
        self._spend(4)
        if index_bytes < 4 or index_bytes % 2 or table_bytes < 4:
            raise DamagedError("a table's index is broken")
        if max(index + index_bytes, at + table_bytes) > len(self._data):
            raise DamagedError("a table ends beyond the file")
        offsets = struct.unpack_from(f"<{index_bytes // 2 - 2}H", self._data, index + 4)
        if max(offsets, default=0) >= table_bytes:
            raise DamagedError("a table's field lies outside of it")
        for slot, field in _TABLES[kind].items():
            if slot < len(offsets) and offsets[slot]:
                self._field(at + offsets[slot], at + table_bytes, field)

    def _field(self, at: int, end: int, field: Field) -> None:
        if at + (field if isinstance(field, int) else 4) > end:
            raise DamagedError("a table's field lies outside of it")
        if isinstance(field, tuple):
            start, (item,) = at + self._u32(at), field
            size = self._vector(start, item if isinstance(item, int) else 4)
            if not isinstance(item, int):
                for n in range(size):
                    self.follow(start + 4 + 4 * n, item)
        elif isinstance(field, str):
            self.follow(at, field)


@cache
def _enum(name: str) -> Mapping[int, str]:
    from ai_edge_litert import schema_py_generated

    found = vars(getattr(schema_py_generated, name))
    return {value: key for key, value in found.items() if isinstance(value, int)}


def check_model(model: Any, size_bytes: int) -> None:
    """Holds a parsed model to what every reader takes for granted.

    Args:
        model: `ModelT`, parsed from bytes that passed `check_layout`.
        size_bytes: of the file.

    Raises:
        DamagedError: what is not so.
    """
    if model.version != 3:
        raise DamagedError(f"schema version {model.version}, 3 is needed")
    graphs = _some(model.subgraphs, "subgraph")
    _some(model.buffers, "buffer")
    for code in _some(model.operatorCodes, "operator code"):
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        if number not in _enum("BuiltinOperator") or code.version < 1:
            raise DamagedError(f"operator code {number} in version {code.version} is unknown")
    for buffer in model.buffers:
        if buffer.offset > 1 or buffer.size > 1:
            raise DamagedError("it keeps data outside of its buffers")
    for number, graph in enumerate(graphs):
        _check_graph(model, graph, f"subgraph {number}")
    _check_options(graphs, size_bytes)
    _check_signatures(model)
    for item in model.metadata or []:
        _within(item.buffer, model.buffers, "a buffer of the metadata")


def _some(items: Any, what: str) -> Any:
    if not items:
        raise DamagedError(f"it has no {what}")
    return items


def _within(index: int, items: Any, what: str) -> None:
    if not 0 <= int(index) < len(items):
        raise DamagedError(f"{what} is {int(index)} of {len(items)}")


def _indices(items: Any) -> list[int]:
    return [] if items is None else [int(one) for one in items]


def _check_graph(model: Any, graph: Any, where: str) -> None:
    tensors = _some(graph.tensors, f"tensor in {where}")
    if graph.inputs is None or graph.outputs is None or graph.operators is None:
        raise DamagedError(f"{where} has no inputs, outputs or operators")
    used = {*_indices(graph.inputs), *_indices(graph.outputs)}
    used.update(i for op in graph.operators for i in (*_indices(op.inputs), *_indices(op.outputs)))
    for number, tensor in enumerate(tensors):
        _check_tensor(model, tensor, f"tensor {number} of {where}")
        if number in used:
            _check_stored(model, tensor, f"tensor {number} of {where}")
    for index in (*_indices(graph.inputs), *_indices(graph.outputs)):
        _within(index, tensors, f"an edge of {where}")
    ready = {i for i, one in enumerate(tensors) if _is_stored(model, one) or one.isVariable}
    ready.update(_indices(graph.inputs))
    for number, op in enumerate(graph.operators):
        _check_operator(model, tensors, op, ready, f"operator {number} of {where}")
    if not ready.issuperset(_indices(graph.outputs)):
        raise DamagedError(f"nothing makes an output of {where}")


# Operators whose later inputs may be left out (-1), by the first of those: a bias, a part of a
# cell.
_OPTIONAL_FROM = {
    **dict.fromkeys(("CONV_2D", "CONV_3D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"), 2),
    **dict.fromkeys(("TRANSPOSE_CONV", "CONV_3D_TRANSPOSE", "SVDF"), 3),
    **dict.fromkeys(("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM"), 1),
    **dict.fromkeys(("BIDIRECTIONAL_SEQUENCE_RNN", "CUSTOM"), 1),
}


def _check_operator(model: Any, tensors: Any, op: Any, ready: set[int], where: str) -> None:
    _within(op.opcodeIndex, model.operatorCodes, f"the code of {where}")
    code = model.operatorCodes[op.opcodeIndex]
    name = _enum("BuiltinOperator")[max(code.builtinCode, code.deprecatedBuiltinCode)]
    if any(index == -1 for index in _indices(op.inputs)[: _OPTIONAL_FROM.get(name)]):
        raise DamagedError(f"{where} lacks an input that {name} needs")
    for index in (*_indices(op.inputs), *_indices(op.intermediates)):
        _within(index + 1, range(len(tensors) + 1), f"an input of {where}")
        if index >= 0 and index not in ready and index in _indices(op.inputs):
            raise DamagedError(f"{where} reads what nothing has made")
    made = _indices(op.outputs)
    for index in made:
        _within(index, tensors, f"an output of {where}")
    if len(set(made)) < len(made) or not ready.isdisjoint(made):
        raise DamagedError(f"{where} writes what is there already")
    ready.update(made)
    kinds = (("BuiltinOptions", op.builtinOptionsType), ("BuiltinOptions2", op.builtinOptions2Type))
    for enum, number in kinds:
        if number not in _enum(enum):
            raise DamagedError(f"{where} has options of an unknown kind {number}")


def _check_tensor(model: Any, tensor: Any, where: str) -> None:
    kind = _enum("TensorType").get(tensor.type)
    if kind is None:
        raise DamagedError(f"{where} has an unknown type {tensor.type}")
    _within(tensor.buffer, model.buffers, f"the buffer of {where}")
    if tensor.externalBuffer:
        raise DamagedError(f"{where} keeps data outside of the file")
    shape = _indices(tensor.shape)
    if any(side < 0 for side in shape):
        raise DamagedError(f"{where} has the shape {shape}")
    if tensor.quantization is not None:
        _check_quantization(tensor.quantization, shape, where)


def _check_stored(model: Any, tensor: Any, where: str) -> None:
    """Holds what is stored to the shape.

    Only of tensors in use: the quantizer leaves others, whose buffer it gave away.
    """
    kind, shape = _enum("TensorType")[tensor.type], _indices(tensor.shape)
    stored = model.buffers[tensor.buffer].data
    if stored is not None and len(stored) and kind in _ITEM_BITS and tensor.sparsity is None:
        needed = -(-math.prod(shape) * _ITEM_BITS[kind] // 8)
        if len(stored) != needed:
            raise DamagedError(f"{where} stores {len(stored)} bytes, {kind} {shape} needs {needed}")


def _check_quantization(found: Any, shape: list[int], where: str) -> None:
    scales = np.asarray([] if found.scale is None else found.scale)
    points = np.asarray([] if found.zeroPoint is None else found.zeroPoint)
    if not len(scales):
        return
    if not np.isfinite(scales).all() or (scales < 0).any() or (len(scales) == 1 and scales[0] == 0):
        raise DamagedError(f"{where} has a scale that is no number above 0")
    if len(points) and (len(points) not in (1, len(scales)) or np.abs(points).max() > 1 << 31):
        raise DamagedError(
            f"{where} has {len(scales)} scales and zero points that don't go with them"
        )
    if len(scales) > 1:
        _within(found.quantizedDimension, shape, f"the quantized dimension of {where}")
        if shape[found.quantizedDimension] != len(scales):
            raise DamagedError(f"{where} of shape {shape} has {len(scales)} scales")


def _is_stored(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return (data is not None and len(data) > 0) or 0 in _indices(tensor.shape)


def _check_options(graphs: Iterable[Any], size_bytes: int) -> None:
    """What options hold in lists is part of the file too, and no more than it."""
    held = 0
    for graph in graphs:
        for op in graph.operators:
            for options in (op.builtinOptions, op.builtinOptions2):
                held += (
                    sum(v.nbytes for v in vars(options).values() if isinstance(v, np.ndarray))
                    if options
                    else 0
                )
    if held > 2 * size_bytes + _SLACK_BYTES:
        raise DamagedError("its parts overlap")


def _check_signatures(model: Any) -> None:
    keys = set()
    for found in model.signatureDefs or []:
        key = (found.signatureKey or b"").decode()
        if not key or key in keys:
            raise DamagedError(f"two signatures or none are called {key!r}")
        keys.add(key)
        _within(found.subgraphIndex, model.subgraphs, "the subgraph of a signature")
        tensors = model.subgraphs[found.subgraphIndex].tensors
        for maps in (found.inputs or [], found.outputs or []):
            names = [one.name for one in maps]
            if len(set(names)) < len(names) or not all(names):
                raise DamagedError(f"signature {key!r} has edges without names of their own")
            for one in maps:
                _within(one.tensorIndex, tensors, f"an edge of signature {key!r}")
