"""Whether a parsed ONNX model is what every reader takes for granted.

That is: known types, shapes that fit, names that are text.

protobuf checks neither: a type is any integer to it, a name any bytes, a shape any list.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import onnx
from onnx import AttributeProto, TensorProto

from iast_export.formats.damage import DamagedError

_FIELDS = {
    AttributeProto.FLOAT: "f",
    AttributeProto.INT: "i",
    AttributeProto.STRING: "s",
    AttributeProto.TENSOR: "t",
    AttributeProto.GRAPH: "g",
    AttributeProto.SPARSE_TENSOR: "sparse_tensor",
    AttributeProto.TYPE_PROTO: "tp",
    AttributeProto.FLOATS: "floats",
    AttributeProto.INTS: "ints",
    AttributeProto.STRINGS: "strings",
    AttributeProto.TENSORS: "tensors",
    AttributeProto.GRAPHS: "graphs",
    AttributeProto.SPARSE_TENSORS: "sparse_tensors",
    AttributeProto.TYPE_PROTOS: "type_protos",
}
_BITS_OF_NAME = {
    **dict.fromkeys(("FLOAT", "INT32", "UINT32"), 32),
    **dict.fromkeys(("DOUBLE", "INT64", "UINT64", "COMPLEX64"), 64),
    **dict.fromkeys(("FLOAT16", "BFLOAT16", "INT16", "UINT16"), 16),
    **dict.fromkeys(("INT4", "UINT4", "FLOAT4E2M1"), 4),
    **dict.fromkeys(("INT2", "UINT2"), 2),
    **dict.fromkeys(("FLOAT6E2M3", "FLOAT6E3M2"), 6),
    "COMPLEX128": 128,
}
_ITEM_BITS: dict[int, int] = {
    number: _BITS_OF_NAME.get(name, 8) for name, number in TensorProto.DataType.items()
}  # by name, since older onnx packages know fewer
_TYPED: dict[int, str] = {
    **dict.fromkeys((TensorProto.FLOAT, TensorProto.COMPLEX64), "float_data"),
    **dict.fromkeys((TensorProto.DOUBLE, TensorProto.COMPLEX128), "double_data"),
    **dict.fromkeys((TensorProto.UINT32, TensorProto.UINT64), "uint64_data"),
    TensorProto.INT64: "int64_data",
    TensorProto.STRING: "string_data",
}
_NEWEST_OPSET = (
    1000  # far beyond any; what is newer than the onnx package is for its checker to say
)


def check_onnx(model: onnx.ModelProto) -> None:
    """Holds a model to known types, shapes that fit the stored values, names that are text.

    Raises:
        DamagedError: what is not so.
    """
    try:
        if not model.ir_version >= 1 or not model.graph.node:
            raise DamagedError("it has no IR version or no operator")
        for one in model.opset_import:
            _texts((one.domain,))
            if not 1 <= one.version <= _NEWEST_OPSET:
                raise DamagedError(f"opset {one.version} of {one.domain!r} can't be")
        for item in model.metadata_props:
            _texts((item.key, item.value))
        _check_graph(model.graph)
        for function in model.functions:
            _texts((function.name, function.domain, *function.input, *function.output))
            _check_nodes(function.node, True)
    except UnicodeDecodeError as error:
        raise DamagedError("a name is not UTF-8") from error


def stored_bytes(item: onnx.TensorProto) -> int:
    """The bytes that a constant's values take, each in the bits of its type."""
    return -(-_size(item) * _ITEM_BITS[item.data_type] // 8)


def _size(item: onnx.TensorProto) -> int:
    return math.prod(int(side) for side in item.dims)


def _texts(values: Iterable[str]) -> None:
    """Refuses names that are not UTF-8, which come as bytes, and a NUL, which ends one early."""
    for value in values:
        if not isinstance(value, str):
            raise DamagedError("a name is not UTF-8")
        if "\0" in value:
            raise DamagedError("a name has a NUL in it")


def _check_graph(graph: onnx.GraphProto, in_function: bool = False) -> None:
    _texts((graph.name,))
    for item in graph.initializer:
        _check_tensor(item)
    for sparse in graph.sparse_initializer:
        _check_tensor(sparse.values)
        _check_tensor(sparse.indices)
    for value in (*graph.input, *graph.output, *graph.value_info):
        _texts((value.name,))
        _check_type(value.type, value.name)
    _check_nodes(graph.node, in_function)


def _check_nodes(nodes: Iterable[onnx.NodeProto], in_function: bool) -> None:
    for node in nodes:
        _texts((node.name, node.op_type, node.domain, *node.input, *node.output))
        if not node.op_type:
            raise DamagedError("an operator has no type")
        names = [one.name for one in node.attribute]
        _texts(names)
        if len(set(names)) < len(names):
            raise DamagedError(f"an operator {node.op_type} has an attribute twice")
        for one in node.attribute:
            _check_attribute(one, in_function)


def _check_attribute(one: onnx.AttributeProto, in_function: bool) -> None:
    if one.ref_attr_name:
        if not in_function:
            raise DamagedError(
                f"the attribute {one.name} refers to one of a function, outside of any"
            )
        _texts((one.ref_attr_name,))
        return
    field = _FIELDS.get(one.type)
    if field is None:
        raise DamagedError(f"the attribute {one.name} has an unknown type {one.type}")
    given = {single.name for single, _ in one.ListFields()} & set(_FIELDS.values())
    if given - {field}:
        raise DamagedError(
            f"the attribute {one.name} holds {', '.join(sorted(given))}, its type says {field}"
        )
    for tensor in _tensors(one):
        _check_tensor(tensor)
    for graph in (*([one.g] if one.HasField("g") else []), *one.graphs):
        _check_graph(graph, in_function)


def _tensors(one: onnx.AttributeProto) -> Iterator[onnx.TensorProto]:
    if one.HasField("t"):
        yield one.t
    yield from one.tensors
    for sparse in (
        *([one.sparse_tensor] if one.HasField("sparse_tensor") else []),
        *one.sparse_tensors,
    ):
        yield sparse.values
        yield sparse.indices


def _check_tensor(item: onnx.TensorProto) -> None:
    _texts((item.name,))
    if not _is_type(item.data_type):
        raise DamagedError(f"the constant {item.name!r} has an unknown type {item.data_type}")
    if item.HasField("segment") or item.external_data or item.data_location != TensorProto.DEFAULT:
        raise DamagedError(f"the constant {item.name!r} keeps its values elsewhere")
    if any(side < 0 for side in item.dims):
        raise DamagedError(f"the constant {item.name!r} has the shape {list(item.dims)}")
    raw = item.HasField("raw_data")
    if raw and item.data_type == TensorProto.STRING:
        raise DamagedError(f"the constant {item.name!r} has text as bytes")
    held = (
        len(item.raw_data) if raw else len(getattr(item, _TYPED.get(item.data_type, "int32_data")))
    )
    needed = stored_bytes(item) if raw else _numbers(item)
    if held != needed:
        raise DamagedError(
            f"the constant {item.name!r} of shape {list(item.dims)} holds {held}, not {needed}"
        )


def _numbers(item: onnx.TensorProto) -> int:
    """How many entries a typed list needs: two of a complex number, one of several small ones."""
    if item.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
        return 2 * _size(item)
    bits = _ITEM_BITS[item.data_type]
    return -(-_size(item) * min(bits, 8) // 8)


def _is_type(number: int) -> bool:
    return number != TensorProto.UNDEFINED and number in TensorProto.DataType.values()


def _check_type(found: onnx.TypeProto, name: str) -> None:
    kind = found.WhichOneof("value")
    if kind == "tensor_type":
        if not _is_type(found.tensor_type.elem_type):
            raise DamagedError(f"{name!r} has an unknown type {found.tensor_type.elem_type}")
        for side in found.tensor_type.shape.dim:
            _texts((side.dim_param,))
            if side.HasField("dim_value") and side.dim_value < 0:
                raise DamagedError(f"{name!r} has a side of {side.dim_value}")
