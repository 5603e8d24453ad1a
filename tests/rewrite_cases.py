"""Small graphs for the tests of rewrites: made, run in ONNX Runtime, compared in FP32."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from iast_export.forms import Rewritten
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.kernels import UINT8, Kernels
from iast_export.quantize.onnx.qdq import QuantizeSummary, quantize_onnx, tensors_to_calibrate
from iast_export.runtimes.onnx import onnx_session_options

Constants = dict[str, np.ndarray]
TOLERANCE = 1e-5


def model_of(
    nodes: list[onnx.NodeProto], constants: Constants, inputs: Mapping[str, int]
) -> onnx.ModelProto:
    """A graph over pictures [N, C, H, W] of any size, with an output `y`."""
    given = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, "h", "w"])
        for name, channels in inputs.items()
    ]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "k", "p", "q"])
    held = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", given, [result], held)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def run(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
    """`y`, after the model was checked."""
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(
        model.SerializeToString(), onnx_session_options(1), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(["y"], dict(feeds))[0])


def picture(
    channels: int, height: int = 5, width: int = 7, seed: int = 0, batch: int = 1
) -> np.ndarray:
    """Random values [N, C, H, W]."""
    rng = np.random.default_rng(seed + channels)
    return rng.normal(size=(batch, channels, height, width)).astype(np.float32)


def weight(outputs: int, inputs: int, side: int = 3, seed: int = 0) -> np.ndarray:
    """A convolution's random weight [O, I, side, side]."""
    rng = np.random.default_rng(seed + outputs * 100 + inputs)
    return (rng.normal(size=(outputs, inputs, side, side)) / np.sqrt(inputs * side * side)).astype(
        np.float32
    )


def types(model: onnx.ModelProto) -> list[str]:
    """The operators' types, in order."""
    return [node.op_type for node in model.graph.node]


def rewritten_equally(
    apply: Callable[[onnx.ModelProto], Rewritten],
    model: onnx.ModelProto,
    *feeds: Mapping[str, np.ndarray],
) -> Rewritten:
    """The rewrite's result, after its values were found equal to 1e-5 of their scale on all
    feeds."""
    before = model.SerializeToString(deterministic=True)
    made = apply(model)
    assert model.SerializeToString(deterministic=True) == before, (
        "a rewrite changed what it was given"
    )
    assert bool(made.places) == (list(made.model.graph.node) != list(model.graph.node))
    for feed in feeds:
        wanted, got = run(model, feed), run(made.model, feed)
        assert wanted.shape == got.shape
        assert np.abs(wanted - got).max() <= TOLERANCE * max(1.0, np.abs(wanted).max())
    return made


@dataclass(frozen=True)
class Span:
    """A range that was seen."""

    low: float
    high: float


def seen(
    model: onnx.ModelProto, names: list[str], feeds: Mapping[str, np.ndarray]
) -> dict[str, Span]:
    """The range of each tensor on one feed."""
    watched, inputs = onnx.ModelProto(), {item.name for item in model.graph.input}
    watched.CopyFrom(model)
    del watched.graph.output[:]
    inside = [name for name in names if name not in inputs]
    watched.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in inside)
    session = ort.InferenceSession(
        watched.SerializeToString(), onnx_session_options(1), providers=["CPUExecutionProvider"]
    )
    values = {**dict(zip(inside, session.run(None, dict(feeds)), strict=True)), **feeds}
    return {name: Span(float(values[name].min()), float(values[name].max())) for name in names}


def int8_of(
    model: onnx.ModelProto,
    feeds: Mapping[str, np.ndarray],
    folder: Path,
    kernels: Kernels = UINT8,
) -> tuple[onnx.ModelProto, QuantizeSummary, float]:
    """Static INT8 with ranges of one feed, what was quantized, and the PSNR to FP32 on that feed
    in dB."""
    fp32, int8 = folder / "fp32.onnx", folder / "int8.onnx"
    onnx.save(model, str(fp32))
    learned = Learned(seen(model, tensors_to_calibrate(fp32), feeds))
    summary = quantize_onnx(fp32, learned, int8, kernels=kernels)
    quantized = onnx.load(str(int8))
    wanted, got = run(model, feeds), run(quantized, feeds)
    noise = float(np.mean((wanted - got).astype(np.float64) ** 2))
    return quantized, summary, float(10 * np.log10(np.ptp(wanted) ** 2 / noise))
