"""LiteRT takes the same learned weights as ONNX Runtime, and the same trimmed sums."""

from __future__ import annotations

import numpy as np
import pytest

from iast_export import tflite_file as tf
from iast_export.calibrate import collect, observe_onnx
from iast_export.export import pseudo_photograph
from iast_export.quantize.litert import quantize_litert
from iast_export.quantize.onnx_layers import quantize_weight
from iast_export.quantize.onnx_qdq import tensors_to_calibrate
from iast_export.quantize.patches import integer_layers, observe_patches
from iast_export.quantize.rectified_sums import litert_sums
from iast_export.quantize.rounding import learn_weights
from iast_export.tflite_graph import integer_operators, value_roots
from tests.litert_cases import converted, folder, ranges
from tests.tiny_networks import tiny_codes, tiny_onnx


def learned() -> dict[str, np.ndarray]:
    path = tiny_onnx("iast", 2, 32)
    feeds = [{"content": pseudo_photograph(32, 32), **tiny_codes("iast")}]
    layers = integer_layers(path, collect(observe_onnx(path, tensors_to_calibrate(path)), feeds))
    return learn_weights([(layers, observe_patches(path, layers, feeds))], centered=False)


def int8_weights(model: tf.Model, key: str) -> dict[bytes, int]:
    """Bytes of every convolution's weight in a signature -> its buffer."""
    graph = model.subgraphs[tf.find_signature(model, key).subgraph]
    found = [graph.tensors[int(op.inputs[1])] for op in graph.operators if tf.op_name(model, op) == "CONV_2D"]
    kept = [tensor for tensor in found if tf.dtype_name(tensor) == "int8"]
    return {bytes(tf.buffer_bytes(model, tensor)): int(tensor.buffer) for tensor in kept}


def test_every_learned_weight_is_stored_once_for_all_signatures() -> None:
    weights, out = learned(), folder() / "learned.tflite"
    quantize_litert(converted()[1], "int8", ranges(), out, weights=weights)
    model = tf.read_model(out)
    wanted = set()
    for weight in weights.values():
        int8, _, _ = quantize_weight(weight, np.zeros(len(weight), np.float32), np.float32(1))
        wanted.add(int8.transpose(0, 2, 3, 1).tobytes())
    deep, shallow = (int8_weights(model, key) for key in ("d2_32px", "d1_48px"))
    assert wanted <= set(deep)
    assert len(wanted & set(shallow)) >= len(wanted) - 2
    assert all(deep[data] == buffer for data, buffer in shallow.items() if data in deep)


@pytest.mark.parametrize("key", ["d2_32px", "d1_48px"])
def test_the_skip_and_the_upsampled_branch_are_found(key: str) -> None:
    model = tf.read_model(converted()[1])
    graph = model.subgraphs[tf.find_signature(model, key).subgraph]
    chosen = integer_operators(model, graph)
    ((one, other),) = litert_sums(model, graph, chosen, value_roots(model, graph, chosen))
    makers = [tf.op_name(model, op) for op in graph.operators if {one, other} & {int(t) for t in op.outputs}]
    assert makers == ["CONV_2D", "CONV_2D"]


def test_trimming_is_a_choice() -> None:
    files = [folder() / f"trim-{trim}.tflite" for trim in (True, False)]
    for path, trim in zip(files, (True, False), strict=True):
        quantize_litert(converted()[1], "int8", ranges(), path, trim_sums=trim)
    assert files[0].read_bytes() != files[1].read_bytes()
