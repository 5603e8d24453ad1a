"""The clamp to [0, 1] that ends a network: integers in steps of 1/255 saturate there anyhow."""

from __future__ import annotations

from collections.abc import Callable, Collection

from iast_export.decide.decide import Decisions, decide_litert
from iast_export.decide.flow import Flow
from iast_export.decide.graph import Network, Op
from iast_export.decide.policy import LITERT
from iast_export.decide.read_litert import read_litert, tensor_name
from iast_export.formats import tflite_file as tf
from iast_export.forms.tflite_forms import unit_clamp
from iast_export.specs import STYLIZED


def decide_unclamped(
    model: tf.Model, signature: tf.Signature, in_float: Collection[str] = ()
) -> Decisions:
    """Decides over a signature, whose final clamp is removed in place if integers come before it.

    Returns:
        What is decided over the graph as it is then.
    """
    decisions = decide_litert(model, signature, in_float)
    if drop_final_clamp(model, signature, decisions.is_integer):
        return decide_litert(model, signature, in_float)
    return decisions


def drop_final_clamp(
    model: tf.Model, signature: tf.Signature, saturates: Callable[[Op], bool]
) -> bool:
    """Removes a clamp to [0, 1] before the output, in place.

    Args:
        model: with the signature.
        signature: whose picture is looked at.
        saturates: whether the operator before the clamp writes what a clamp is not needed for.

    Returns:
        Whether there was one.
    """
    network = read_litert(model, signature)
    graph = model.subgraphs[signature.subgraph]
    last = _last_maker(network, signature)
    clamp = unit_clamp(model, graph, last.position) if last is not None else []
    source = network.producers.get(network.ops[clamp[0]].inputs[0]) if clamp else None
    if source is None or not saturates(source):
        return False
    _bypass(graph, clamp, source.position)
    return True


def _last_maker(network: Network, signature: tf.Signature) -> Op | None:
    """What makes the picture, before what only moves its pixels."""
    flow = Flow(network, LITERT)
    op = network.producers.get(tensor_name(signature.outputs.get(STYLIZED, -1)))
    while op is not None and flow.moves(op):
        op = network.producers.get(op.moved[0])
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
