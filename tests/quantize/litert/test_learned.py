"""LiteRT takes the same learned weights as ONNX Runtime, and the same trimmed sums."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from iast_export.build.convert import convert_fp32
from iast_export.build.tracing import pseudo_photograph
from iast_export.decide.decide import decide_litert
from iast_export.formats import tflite_file as tf
from iast_export.quantize.calibrate import collect
from iast_export.quantize.equalize.nodes import filter_axes
from iast_export.quantize.learned import of_signatures
from iast_export.quantize.litert.static import quantize_litert
from iast_export.quantize.litert.weights import replace_filters
from iast_export.quantize.observers import observe_onnx
from iast_export.quantize.onnx.layers import filter_key, quantize_weight, with_learned
from iast_export.quantize.onnx.qdq import tensors_to_calibrate
from iast_export.quantize.patches import Layer, integer_layers, observe_patches
from iast_export.quantize.rounding import learn_filters
from iast_export.specs import Tier
from tests.litert_cases import converted, folder, ranges
from tests.tiny_networks import tiny_codes, tiny_onnx


def layers_and_filters() -> tuple[list[Layer], dict[str, np.ndarray]]:
    path = tiny_onnx("iast", 2, 32)
    feeds = [{"content": pseudo_photograph(32, 32), **tiny_codes("iast")}]
    layers = integer_layers(path, collect(observe_onnx(path, tensors_to_calibrate(path)), feeds))
    return layers, learn_filters([(layers, observe_patches(path, layers, feeds))], centered=False)


def int8_weights(model: tf.Model, key: str) -> dict[int, np.ndarray]:
    """Every int8 convolution weight [O, I, kH, kW] of a signature, by its buffer."""
    graph = model.subgraphs[tf.find_signature(model, key).subgraph]
    found = [
        graph.tensors[int(op.inputs[1])]
        for op in graph.operators
        if tf.op_name(model, op) == "CONV_2D"
    ]
    return {
        int(t.buffer): np.frombuffer(tf.buffer_bytes(model, t), np.int8)
        .reshape(t.shape)
        .transpose(0, 3, 1, 2)
        for t in found
        if tf.dtype_name(t) == "int8"
    }


def test_every_learned_filter_is_stored_and_once_for_all_signatures() -> None:
    (layers, filters), out = layers_and_filters(), folder() / "learned.tflite"
    quantize_litert(converted()[1], "int8", of_signatures(ranges(), filters), out)
    model = tf.read_model(out)
    deep, shallow = (int8_weights(model, key) for key in ("d2_32px", "d1_48px"))
    stored = {one.tobytes() for weight in deep.values() for one in weight}
    for layer in layers:  # in another order before a pixel shuffle
        learned = with_learned(layer.weight, filters)
        int8, _, _ = quantize_weight(learned, layer.bias, np.float32(1))
        assert {one.tobytes() for one in int8} <= stored
        assert not np.array_equal(learned, layer.weight)
    assert len(set(shallow) & set(deep)) >= len(shallow) - 1


@pytest.mark.parametrize("key", ["d2_32px", "d1_48px"])
def test_the_skip_and_the_upsampled_branch_are_found(key: str) -> None:
    model = tf.read_model(converted()[1])
    decisions = decide_litert(model, tf.find_signature(model, key))
    ((one, other),) = decisions.rectified
    makers = [decisions.network.producers[name].native for name in (one, other)]
    assert makers == ["CONV_2D", "CONV_2D"]


def test_trimming_is_a_choice() -> None:
    files = [folder() / f"trim-{trim}.tflite" for trim in (True, False)]
    for path, trim in zip(files, (True, False), strict=True):
        quantize_litert(converted()[1], "int8", of_signatures(ranges(), trim_sums=trim), path)
    assert files[0].read_bytes() != files[1].read_bytes()


def depthwise_fp32() -> Path:
    """A depthwise layer read by float operators, which stays in float, and a convolution, which
    does not."""
    path = folder() / "depthwise.tflite"
    if not path.exists():
        convert_fp32(_Depthwise(), (Tier(1, 16),), path)
    return path


class _Layers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.depthwise = (
            nn.Conv2d(3, 16, 3, padding=1),
            nn.Conv2d(16, 16, 3, padding=1, groups=16),
        )

    def forward(self, content: Tensor) -> Tensor:
        return torch.sigmoid(self.depthwise(self.first(content)))[:, :3]


class _Depthwise:
    depths, size_multiple_px = (1,), 4
    code_shapes: Mapping[str, tuple[int, ...]] = {}

    def cut(self, depth: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            return _Layers()

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return ()


def test_a_convolution_left_in_float_unasked_keeps_its_weights() -> None:
    """Its filters may be known as learned: ONNX Runtime had the layer, or a twin of it, in
    integers."""
    model = tf.read_model(depthwise_fp32())
    graph = model.subgraphs[0]
    kinds = [tf.op_name(model, op) for op in graph.operators]
    places = {kind: kinds.index(kind) for kind in ("CONV_2D", "DEPTHWISE_CONV_2D")}
    given = {kind: _filters(model, graph, n, kind) for kind, n in places.items()}
    replace_filters(model, {filter_key(one): one / 2 for held in given.values() for one in held})
    found = {kind: _filters(model, graph, n, kind) for kind, n in places.items()}
    assert np.array_equal(found["CONV_2D"], given["CONV_2D"] / 2)
    assert np.array_equal(found["DEPTHWISE_CONV_2D"], given["DEPTHWISE_CONV_2D"])


def _filters(model: tf.Model, graph: tf.Graph, n: int, kind: str) -> np.ndarray:
    tensor = graph.tensors[int(graph.operators[n].inputs[1])]
    held = np.frombuffer(tf.buffer_bytes(model, tensor), np.float32)
    return held.reshape(tensor.shape).transpose(filter_axes(kind)).copy()
