"""What is kept out of INT8 in both runtimes: normalization in its published form, and padding
constants."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.fixtures.adain import AdaIN
from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.build.tracing import pseudo_photograph
from iast_export.decide.decide import decide_litert, decide_onnx
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import load_model
from iast_export.quantize.calibrate import collect
from iast_export.quantize.litert.calibration import range_tensors
from iast_export.quantize.observers import observe_onnx
from iast_export.quantize.onnx.qdq import tensors_to_calibrate
from iast_export.quantize.ranges import method_of
from iast_export.specs import CONTENT, Tier

TIER = Tier(1, 32)
CHAIN = {
    "onnxruntime": {"ReduceMean", "Sub", "Mul", "Div", "Sqrt", "Expand"},
    "litert": {"SUM", "MEAN", "SUB", "MUL", "DIV", "SQRT", "RSQRT"},
}


@pytest.fixture(scope="module")
def adain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The published form, narrow, in ONNX and TFLite."""
    folder, network = tmp_path_factory.mktemp("fences"), AdaIN((4, 8, 8), 2).eval()
    export_tier(network, TIER, folder / "a.onnx")
    convert_fp32(network, (TIER,), folder / "a.tflite")
    return folder / "a.onnx", folder / "a.tflite"


def test_no_operator_of_the_published_normalization_is_an_integer(adain: tuple[Path, Path]) -> None:
    onnx = decide_onnx(load_model(adain[0]))
    model = tf.read_model(adain[1])
    litert = decide_litert(model, tf.find_signature(model, TIER.signature))
    for decisions in (onnx, litert):
        ops, fence = decisions.network.ops, CHAIN[decisions.network.runtime]
        kinds = {op.native for op in ops if decisions.is_integer(op)}
        assert kinds & {"Conv", "CONV_2D"} and not kinds & fence
        assert {op.native for op in ops} & {"Sqrt", "SQRT", "RSQRT"}


def test_no_tensor_inside_the_normalization_has_a_range(adain: tuple[Path, Path]) -> None:
    needed = set(tensors_to_calibrate(adain[0]))
    inside = [
        n
        for n in load_model(adain[0]).graph.node
        if n.op_type in ("ReduceMean", "Sqrt", "Sub", "Expand")
    ]
    assert inside and not needed & {name for node in inside for name in node.output}
    model = tf.read_model(adain[1])
    graph, held = model.subgraphs[0], set(range_tensors(adain[1], TIER.signature))
    made = {
        tf.text(graph.tensors[int(t)].name)
        for op in graph.operators
        if tf.op_name(model, op) in ("SUM", "MEAN", "SUB", "SQRT", "RSQRT")
        for t in op.outputs
    }
    assert made and not made & held


class Padded(nn.Module):
    """Values far from zero, zeros around them, and a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3)

    def forward(self, content: Tensor) -> Tensor:
        return self.last(F.pad(F.relu(self.first(content)) + 5.0, (2, 2, 2, 2)))[
            :, :, 1:-1, 1:-1
        ].sigmoid()


class Network:
    depths, size_multiple_px = (1,), 4
    code_shapes: Mapping[str, tuple[int, ...]] = {}

    @cache  # noqa: B019
    def cut(self, depth: int) -> nn.Module:
        return Padded().eval().requires_grad_(False)

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return ()


def test_zeros_of_padding_do_not_set_a_range(tmp_path: Path) -> None:
    network = Network()
    export_tier(network, TIER, tmp_path / "a.onnx")
    convert_fp32(network, (TIER,), tmp_path / "a.tflite")
    convolutions = [
        node for node in load_model(tmp_path / "a.onnx").graph.node if node.op_type == "Conv"
    ]
    source, feeds = convolutions[1].input[0], {CONTENT: pseudo_photograph(32, 32)}
    assert source in tensors_to_calibrate(tmp_path / "a.onnx")
    seen = collect(
        observe_onnx(tmp_path / "a.onnx", [source]), [feeds], method_of("percentile", 99.999)
    )
    assert seen[source].low > 4
    model = tf.read_model(tmp_path / "a.tflite")
    graph, held = model.subgraphs[0], range_tensors(tmp_path / "a.tflite", TIER.signature)
    pads = [op for op in graph.operators if tf.op_name(model, op) in ("PAD", "PADV2")]
    assert pads and not {tf.text(graph.tensors[int(op.outputs[0])].name) for op in pads} & set(held)
