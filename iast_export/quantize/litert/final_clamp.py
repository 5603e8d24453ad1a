"""The clamp to [0, 1] that ends a network: integers in steps of 1/255 saturate there anyhow."""

from __future__ import annotations

from collections.abc import Collection

from iast_export.decide.decide import Decisions, decide_litert
from iast_export.decide.flow import Flow
from iast_export.decide.graph import Op
from iast_export.decide.read_litert import tensor_name
from iast_export.formats import tflite_file as tf
from iast_export.forms.tflite_forms import unit_clamp
from iast_export.specs import STYLIZED


def without_final_clamp(
    model: tf.Model, signature: tf.Signature, in_float: Collection[str] = ()
) -> Decisions:
    """Removes a clamp to [0, 1] between an integer operator and the output, in place.

    Returns:
        What is decided over the graph as it is then.
    """
    decisions = decide_litert(model, signature, in_float)
    last = _last_clamp(decisions, signature)
    clamp = unit_clamp(model, model.subgraphs[signature.subgraph], last.position) if last else []
    if not clamp:
        return decisions
    source = decisions.network.producers.get(decisions.network.ops[clamp[0]].inputs[0])
    if source is None or not decisions.is_integer(source):
        return decisions
    _bypass(model.subgraphs[signature.subgraph], clamp, source.position)
    return decide_litert(model, signature, in_float)


def _last_clamp(decisions: Decisions, signature: tf.Signature) -> Op | None:
    """What makes the picture, before what only moves its pixels."""
    flow = Flow(decisions.network, decisions.policy)
    if STYLIZED not in signature.outputs:
        return None
    op = decisions.network.producers.get(tensor_name(signature.outputs[STYLIZED]))
    while op is not None and flow.moves(op):
        op = decisions.network.producers.get(op.moved[0])
    return op


def _bypass(graph: tf.Graph, clamp: list[int], source: int) -> None:
    """Lets what reads a clamp read the operator before it, whose own part of the clamp goes too."""
    before = int(graph.operators[clamp[0]].inputs[0])
    after = int(graph.operators[clamp[-1]].outputs[0])
    made_by = graph.operators[source]
    if len(clamp) == 1:
        made_by.builtinOptions.fusedActivationFunction = tf.schema().ActivationFunctionType.NONE
    if after in [int(t) for t in graph.outputs]:
        made_by.outputs = [after if int(t) == before else int(t) for t in made_by.outputs]
        before, after = after, before
    for op in graph.operators:
        op.inputs = [before if int(t) == after else int(t) for t in op.inputs]
    graph.operators = [op for n, op in enumerate(graph.operators) if n not in clamp]
