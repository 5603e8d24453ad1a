"""The operator groups of a TFLite graph: what may compute in INT8 or stay in float, each whole.

No torch.
"""

from __future__ import annotations

from pathlib import Path

from iast_export.formats import tflite_file as tf
from iast_export.quantize.litert.plan import (
    data_inputs,
    integer_operators,
    leads_group,
    result_name,
)
from iast_export.quantize.onnx.groups import OperatorGroup


def litert_groups(fp32_path: Path, signature: str) -> list[OperatorGroup]:
    """The groups of one signature that `quantize_litert` computes in integers, in the order of the
    graph.

    A group is a convolution or an integer sum with the movements and rectifiers around it, known by
    the name of what the convolution or sum writes.

    Raises:
        InputError: the file can't be read, or has no such signature.
    """
    model = tf.read_model(fp32_path)
    graph = model.subgraphs[tf.find_signature(model, signature).subgraph]
    chosen = integer_operators(model, graph)
    names = [tf.op_name(model, op) for op in graph.operators]
    owner = _owners(
        model, graph, chosen, {n for n in chosen if leads_group(model, graph, graph.operators[n])}
    )
    return [
        OperatorGroup(
            result_name(graph, graph.operators[kernel]),
            tuple(names[n] for n in sorted(owner) if owner[n] == kernel),
        )
        for kernel in sorted(set(owner.values()))
    ]


def _owners(
    model: tf.Model, graph: tf.Graph, chosen: set[int], kernels: set[int]
) -> dict[int, int]:
    """For each chosen operator the kernel that it goes with: the one before it, else one that it
    feeds."""
    producer = {int(t): n for n, op in enumerate(graph.operators) for t in op.outputs}
    owner = {n: n for n in kernels}
    for n in sorted(chosen - kernels):
        before = [producer.get(t, -1) for t in data_inputs(model, graph, n)]
        found = [owner[b] for b in before if b in owner]
        if found:
            owner[n] = found[0]
    for n in sorted(chosen - set(owner), reverse=True):
        results = {int(t) for t in graph.operators[n].outputs}
        readers = [
            r for r in sorted(owner) if results & {int(t) for t in graph.operators[r].inputs}
        ]
        if readers:
            owner[n] = owner[readers[0]]
    return owner
