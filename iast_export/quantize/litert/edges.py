"""Pictures in int8 at the edges of a TFLite model."""

from __future__ import annotations

from typing import Any

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.specs import CONTENT, STYLIZED


def integer_edges(model: tf.Model, signature: tf.Signature) -> None:
    """Makes `content` and `stylized` int8, 255 levels of [0, 1]; in place.

    Where an edge already meets a conversion, the conversion is dropped; where the network reads or
    writes the picture in float, one is added.
    """
    graph = model.subgraphs[signature.subgraph]
    content, stylized = signature.inputs[CONTENT], signature.outputs[STYLIZED]
    readers = [op for op in graph.operators if content in [int(t) for t in op.inputs]]
    writer = next(op for op in graph.operators if stylized in [int(t) for t in op.outputs])
    if [tf.op_name(model, op) for op in readers] == ["QUANTIZE"]:
        graph.operators.remove(readers[0])
        new_content = int(readers[0].outputs[0])
    else:
        new_content = _picture_tensor(graph, content)
        graph.operators.insert(0, _conversion(model, "DEQUANTIZE", new_content, content))
    if tf.op_name(model, writer) == "DEQUANTIZE":
        graph.operators.remove(writer)
        new_stylized = int(writer.inputs[0])
    else:
        new_stylized = _picture_tensor(graph, stylized)
        graph.operators.append(_conversion(model, "QUANTIZE", stylized, new_stylized))
    moved = {content: new_content, stylized: new_stylized}
    graph.inputs = [moved.get(int(t), int(t)) for t in graph.inputs]
    graph.outputs = [moved.get(int(t), int(t)) for t in graph.outputs]
    definition = next(d for d in model.signatureDefs if tf.text(d.signatureKey) == signature.key)
    for entry in [*definition.inputs, *definition.outputs]:
        entry.tensorIndex = moved.get(int(entry.tensorIndex), int(entry.tensorIndex))


def _picture_tensor(graph: tf.Graph, like: int) -> int:
    """A new int8 tensor of the same shape, scale 1/255, zero point -128; its index."""
    schema = tf.schema()
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.buffer = graph.tensors[like].shape, schema.TensorType.INT8, 0
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale, tensor.quantization.zeroPoint = [1.0 / 255.0], [-128]
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _conversion(model: tf.Model, name: str, source: int, target: int) -> Any:
    """A QUANTIZE or DEQUANTIZE operator; its code is registered where the model lacks it."""
    op = tf.schema().OperatorT()
    op.opcodeIndex, op.inputs, op.outputs = tw.operator_code(model, name), [source], [target]
    return op
