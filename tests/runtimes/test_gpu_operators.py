"""What no GPU is promised, told from the graph alone."""

from __future__ import annotations

import numpy as np
import pytest

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.runtimes.gpu_operators import MOST_BYTES, held, refusal


def refused(name: str, *inputs: tuple[bool, tuple[int, ...]]) -> str:
    """Why an operator is not promised; an input is whether it is computed, and its shape."""
    schema = tf.schema()
    model, graph, op = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    model.buffers, model.operatorCodes, graph.tensors = [schema.BufferT()], [], []
    for computed, shape in (*inputs, (True, inputs[0][1])):
        tensor, buffer = schema.TensorT(), schema.BufferT()
        tensor.shape, tensor.type = np.array(shape, np.int32), schema.TensorType.FLOAT32
        buffer.data = None if computed else np.zeros(4 * int(np.prod(shape)), np.uint8)
        model.buffers.append(buffer)
        tensor.buffer = len(model.buffers) - 1
        graph.tensors.append(tensor)
    op.opcodeIndex = tw.operator_code(model, name)
    op.inputs, op.outputs = list(range(len(inputs))), [len(inputs)]
    found = refusal(model, graph, op)
    return found.reason if found else ""


STACK, MATRIX, PICTURE = (2, 8, 8), (8, 8), (1, 8, 8, 4)


@pytest.mark.parametrize(
    ("name", "inputs", "reason"),
    [
        ("ADD", [(True, PICTURE), (True, PICTURE)], ""),
        ("ADD", [(True, (1, 2, 2, 2, 2))], "a tensor of 5 dimensions"),
        ("ADD", [(False, PICTURE), (False, PICTURE)], "no input that is computed"),
        ("DEQUANTIZE", [(False, PICTURE)], ""),
        ("GATHER_ND", [(True, PICTURE)], "not among those that the delegate takes"),
        ("ADD", [(True, (1, 1026, 1024, 64))], "a tensor of 128.2 MiB, which not every GPU holds"),
        ("BATCH_MATMUL", [(True, STACK), (True, STACK)], ""),
        ("BATCH_MATMUL", [(False, MATRIX), (True, MATRIX)], "other than two computed stacks"),
        ("BATCH_MATMUL", [(True, STACK), (True, MATRIX)], "other than two computed stacks"),
    ],
)
def test_what_no_gpu_is_promised_is_told_with_the_reason(
    name: str, inputs: list[tuple[bool, tuple[int, ...]]], reason: str
) -> None:
    found = refused(name, *inputs)
    assert found.startswith(reason) and bool(found) == bool(reason)


def test_channels_count_in_fours() -> None:
    side = int((MOST_BYTES // 8) ** 0.5)
    assert held((1, side, side, 4)) and held((1, side, side, 3))
    assert not held((1, side, side, 5))
