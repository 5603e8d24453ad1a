"""Which operators of a .tflite file the XNNPACK delegate takes, asked of the interpreter itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iast_export.errors import ToolError
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw


@dataclass(frozen=True)
class SignatureDelegation:
    """One signature: its operators, the delegate's partitions, and what stays outside.

    `not_taken` names every operator that runs on a built-in kernel, float islands included;
    `integer_not_taken` those of them that compute in integers.
    """

    operators: int
    partitions: int
    not_taken: Sequence[str]
    integer_not_taken: Sequence[str]


def delegation(path: Path) -> dict[str, SignatureDelegation]:
    """Signature key -> what XNNPACK takes of it, at the interpreter's default settings.

    A signature is taken whole when one partition reads the graph's inputs and writes all its
    outputs. Otherwise every operator is offered to the delegate alone, and those that it refuses
    are named.

    Raises:
        InputError: the file can't be read.
        ToolError: the interpreter fails on it.
    """
    model = tf.read_model(path)
    return {s.key: delegation_of(tf.extract_signature(model, s.key)) for s in tf.signatures(model)}


def delegation_of(model: tf.Model) -> SignatureDelegation:
    """What XNNPACK takes of a model of one signature or graph; errors as of `delegation`."""
    graph = model.subgraphs[0]
    partitions = _delegate_nodes(tw.serialize(model))
    wanted = {int(t) for t in graph.outputs}
    fed = {int(t) for t in graph.inputs}
    refused: list[int] = []
    if not (len(partitions) == 1 and _covers(model, graph, partitions[0], fed, wanted)):
        refused = [n for n in range(len(graph.operators)) if not taken_alone(model, n)]
    names = {n: tf.text(graph.tensors[int(graph.operators[n].outputs[0])].name) for n in refused}
    integer = [names[n] for n in refused if not tf.is_float(graph, graph.operators[n])]
    return SignatureDelegation(len(graph.operators), len(partitions), list(names.values()), integer)


def _covers(
    model: tf.Model, graph: tf.Graph, node: Mapping[str, Any], fed: set[int], wanted: set[int]
) -> bool:
    reads = {int(t) for t in node["inputs"] if t >= 0}
    computed = {
        t for t in reads if t < len(graph.tensors) and not tf.buffer_bytes(model, graph.tensors[t])
    }
    return wanted <= {int(t) for t in node["outputs"]} and computed <= fed


def _delegate_nodes(data: bytes) -> list[Mapping[str, Any]]:
    from ai_edge_litert.interpreter import Interpreter

    with tf.quiet_tools():
        interpreter = Interpreter(model_content=data, num_threads=1)
        interpreter.allocate_tensors()
        return [op for op in interpreter._get_ops_details() if op["op_name"] == "DELEGATE"]


def taken_alone(model: tf.Model, n: int) -> bool:
    """Whether the delegate takes operator `n`, with what unpacks its constants, as a graph."""
    whole = model.subgraphs[0]
    writer = {int(t): op for op in whole.operators for t in op.outputs}
    op = whole.operators[n]
    unpackers = [
        writer[int(t)]
        for t in op.inputs
        if int(t) in writer and _unpacks(model, whole, writer[int(t)])
    ]
    graph = copy(whole)
    graph.operators = [copy(o) for o in (*unpackers, op)]
    made = {int(t) for o in unpackers for t in o.outputs}
    read = [int(t) for t in op.inputs if t >= 0 and int(t) not in made]
    graph.inputs = [t for t in read if not tf.buffer_bytes(model, whole.tensors[t])]
    graph.outputs = [int(t) for t in op.outputs]
    alone = copy(model)
    alone.subgraphs, alone.signatureDefs = [graph], []
    tw.drop_unused_tensors(alone, graph)
    graph.tensors = [copy(t) for t in graph.tensors]
    try:
        return bool(_delegate_nodes(tw.serialize(alone)))
    except ToolError:
        return False


def _unpacks(model: tf.Model, graph: tf.Graph, op: Any) -> bool:
    constant = all(tf.buffer_bytes(model, graph.tensors[int(t)]) for t in op.inputs)
    return constant and tf.op_name(model, op) == "DEQUANTIZE"
