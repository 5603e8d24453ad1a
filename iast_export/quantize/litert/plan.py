"""What of a float TFLite graph is to become integer, and which ranges that needs. No torch.

Chosen by measured cost and damage: convolutions and transposed convolutions, grouped ones mostly in
dense form, depthwise ones between them, the operators that only move values (slices,
concatenations, reshapes, resizes), and after integer operators a rectifier or the sum of two of
them. A sum along a float trunk stays in float, where rounding would add up: that costs 5 dB and
gains 3 % of the time. A tensor that only holds moved values needs no range of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Literal, get_args

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.forms.grouped import GroupForm, form_in_litert

Sums = Literal["float32", "int8"]

CONVOLUTIONS = ("CONV_2D", "TRANSPOSE_CONV")
DEPTHWISE = "DEPTHWISE_CONV_2D"
MOVEMENTS = (
    "CONCATENATION",
    "DEPTH_TO_SPACE",
    "MAX_POOL_2D",
    "PAD",
    "RESHAPE",
    "RESIZE_NEAREST_NEIGHBOR",
    "SLICE",
    "SPACE_TO_DEPTH",
    "STRIDED_SLICE",
    "TRANSPOSE",
)


def data_inputs(model: tf.Model, graph: tf.Graph, n: int) -> list[int]:
    """The float tensors that operator `n` reads and that are not constants."""
    given = [int(t) for t in graph.operators[n].inputs if t >= 0]
    return [
        t
        for t in given
        if tf.dtype_name(graph.tensors[t]) == "float32"
        and not tf.buffer_bytes(model, graph.tensors[t])
    ]


def integer_operators(
    model: tf.Model, graph: tf.Graph, sums: Sums = "float32", in_float: Collection[str] = ()
) -> set[int]:
    """Indices of the operators that static INT8 computes in integers (see the module's text).

    With `sums` "int8" the sums along the trunk are among them; the end of an island never is. The
    convolutions and sums whose results are named in `in_float` are not, nor what only followed
    them.
    """
    names = [tf.op_name(model, op) for op in graph.operators]
    producer = {int(t): n for n, op in enumerate(graph.operators) for t in op.outputs}
    kept = {n for n, op in enumerate(graph.operators) if result_name(graph, op) in in_float}
    chosen = {n for n, op in enumerate(graph.operators) if _is_kernel(model, graph, op)} - kept
    kept |= {n for n, op in enumerate(graph.operators) if form_of(model, graph, op) == "float"}
    chosen |= _joined_depthwise(graph, names, chosen, kept)
    for n, name in enumerate(names):  # forward: what follows an integer operator
        if n in kept:
            continue
        sources = [producer.get(t, -1) for t in data_inputs(model, graph, n)]
        follows = bool(sources) and all(s in chosen for s in sources)
        joins = name == "ADD" and len(sources) == 2  # of two convolutions: one rounding, no trunk
        if (follows and (name in (*MOVEMENTS, "RELU") or joins)) or (
            name == "ADD" and sums == "int8" and _is_residual_sum(names, sources, chosen)
        ):
            chosen.add(n)
    for n in reversed(range(len(names))):  # backward: what feeds an integer operator
        if n in chosen:
            feeders = {producer[t] for t in data_inputs(model, graph, n) if t in producer}
            chosen |= {f for f in feeders if names[f] in MOVEMENTS}
    return chosen


def leads_group(model: tf.Model, graph: tf.Graph, op: Any) -> bool:
    """Whether an operator can lead a group, what changes precision together: a sum, or what
    follows."""
    return tf.op_name(model, op) == "ADD" or _is_kernel(model, graph, op)


def _is_kernel(model: tf.Model, graph: tf.Graph, op: Any) -> bool:
    """Whether an operator computes in integers wherever it stands."""
    name, form = tf.op_name(model, op), form_of(model, graph, op)
    return form == "dense" or (name in CONVOLUTIONS and form == "unchanged")


def filter_axes(name: str) -> tuple[int, ...]:
    """How the weight of a convolution or depthwise one is transposed to [O, I, kH, kW]; empty of
    others."""
    return {"CONV_2D": (0, 3, 1, 2), DEPTHWISE: (3, 0, 1, 2)}.get(name, ())


def group_count(model: tf.Model, graph: tf.Graph, op: Any) -> int:
    """How many groups a convolution or depthwise convolution has."""
    channels, filters = (tf.tensor_shape(graph.tensors[int(t)])[-1] for t in op.inputs[:2])
    return channels if tf.op_name(model, op) == DEPTHWISE else channels // filters


def form_of(model: tf.Model, graph: tf.Graph, op: Any) -> GroupForm:
    """The form in which a grouped convolution computes in static INT8; "unchanged" of any other
    operator."""
    axes = filter_axes(tf.op_name(model, op))
    if not axes or not tf.buffer_bytes(model, graph.tensors[int(op.inputs[1])]):
        return "unchanged"
    shape = tf.tensor_shape(graph.tensors[int(op.inputs[1])])
    return form_in_litert([shape[axis] for axis in axes], group_count(model, graph, op))


def result_name(graph: tf.Graph, op: Any) -> str:
    """Name of the first tensor that an operator writes."""
    return tf.text(graph.tensors[int(op.outputs[0])].name)


def _joined_depthwise(
    graph: tf.Graph, names: list[str], chosen: set[int], kept: set[int]
) -> set[int]:
    """Depthwise convolutions, not `kept`, whose result only chosen ones read, through movements.

    Alone they gain nothing in INT8; among integers they spare two conversions.
    """
    readers: dict[int, list[int]] = {}
    for n, op in enumerate(graph.operators):
        for t in {int(t) for t in op.inputs if t >= 0}:
            readers.setdefault(t, []).append(n)
    outputs, leads = {int(t) for t in graph.outputs}, set(chosen)
    for n in reversed(range(len(names))):
        found = [reader for t in graph.operators[n].outputs for reader in readers.get(int(t), [])]
        ends = any(int(t) in outputs for t in graph.operators[n].outputs)
        passes = names[n] in (DEPTHWISE, "RELU", *MOVEMENTS) and n not in kept
        if passes and found and not ends and all(reader in leads for reader in found):
            leads.add(n)
    return {n for n in leads if names[n] == DEPTHWISE}


def _is_residual_sum(names: list[str], sources: list[int], chosen: set[int]) -> bool:
    """A sum of an integer convolution's result and the trunk, as opposed to the end of an
    island."""
    kinds = [names[s] if s >= 0 else "" for s in sources]
    trunk = (*CONVOLUTIONS, *MOVEMENTS, "RELU", "ADD")
    return (
        len(sources) == 2 and any(s in chosen for s in sources) and all(k in trunk for k in kinds)
    )


def value_roots(model: tf.Model, graph: tf.Graph, chosen: Iterable[int]) -> dict[int, int]:
    """Every float tensor that the chosen operators touch -> the tensor whose values it holds.

    A concatenation of several sources holds new values. What integers make for it alone is written
    at its scale, so that nothing is requantized: it is the root of that too. A root maps to itself.
    """
    root = _own_roots(model, graph, chosen)
    for n in sorted(chosen):
        if tf.op_name(model, graph.operators[n]) == "CONCATENATION":
            _share_root(model, graph, n, root)
    return root


def _own_roots(model: tf.Model, graph: tf.Graph, chosen: Iterable[int]) -> dict[int, int]:
    """As `value_roots`, with roots of their own for what concatenations join."""
    root: dict[int, int] = {}
    for n in sorted(chosen):
        op = graph.operators[n]
        inputs = data_inputs(model, graph, n)
        sources = {root.setdefault(t, t) for t in inputs}
        moves = tf.op_name(model, op) in MOVEMENTS and len(sources) == 1
        for t in op.outputs:
            root[int(t)] = next(iter(sources)) if moves else int(t)
    return root


def _share_root(model: tf.Model, graph: tf.Graph, concatenation: int, root: dict[int, int]) -> None:
    """Gives a concatenation's root to all that moves values there and nowhere else, in place."""
    ends = [({int(t) for t in op.inputs}, {int(t) for t in op.outputs}) for op in graph.operators]
    made = {t for _, written in ends for t in written}
    result = root[int(graph.operators[concatenation].outputs[0])]
    for source in {root[t] for t in data_inputs(model, graph, concatenation)} - {result}:
        held = {t for t, one in root.items() if one == source}
        leaves = any(
            n != concatenation and held & read and not held >= written
            for n, (read, written) in enumerate(ends)
        )
        if source in made and not leaves and not held & {int(t) for t in graph.outputs}:
            root.update(dict.fromkeys(held, result))


def range_tensors(path: Path, signature: str) -> list[str]:
    """Names of the tensors whose ranges static INT8 needs, whatever its options, in graph order."""
    model = tf.read_model(path)
    graph = model.subgraphs[tf.find_signature(model, signature).subgraph]
    needed: set[int] = set()
    for sums in get_args(Sums):
        needed |= set(_own_roots(model, graph, integer_operators(model, graph, sums)).values())
    return [tf.text(graph.tensors[t].name) for t in sorted(needed)]


def calibration_model(path: Path, signature: str) -> tuple[bytes, dict[str, str]]:
    """A one-signature model whose outputs are the tensors that need a range (`range_tensors`).

    Asking for tensors as outputs keeps the fast kernels, unlike preserving all tensors. Its
    signature key and inputs are unchanged.

    Returns:
        the model's bytes, and output name -> tensor name. Inputs are not among the outputs: their
        values are what is fed.
    """
    wanted = set(range_tensors(path, signature))
    alone = tf.extract_signature(tf.read_model(path), signature)
    graph, definition = alone.subgraphs[0], alone.signatureDefs[0]
    inputs = {int(t) for t in graph.inputs}
    outputs = [
        i for i, t in enumerate(graph.tensors) if tf.text(t.name) in wanted and i not in inputs
    ]
    graph.outputs, definition.outputs = outputs, []
    names = {}
    for t in outputs:
        entry = tf.schema().TensorMapT()
        entry.name, entry.tensorIndex = f"t{t:04d}", t
        definition.outputs.append(entry)
        names[entry.name] = tf.text(graph.tensors[t].name)
    return tw.serialize(alone), names
