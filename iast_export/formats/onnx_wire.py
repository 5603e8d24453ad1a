"""Whether an ONNX file keeps data outside of itself, read from its bytes alone, without onnx.

ONNX Runtime fetches external data from wherever the file says, and no hash of the file covers it; a
model may even point into the memory of the process. A session is opened hundreds of times, the onnx
package costs as much as opening one, so that the few fields that lead to tensors are followed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from iast_export.errors import InputError

# Message -> field number -> message inside: every way from a model to a tensor (onnx.proto).
_WAYS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
# Field numbers of a TensorProto (onnx.proto).
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_DEEPEST = 90  # protobuf itself refuses more than 100 messages inside one another


def refuse_external_data(data: bytes, where: object) -> None:
    """Refuses a model with tensors whose values lie in other files.

    Args:
        data: a serialized ModelProto.
        where: for the message.

    Raises:
        InputError: it has such tensors, or is no serialized message.
    """
    try:
        outside = _is_outside(memoryview(data), "model", 0)
    except (ValueError, IndexError) as error:
        raise InputError(
            f"{where} is truncated or damaged: it is no ONNX model",
            "build it again or copy it again",
        ) from error
    if outside:
        raise InputError(
            f"{where} keeps values in another file, which nothing vouches for",
            "save it as one file: onnx.save(model, path, save_as_external_data=False)",
        )


def _is_outside(data: memoryview, kind: str, depth: int) -> bool:
    if depth > _DEEPEST:
        raise ValueError("too deep")
    ways = _WAYS.get(kind, {})
    for number, value in _fields(data):
        if kind == "tensor":
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
                return True
        elif (
            number in ways
            and isinstance(value, memoryview)
            and _is_outside(value, ways[number], depth + 1)
        ):
            return True
    return False


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of every field; numbers of fixed size are left out.

    Raises:
        ValueError: a field ends beyond the message, or is of no known kind.
    """
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        size, at = _varint(data, at) if kind == 2 else ({1: 8, 5: 4}.get(kind, -1), at)
        if size < 0 or at + size > end:
            raise ValueError("a field ends beyond the message")
        if kind == 2:
            yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & (1 << 64) - 1, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than ten bytes")
