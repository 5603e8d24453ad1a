"""Which tensors of an FP32 .tflite file overflow in a GPU's FP16, seen on the CPU alone.

FP16 ends at 65,504. Two things pass it: a value, such as a square before a normalization, and a sum
while it is taken, such as that of a mean over a whole picture, whose result is small again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.session import Array

LARGEST = float(np.finfo(np.float16).max)
_SUMS = ("MEAN", "SUM")


@dataclass(frozen=True)
class Overflow:
    """What an operator reaches, at most, in size, over all pictures; `of_sum`: while it sums."""

    tensor: str
    operator: str
    peak: float
    of_sum: bool

    def __str__(self) -> str:
        what = "sums up to" if self.of_sum else "reaches"
        return (
            f"{self.operator} {self.tensor} {what} {self.peak:,.0f}, beyond FP16's {LARGEST:,.0f}"
        )


def find_overflows(
    data: bytes, signature: str, feeds: Iterable[Mapping[str, Array]]
) -> tuple[Overflow, ...]:
    """The operators of a signature whose values or sums pass FP16's largest number, in graph order.

    Args:
        data: of an FP32 file.
        signature: its key.
        feeds: inputs of pictures, as `Session.run` takes them.

    Raises:
        InputError: it is no model, no such signature, or a feed that does not fit.
        ToolError: the runtime failed.
    """
    alone = tf.extract_signature(tf.parse(data), signature)
    session = open_litert(_exposed(alone), signature)
    peaks: dict[int, tuple[float, bool]] = {}
    for fed in feeds:
        values = session.invoke(session.prepared(fed))
        for n, op in enumerate(alone.subgraphs[0].operators):
            found = _peak(alone, op, values)
            if found[0] > peaks.get(n, (LARGEST, False))[0] or not np.isfinite(found[0]):
                peaks[n] = found
    graph = alone.subgraphs[0]
    return tuple(
        Overflow(
            tf.text(graph.tensors[int(graph.operators[n].outputs[0])].name),
            tf.op_name(alone, graph.operators[n]),
            *found,
        )
        for n, found in sorted(peaks.items())
    )


def _exposed(model: tf.Model) -> bytes:
    """The model with every computed or fed float tensor as an output, named by its index."""
    shown = deepcopy(model)
    graph, definition = shown.subgraphs[0], shown.signatureDefs[0]
    definition.outputs = []
    written = {int(t) for op in graph.operators for t in op.outputs}
    graph.outputs = sorted(t for t in written if tf.dtype_name(graph.tensors[t]) == "float32")
    for t in graph.outputs:
        entry = tf.schema().TensorMapT()
        entry.name, entry.tensorIndex = _key(t), t
        definition.outputs.append(entry)
    return tw.serialize(shown)


def _key(tensor: int) -> str:
    return f"t{tensor:05d}"


def _peak(model: tf.Model, op: Any, values: Mapping[str, Array]) -> tuple[float, bool]:
    """The largest size that an operator reaches, and whether it does while it sums."""
    graph = model.subgraphs[0]
    result = values.get(_key(int(op.outputs[0])))
    own = float(np.abs(result).max()) if result is not None and result.size else 0.0
    source = values.get(_key(int(op.inputs[0])))
    axes = tf.constant(model, graph.tensors[int(op.inputs[1])]) if len(op.inputs) > 1 else None
    if tf.op_name(model, op) not in _SUMS or source is None or axes is None:
        return own, False
    summed = float(np.abs(source).sum(tuple(int(axis) for axis in axes.reshape(-1))).max())
    return (summed, True) if summed > own else (own, False)
