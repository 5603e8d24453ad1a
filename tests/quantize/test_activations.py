"""Functions of values between integers: in both runtimes, by their own kernels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from iast_export.build.convert import convert_fp32
from iast_export.build.export import export_tier
from iast_export.build.tracing import pseudo_photograph
from iast_export.formats import tflite_file as tf
from iast_export.quantize.calibrate import collect
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.qdq import runtime_operators
from iast_export.quantize.quantizer import QUANTIZERS
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.onnx import open_onnx
from iast_export.specs import CONTENT, STYLIZED, Runtime, Tier
from tests.tiny_networks import LeakyTransfer, OneTier, PoolingTransfer, SlopedTransfer

TIER = Tier(1, 32)


def network(transfer: type[nn.Module]) -> OneTier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return OneTier(transfer())


def in_integers(runtime: Runtime, path: Path) -> int:
    """How many leaking rectifiers of a file a runtime computes in integers."""
    if runtime == "onnxruntime":
        return runtime_operators(path).get("QLinearLeakyRelu", 0)
    model = tf.read_model(path)
    graph = model.subgraphs[0]
    names = [tf.op_name(model, op) for op in graph.operators if not tf.is_float(graph, op)]
    return Counter(names)["LEAKY_RELU"]


def averages_in_integers(runtime: Runtime, path: Path) -> int:
    """How many averages a runtime computes in integers, and how many in float, as a difference."""
    if runtime == "onnxruntime":
        counts = runtime_operators(path)
        return counts.get("QLinearAveragePool", 0) - counts.get("AveragePool", 0)
    model = tf.read_model(path)
    graph = model.subgraphs[0]
    kinds = [(tf.op_name(model, op), tf.is_float(graph, op)) for op in graph.operators]
    return kinds.count(("DEPTHWISE_CONV_2D", False)) - kinds.count(("AVERAGE_POOL_2D", True))


@pytest.mark.parametrize("transfer", [LeakyTransfer, SlopedTransfer])
@pytest.mark.parametrize(
    ("runtime", "expected"), [("onnxruntime", 3), ("litert", 3)], ids=["onnx", "litert"]
)
def test_rectifiers_that_leak_are_integers_between_convolutions(
    runtime: Runtime, expected: int, transfer: type[LeakyTransfer], tmp_path: Path
) -> None:
    int8, largest_error = quantized(network(transfer), runtime, tmp_path)
    assert in_integers(runtime, int8) == expected
    assert largest_error < 0.02


@pytest.mark.parametrize("runtime", ["onnxruntime", "litert"])
def test_averages_of_few_pixels_are_integers_between_convolutions(
    runtime: Runtime, tmp_path: Path
) -> None:
    int8, largest_error = quantized(network(PoolingTransfer), runtime, tmp_path)
    assert averages_in_integers(runtime, int8) == 2
    assert largest_error < 0.02


def quantized(given: OneTier, runtime: Runtime, folder: Path) -> tuple[Path, float]:
    """A network's INT8 file, and how far its picture lies from FP32's at most."""
    suffix = ".onnx" if runtime == "onnxruntime" else ".tflite"
    fp32, int8 = folder / f"fp32{suffix}", folder / f"int8{suffix}"
    if runtime == "onnxruntime":
        export_tier(given, TIER, fp32)
    else:
        convert_fp32(given, [TIER], fp32)
    feeds = {CONTENT: pseudo_photograph(32, 32)}
    quantizer = QUANTIZERS[runtime]
    ranges = collect(quantizer.observe(fp32, TIER, 1), [feeds])
    quantizer.write_tier(fp32, TIER, Learned(ranges), int8, [], "float32")

    def picture(path: Path) -> np.ndarray:
        if runtime == "onnxruntime":
            return np.asarray(open_onnx(path.read_bytes()).run(feeds)[STYLIZED])
        return np.asarray(open_litert(path, TIER.signature).run(feeds)[STYLIZED])

    return int8, float(np.abs(picture(fp32) - picture(int8)).max())
