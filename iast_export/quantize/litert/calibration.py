"""A signature of a TFLite file with the tensors that need a range as outputs. No torch."""

from __future__ import annotations

import math
from pathlib import Path

from iast_export.decide.decide import decide_litert
from iast_export.decide.read_litert import tensor_index
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw


def range_tensors(path: Path, signature: str) -> list[str]:
    """Names of the tensors whose ranges static INT8 needs, in graph order.

    Whatever is left in float.

    Raises:
        InputError: the file can't be read, or has no such signature.
    """
    model = tf.read_model(path)
    decisions = decide_litert(model, tf.find_signature(model, signature))
    needed = sorted(decisions.scales.own, key=tensor_index)
    return [decisions.network.file_name(name) for name in needed]


def held_bytes(path: Path, signature: str) -> int:
    """What a calibration holds of a picture's activations at once; either runtime about as much.

    Raises:
        InputError: see `range_tensors`.
    """
    model, wanted = tf.read_model(path), set(range_tensors(path, signature))
    graph = model.subgraphs[tf.find_signature(model, signature).subgraph]
    shapes = [tf.tensor_shape(t) for t in graph.tensors if tf.text(t.name) in wanted]
    return sum(4 * math.prod(shape) for shape in shapes)


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
