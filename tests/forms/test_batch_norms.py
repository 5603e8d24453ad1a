"""Batch normalization folded in PyTorch: where one convolution alone feeds it, alike in both
files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.formats import tflite_file as tf
from iast_export.forms.batch_norms import fold_batch_norms
from iast_export.quantize.onnx.layers import filter_key
from iast_export.specs import Tier


def norm(width: int) -> nn.BatchNorm2d:
    made = nn.BatchNorm2d(width)
    for value in (made.weight.data, made.running_var):
        value.uniform_(0.5, 2.0)
    for value in (made.bias.data, made.running_mean):
        value.normal_()
    return made


class Net(nn.Module):
    """conv, norm; a depthwise one; and a convolution that something else reads too."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), norm(8), nn.ReLU())
        self.depthwise = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False), norm(8), nn.ReLU()
        )
        self.shared, self.after = nn.Conv2d(8, 3, 3, padding=1), norm(3)

    def forward(self, content: Tensor) -> Tensor:
        x = self.shared(self.depthwise(self.first(content)))
        return torch.sigmoid(x + self.after(x))


class Network:
    depths, size_multiple_px = (1,), 4
    code_shapes: Mapping[str, tuple[int, ...]] = {}

    def cut(self, depth: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            return Net().eval().requires_grad_(False)

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return ()


def test_what_only_a_normalization_reads_is_folded_and_nothing_else() -> None:
    x, plain = torch.rand(1, 3, 16, 16), Network().cut(1)
    folded = fold_batch_norms(Network().cut(1), x)
    assert [type(one).__name__ for one in folded.modules()].count("BatchNorm2d") == 1
    assert isinstance(folded.after, nn.BatchNorm2d)
    assert torch.allclose(folded(x), plain(x), atol=1e-6)


def test_a_network_that_trains_is_left_alone() -> None:
    module = Network().cut(1)
    module.first[1].train()
    fold_batch_norms(module, torch.rand(1, 3, 16, 16))
    assert isinstance(module.first[1], nn.BatchNorm2d)


def test_both_files_hold_the_same_filters(tmp_path: Path) -> None:
    fp32, tflite = tmp_path / "a.onnx", tmp_path / "a.tflite"
    export_tier(Network(), Tier(1, 32), fp32)
    convert_fp32(Network(), (Tier(1, 32),), tflite)
    held = {
        item.name: onnx.numpy_helper.to_array(item)
        for item in onnx.load(str(fp32)).graph.initializer
    }
    nodes = [node for node in onnx.load(str(fp32)).graph.node if node.op_type == "Conv"]
    ours = {filter_key(one) for node in nodes[:2] for one in held[node.input[1]]}
    model = tf.read_model(tflite)
    graph = model.subgraphs[0]
    theirs = set()
    for op in graph.operators:
        if tf.op_name(model, op) in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            tensor = graph.tensors[int(op.inputs[1])]
            values = np.frombuffer(tf.buffer_bytes(model, tensor), np.float32).reshape(tensor.shape)
            order = (0, 3, 1, 2) if tf.op_name(model, op) == "CONV_2D" else (3, 0, 1, 2)
            theirs |= {filter_key(one) for one in values.transpose(order)}
    assert ours <= theirs
