"""Convolutions over a padded tensor that is too large for a GPU, in bands of rows. No torch.

A picture of 1024 x 1024 px with 64 channels is 128 MiB in FP16, all that Vulkan asks a GPU to bind,
and two rows of padding pass that. Each band takes its rows from what the padding is made of, so
that the padded tensor is never there; the bands' results are joined. Exact: every result is
computed from the same values in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw

NAME = "row-bands"  # in reports
# Chosen: 16 bands of a tensor that would hold 2 GiB.
_MOST_BANDS = 16
_ROWS, _COLUMNS = 1, 2
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
Held = Callable[[Sequence[int]], bool]
"""Whether a tensor of a shape is small enough."""


def band_rows(model: tf.Model, is_held: Held) -> int:
    """Computes in bands what reads a padded tensor that is too large, in place; at how many places.

    Args:
        model: in FP32.
        is_held: of a shape [N, H, W, C].
    """
    return sum(
        _band(model, graph, op, is_held)
        for graph in model.subgraphs
        for op in list(graph.operators)
        if tf.op_name(model, op) in _CONVOLUTIONS
    )


def _band(model: tf.Model, graph: tf.Graph, op: Any, is_held: Held) -> bool:
    """Replaces one convolution, if its input alone is too large and can be made row by row."""
    source, result = int(op.inputs[0]), int(op.outputs[0])
    shape, made = (tf.tensor_shape(graph.tensors[t]) for t in (source, result))
    valid = tf.schema().Padding.VALID
    if is_held(shape) or not is_held(made) or op.builtinOptions.padding != valid:
        return False
    for count in range(2, _MOST_BANDS + 1):
        rows = _Rows(model, graph, is_held)
        try:
            joined = [rows.convolve(op, *ends) for ends in _bands(made[_ROWS], count)]
        except _TooLargeError:
            continue
        rows.join(joined, _ROWS, result)
        place = graph.operators.index(op)
        graph.tensors += rows.tensors
        graph.operators[place : place + 1] = rows.made
        _drop_unread(graph)
        return True
    return False


def _bands(rows: int, count: int) -> list[tuple[int, int]]:
    ends = [rows * n // count for n in range(count + 1)]
    return list(zip(ends[:-1], ends[1:], strict=True))


class _TooLargeError(Exception):
    """A band is too large itself, or can't be made row by row."""


@dataclass
class _Rows:
    """Writes operators that make some rows of a tensor, never the tensor if it is too large."""

    model: tf.Model
    graph: tf.Graph
    is_held: Held
    tensors: list[Any] = field(default_factory=list)
    made: list[Any] = field(default_factory=list)

    def convolve(self, op: Any, first: int, last: int) -> int:
        """Rows `first` to `last`, exclusive, of a convolution's result."""
        options = op.builtinOptions
        height = tf.tensor_shape(self.graph.tensors[int(op.inputs[1])])[1]
        reach = (height - 1) * int(options.dilationHFactor or 1) + 1
        stride = int(options.strideH)
        source = self.rows(int(op.inputs[0]), first * stride, (last - 1) * stride + reach)
        _, _, *rest = tf.tensor_shape(self.graph.tensors[int(op.outputs[0])])
        result = self._tensor((1, last - first, *rest))
        new = tf.schema().OperatorT()
        new.opcodeIndex, new.builtinOptions = op.opcodeIndex, options
        new.builtinOptionsType = op.builtinOptionsType
        new.inputs, new.outputs = [source, *map(int, op.inputs[1:])], [result]
        self.made.append(new)
        return result

    def rows(self, tensor: int, first: int, last: int) -> int:
        """The tensor that holds those rows."""
        shape = self._shape(tensor)
        writer = next((op for op in self.graph.operators if tensor in map(int, op.outputs)), None)
        sources = [] if writer is None else [self._shape(int(t)) for t in writer.inputs]
        if writer is None or all(map(self.is_held, [shape, *sources])):
            if (first, last) == (0, shape[_ROWS]):
                return tensor
            return self._sliced(tensor, [0, first, 0, 0], [1, last - first, *shape[2:]])
        name = tf.op_name(self.model, writer)
        if name == "CONCATENATION" and int(writer.builtinOptions.axis) % 4 == _ROWS:
            return self.join(self._overlaps(writer, first, last), _ROWS)
        if name == "CONCATENATION" and int(writer.builtinOptions.axis) % 4 == _COLUMNS:
            return self.join([self.rows(int(t), first, last) for t in writer.inputs], _COLUMNS)
        if name == "SLICE":
            return self._rows_of_slice(writer, first, last)
        raise _TooLargeError

    def join(self, parts: list[int], axis: int, target: int | None = None) -> int:
        """One tensor of several; `target` where it is there already."""
        if len(parts) == 1 and target is None:
            return parts[0]
        shape = list(self._shape(parts[0]))
        shape[axis] = sum(self._shape(part)[axis] for part in parts)
        schema, op = tf.schema(), tf.schema().OperatorT()
        op.builtinOptions = schema.ConcatenationOptionsT()
        op.builtinOptions.axis = axis
        op.builtinOptionsType = schema.BuiltinOptions.ConcatenationOptions
        op.opcodeIndex = tw.operator_code(self.model, "CONCATENATION")
        op.inputs, op.outputs = parts, [self._tensor(shape) if target is None else target]
        self.made.append(op)
        return int(op.outputs[0])

    def _overlaps(self, writer: Any, first: int, last: int) -> list[int]:
        """The parts of a concatenation of rows that hold some of the rows wanted."""
        parts, begin = [], 0
        for part in map(int, writer.inputs):
            end = begin + self._shape(part)[_ROWS]
            if begin < last and first < end:
                parts.append(self.rows(part, max(first, begin) - begin, min(last, end) - begin))
            begin = end
        return parts

    def _rows_of_slice(self, writer: Any, first: int, last: int) -> int:
        begin = tf.constant(self.model, self.graph.tensors[int(writer.inputs[1])])
        if begin is None:
            raise _TooLargeError
        _, top, left, channel = (int(one) for one in begin)
        source = self.rows(int(writer.inputs[0]), top + first, top + last)
        shape = self._shape(int(writer.outputs[0]))
        return self._sliced(source, [0, 0, left, channel], [1, last - first, *shape[2:]])

    def _sliced(self, tensor: int, begin: list[int], size: list[int]) -> int:
        schema, op = tf.schema(), tf.schema().OperatorT()
        if not self.is_held(self._shape(tensor)):
            raise _TooLargeError
        op.builtinOptions = schema.SliceOptionsT()
        op.builtinOptionsType = schema.BuiltinOptions.SliceOptions
        op.opcodeIndex = tw.operator_code(self.model, "SLICE")
        op.inputs = [tensor, self._constant(begin), self._constant(size)]
        op.outputs = [self._tensor(size)]
        self.made.append(op)
        return int(op.outputs[0])

    def _constant(self, values: list[int]) -> int:
        tensor, buffer = tf.schema().TensorT(), tf.schema().BufferT()
        buffer.data = np.array(values, np.int32).view(np.uint8)
        self.model.buffers.append(buffer)
        tensor.shape, tensor.type = np.array([len(values)], np.int32), tf.schema().TensorType.INT32
        tensor.buffer, tensor.name = len(self.model.buffers) - 1, f"band{len(self.tensors)}"
        return self._add(tensor)

    def _tensor(self, shape: Sequence[int]) -> int:
        if not self.is_held(shape):
            raise _TooLargeError
        tensor = tf.schema().TensorT()
        tensor.shape, tensor.type = np.array(shape, np.int32), tf.schema().TensorType.FLOAT32
        tensor.buffer, tensor.name = 0, f"band{len(self.tensors)}"
        return self._add(tensor)

    def _add(self, tensor: Any) -> int:
        self.tensors.append(tensor)
        return len(self.graph.tensors) + len(self.tensors) - 1

    def _shape(self, tensor: int) -> tuple[int, ...]:
        known = len(self.graph.tensors)
        found = self.graph.tensors[tensor] if tensor < known else self.tensors[tensor - known]
        return tf.tensor_shape(found)


def _drop_unread(graph: tf.Graph) -> None:
    """Removes operators whose results nothing reads any more."""
    while True:
        read = {int(t) for op in graph.operators for t in op.inputs}
        read |= {int(t) for t in graph.outputs}
        kept = [op for op in graph.operators if any(int(t) in read for t in op.outputs)]
        if len(kept) == len(graph.operators):
            return
        graph.operators = kept
