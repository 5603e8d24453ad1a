"""Which operators LiteRT's GPU delegate takes, known without a GPU or torch.

Each name was offered to the delegate itself in networks that hold it. What is not in the list is
not
promised: the delegate may take it all the same, and `gpu.refused_by_gpu` asks it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iast_export.formats import tflite_file as tf

# Of a tensor that the delegate takes: batch, height, width, channels.
MOST_DIMENSIONS = 4
# Of a tensor in FP16, channels in fours: the least maxStorageBufferRange that Vulkan allows a GPU.
MOST_BYTES = 2**27
TAKEN = frozenset(
    {
        "ABS",
        "ADD",
        "AVERAGE_POOL_2D",
        "BATCH_MATMUL",
        "CONCATENATION",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "DEPTH_TO_SPACE",
        "DEQUANTIZE",
        "DIV",
        "EXP",
        "FULLY_CONNECTED",
        "GELU",
        "GREATER",
        "GREATER_EQUAL",
        "HARD_SWISH",
        "LEAKY_RELU",
        "LOG",
        "LOGISTIC",
        "MAXIMUM",
        "MAX_POOL_2D",
        "MEAN",
        "MINIMUM",
        "MUL",
        "PAD",
        "POW",
        "QUANTIZE",
        "REDUCE_MAX",
        "RELU",
        "RESHAPE",
        "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR",
        "RSQRT",
        "SELECT",
        "SLICE",
        "SOFTMAX",
        "SPACE_TO_DEPTH",
        "SQRT",
        "SQUARED_DIFFERENCE",
        "SUB",
        "SUM",
        "TANH",
        "TRANSPOSE",
        "TRANSPOSE_CONV",
    }
)


@dataclass(frozen=True)
class GpuRefusal:
    """An operator that the delegate leaves to the CPU, and why."""

    operator: str
    reason: str


def left_to_cpu(data: bytes, where: object = "the model") -> dict[str, tuple[GpuRefusal, ...]]:
    """Signature key -> the operators of a .tflite file that the delegate is not known to take.

    Raises:
        InputError: it is no model, or a damaged one; `where` is for the message.
    """
    model = tf.parse(data, where)
    return {one.key: refusals(model, model.subgraphs[one.subgraph]) for one in tf.signatures(model)}


def refusals(model: tf.Model, graph: tf.Graph) -> tuple[GpuRefusal, ...]:
    """The operators of one graph that the delegate is not known to take."""
    found = [refusal(model, graph, op) for op in graph.operators]
    return tuple(one for one in found if one is not None)


def refusal(model: tf.Model, graph: tf.Graph, op: Any) -> GpuRefusal | None:
    """Why the delegate is not known to take an operator; None where it is."""
    name = tf.op_name(model, op)
    touched = [graph.tensors[int(t)] for t in (*op.inputs, *op.outputs) if int(t) >= 0]
    most = max((len(tf.tensor_shape(tensor)) for tensor in touched), default=0)
    if name not in TAKEN:
        return GpuRefusal(name, "not among those that the delegate takes")
    if most > MOST_DIMENSIONS:
        return GpuRefusal(name, f"a tensor of {most} dimensions")
    given = [graph.tensors[int(t)] for t in op.inputs if int(t) >= 0]
    computed = [tensor for tensor in given if not tf.buffer_bytes(model, tensor)]
    if not computed and name != "DEQUANTIZE":  # which FP16 files read their weights by
        return GpuRefusal(name, "no input that is computed")
    if name == "BATCH_MATMUL" and not _are_stacks(computed):
        return GpuRefusal(name, "other than two computed stacks of matrices")
    largest = max((_gpu_bytes(tf.tensor_shape(tensor)) for tensor in touched), default=0)
    if largest > MOST_BYTES:
        return GpuRefusal(name, f"a tensor of {largest / 2**20:.1f} MiB, which not every GPU holds")
    return None


def _are_stacks(computed: Sequence[Any]) -> bool:
    """Whether there are two computed factors, each a stack of matrices."""
    ranks = [len(tf.tensor_shape(tensor)) for tensor in computed]
    return len(ranks) == 2 and min(ranks) > 2


def held(shape: Sequence[int]) -> bool:
    """Whether every GPU holds a tensor of this shape, channels last, in FP16."""
    return _gpu_bytes(shape) <= MOST_BYTES


def _gpu_bytes(shape: Sequence[int]) -> int:
    """What a tensor takes on a GPU."""
    *rest, channels = (1, *shape)
    return 2 * math.prod(rest) * -(-channels // 4) * 4


def list_kinds(kinds: Mapping[tuple[str, str], int]) -> str:
    """Operators and reasons in one line, such as `2 TRANSPOSE (a tensor of 6 dimensions)`."""
    return ", ".join(f"{count} {name} ({reason})" for (name, reason), count in kinds.items())
