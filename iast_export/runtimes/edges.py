"""Inputs and outputs of a model file, as the runtime that it was made for tells them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from iast_export.families import Family
from iast_export.runtimes.litert import litert_interpreter, open_litert
from iast_export.runtimes.onnx import open_onnx


@dataclass(frozen=True)
class ModelEdge:
    """An input or output of a model file.

    Attributes:
        signature: that it belongs to; None where the format has none.
        direction: "input" or "output".
        name, dtype: as the runtime tells them.
        shape: sides, or the names of those that are free.
        quantization: scale and zero point; None where the format has none at its edges.
    """

    signature: str | None
    direction: str
    name: str
    dtype: str
    shape: tuple[int | str, ...]
    quantization: tuple[float, int] | None


def model_edges(family: Family, data: bytes, where: object) -> list[ModelEdge]:
    """Every edge of a file of `family`, signature by signature, inputs first.

    Args:
        family: that the file is of.
        data: its bytes.
        where: what they are, for messages.

    Raises:
        InputError: see `open_onnx`.
        ToolError: the runtime refuses the file.
    """
    return list(_READERS[family.suffix](data, where))


def _onnx_edges(data: bytes, where: object) -> Iterator[ModelEdge]:
    raw = open_onnx(data, where=where).raw
    for direction, items in (("input", raw.get_inputs()), ("output", raw.get_outputs())):
        for item in items:
            yield ModelEdge(None, direction, item.name, "float32", tuple(item.shape), None)


def _tflite_edges(data: bytes, where: object) -> Iterator[ModelEdge]:
    for signature in litert_interpreter(data, where).get_signature_list():
        session = open_litert(data, signature, where=where)
        for direction, details in (("input", session.inputs), ("output", session.outputs)):
            for name, detail in sorted(details.items()):
                shape = tuple(map(int, detail["shape"]))
                dtype, kept = detail["dtype"].__name__, detail["quantization"]
                yield ModelEdge(signature, direction, name, dtype, shape, kept)


_READERS = {".onnx": _onnx_edges, ".tflite": _tflite_edges}
