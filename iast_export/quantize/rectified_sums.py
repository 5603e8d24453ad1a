"""Ranges around relu(a + b): values that the rectifier is sure to remove need no levels.

Where `a` lies below -max(b), the sum is negative whatever `b` is, and the result zero. Clipping `a`
there changes nothing, so its range may begin at -max(b), and likewise for `b`. On the packaged
network the branch from below reaches -50 where the skip ends at 1: its levels become five times as
fine, at no loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import GraphIndex
from iast_export.quantize.litert.plan import MOVEMENTS, data_inputs
from iast_export.quantize.onnx.plan import Plan, is_movement

Bounds = tuple[float, float]
Tensor = TypeVar("Tensor", str, int)


def tighten(
    ranges: Mapping[Tensor, Bounds], sums: Iterable[tuple[Tensor, Tensor]]
) -> dict[Tensor, Bounds]:
    """Ranges with the dead part of both terms of each rectified sum cut off.

    Args:
        ranges: (low, high) by tensor.
        sums: the two tensors of each relu(a + b), which nothing else reads.
    """
    tightened = dict(ranges)
    for a, b in sums:
        for own, other in ((a, b), (b, a)):
            low, high = ranges[own]
            tightened[own] = (min(max(low, -ranges[other][1]), high, 0.0), high)
    return tightened


def onnx_sums(nodes: Sequence[str], plan: Plan) -> list[tuple[str, str]]:
    """The roots of both terms of each rectified sum that alone reads them, computed in integers or
    not.

    Args:
        nodes: first outputs of the graph's operators, in order.
        plan: of that graph.
    """
    found = []
    for name in nodes:
        node = plan.index.producers[name]
        reader = plan.index.only_consumer(name)
        rectified = reader is not None and reader.op_type == "Relu"
        if node.op_type != "Add" or not rectified:
            continue
        a, b = (plan.root_of.get(source, "") for source in node.input)
        if a and b and a != b and all(_only_leads_to(plan.index, root, name) for root in (a, b)):
            found.append((a, b))
    return found


def _only_leads_to(index: GraphIndex, tensor: str, target: str) -> bool:
    """Whether a tensor is read, through movements, by the operator that makes `target` and nothing
    else."""
    reader = index.only_consumer(tensor)
    while reader is not None and reader.output[0] != target and is_movement(reader):
        tensor = reader.output[0]
        reader = index.only_consumer(tensor)
    return reader is not None and reader.output[0] == target


def litert_sums(
    model: tf.Model, graph: tf.Graph, chosen: set[int], root: Mapping[int, int]
) -> list[tuple[int, int]]:
    """As `onnx_sums`, over a TFLite graph; tensors by index.

    Args:
        model, graph: the graph, one of the model's.
        chosen: operators that compute in integers, which make and read the terms.
        root: from `tflite_graph.value_roots`.
    """
    found = []
    made = {int(t) for n in chosen for t in graph.operators[n].outputs}
    for n, op in enumerate(graph.operators):
        terms = [root[t] for t in data_inputs(model, graph, n) if t in made]
        if (
            tf.op_name(model, op) != "ADD"
            or len(set(terms)) != 2
            or not _rectified(model, graph, n)
        ):
            continue
        if all(_leads_to(model, graph, term, n) for term in terms):
            found.append((terms[0], terms[1]))
    return found


def _readers(graph: tf.Graph, tensor: int) -> list[int]:
    return [n for n, op in enumerate(graph.operators) if tensor in [int(t) for t in op.inputs]]


def _rectified(model: tf.Model, graph: tf.Graph, n: int) -> bool:
    """Whether a sum ends in a ReLU, fused or as its only reader."""
    op, relu = graph.operators[n], tf.schema().ActivationFunctionType.RELU
    if op.builtinOptions is not None and int(op.builtinOptions.fusedActivationFunction) == relu:
        return True
    result = int(op.outputs[0])
    readers = _readers(graph, result)
    inside = result not in [int(t) for t in graph.outputs]
    return inside and [tf.op_name(model, graph.operators[r]) for r in readers] == ["RELU"]


def _leads_to(model: tf.Model, graph: tf.Graph, tensor: int, target: int) -> bool:
    outputs = {int(t) for t in graph.outputs}
    while tensor not in outputs and len(readers := _readers(graph, tensor)) == 1:
        if readers[0] == target:
            return True
        op = graph.operators[readers[0]]
        if tf.op_name(model, op) not in MOVEMENTS:
            return False
        tensor = int(op.outputs[0])
    return False
