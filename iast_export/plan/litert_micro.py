"""One operator group cut out of a .tflite file, in FP32 and in INT8, as small models for LiteRT.

INT8 reads and writes int8, as between integer operators, so no conversion is in its time. Where the
exporter leaves a group in float, every operator that the quantizer knows is quantized all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np

from iast_export.decide.read_litert import tensor_index
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.plan.groups import Group
from iast_export.plan.onnx_micro import edges
from iast_export.plan.planned import Planned
from iast_export.quantize.litert.delegation import SignatureDelegation, delegation_of
from iast_export.quantize.litert.moves import hide_unknown, show_unknown
from iast_export.quantize.litert.weights import densify_litert

# Of every range: speed does not depend on it.
_SPAN = 4.0


def fp32_model(planned: Planned, group: Group) -> bytes:
    """A model of one group alone, with its own weights."""
    model = planned.model
    whole = model.subgraphs[0]
    inputs, outputs = edges(planned.network, group)
    graph = copy(whole)
    graph.operators = [copy(whole.operators[op.position]) for op in group.ops]
    graph.tensors = [copy(tensor) for tensor in whole.tensors]
    graph.inputs = [tensor_index(name) for name in inputs]
    graph.outputs = [tensor_index(name) for name in outputs]
    alone = copy(model)
    alone.subgraphs, alone.signatureDefs, alone.buffers = [graph], [], list(model.buffers)
    tw.drop_unused_tensors(alone, graph)
    for i, tensor in enumerate(graph.tensors):
        tensor.name = f"group/{i}"
    return tw.serialize(alone, named_constants=True)


def int8_model(fp32: bytes) -> bytes:
    """The group in INT8, inputs and outputs int8, groups of convolutions as they are exported.

    Raises:
        ToolError: the quantizer or the runtime refuses it.
    """
    with tf.quiet_tools():
        from ai_edge_quantizer import qtyping, quantizer

        alone = tf.parse(fp32)
        densify_litert(alone)
        hide_unknown(alone)
        tool = quantizer.Quantizer(bytearray(tw.serialize(alone, named_constants=True)))
        tool.add_static_config(".*", qtyping.TFLOperationName.ALL_SUPPORTED, 8, 8)
        made = tool.quantize(_spans(alone), enable_progress_report=False)
        model = tf.parse(bytes(made.quantized_model))
        show_unknown(model)
        _integer_edges(model)
        data = tw.serialize(model)
        _interpreter(data, 1)
    return data


def _spans(model: tf.Model) -> dict[str, dict[str, Any]]:
    """The same range for every tensor: speed does not depend on it."""
    low, high = np.array([-_SPAN], np.float32), np.array([_SPAN], np.float32)
    return {
        tf.text(tensor.name): {"min": low, "max": high}
        for tensor in model.subgraphs[0].tensors
        if tf.dtype_name(tensor) == "float32" and not tf.buffer_bytes(model, tensor)
    }


def _integer_edges(model: tf.Model) -> None:
    """Takes the conversions off the model's edges, in place."""
    graph = model.subgraphs[0]
    names = {id(op): tf.op_name(model, op) for op in graph.operators}
    for position, edge in enumerate(graph.inputs):
        readers = [op for op in graph.operators if int(edge) in [int(t) for t in op.inputs]]
        if [names[id(op)] for op in readers] == ["QUANTIZE"]:
            graph.inputs[position] = int(readers[0].outputs[0])
            graph.operators.remove(readers[0])
    for position, edge in enumerate(graph.outputs):
        writer = next(op for op in graph.operators if int(edge) in [int(t) for t in op.outputs])
        if names[id(writer)] == "DEQUANTIZE":
            graph.outputs[position] = int(writer.inputs[0])
            graph.operators.remove(writer)
    tw.drop_unused_tensors(model, graph)


def int8_operators(data: bytes) -> tuple[dict[str, int], SignatureDelegation]:
    """Operators of an INT8 group, those still in float marked, and what XNNPACK takes of it.

    Raises:
        ToolError: the interpreter fails on it.
    """
    model = tf.parse(data)
    graph = model.subgraphs[0]
    counts: dict[str, int] = {}
    for op in graph.operators:
        name = tf.op_name(model, op) + (" in float" if tf.is_float(graph, op) else "")
        counts[name] = counts.get(name, 0) + 1
    for i, tensor in enumerate(graph.tensors):
        tensor.name = tensor.name or f"group/c{i}"
    return dict(sorted(counts.items())), delegation_of(model)


def _interpreter(data: bytes, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=data, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


def timed(data: bytes, threads: int) -> Callable[[], object]:
    """A call that runs a model once, its inputs laid in beforehand.

    Raises:
        ToolError: LiteRT refuses the model.
    """
    with tf.quiet_tools():
        interpreter = _interpreter(data, threads)
        random = np.random.default_rng(0)
        for detail in interpreter.get_input_details():
            shape, dtype = tuple(detail["shape"]), detail["dtype"]
            values = np.zeros(shape)  # of an index, which may not be any
            if dtype == np.int8:
                values = random.integers(-128, 127, shape)
            elif dtype == np.float32:
                values = random.normal(0.0, 1.0, shape)
            interpreter.set_tensor(detail["index"], np.asarray(values, dtype))
        interpreter.invoke()
    return lambda: interpreter.invoke()
