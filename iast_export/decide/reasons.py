"""Why an operator stays in float, in words, by runtime."""

from __future__ import annotations

from iast_export.decide.graph import Op
from iast_export.decide.policy import LITERT, ONNX
from iast_export.specs import Runtime

_STATISTICS = "normalization statistics do not survive 8 bits"
_SMOOTH = "smooth functions fall back to float or lose by it"
_COMPUTED = "weights that are not constant"
_AVERAGES = "averages are sums of many values, which would be rounded once more"
_LEAKS = "a rectifier that leaks, between float operators"
_ASKED = "asked to stay in float"
_OF_ONNX = {
    **dict.fromkeys(
        (
            "Div",
            "InstanceNormalization",
            "LayerNormalization",
            "Pow",
            "Reciprocal",
            "ReduceMean",
            "ReduceSum",
            "Sqrt",
        ),
        _STATISTICS,
    ),
    **dict.fromkeys(
        (
            "Elu",
            "Exp",
            "Erf",
            "Gelu",
            "HardSigmoid",
            "HardSwish",
            "Mish",
            "Selu",
            "Sigmoid",
            "Softmax",
            "Softplus",
            "Tanh",
        ),
        _SMOOTH,
    ),
    "AveragePool": _AVERAGES,
    "GlobalAveragePool": _AVERAGES,
    "ConvTranspose": "transposed convolutions are slower in INT8",
    "GridSample": "samples between pixels: no integer kernel",
    "LeakyRelu": _LEAKS,
    "PRelu": "slopes per channel: no integer kernel",
    "Resize": "interpolation falls back to float",
}
_ONNX_HEAD = "a head of few channels"

_LOST = "normalization statistics: 8 bits lose narrow channels"
_OF_LITERT = {
    **dict.fromkeys(("ELU", "EXP", "GELU", "LOG", "TANH"), _SMOOTH),
    "AVERAGE_POOL_2D": _AVERAGES,
    "BATCH_MATMUL": "a product of matrices",
    "LEAKY_RELU": _LEAKS,
    "PRELU": "slopes per channel: no integer kernel in XNNPACK",
    "SOFTMAX": _SMOOTH,
    "DEPTHWISE_CONV_2D": "depthwise, and read by float operators: no faster in INT8",
    "ADD": "a sum inside an island, or along the trunk, where rounding would add up",
    "FULLY_CONNECTED": "a dense layer on codes: small, and it sets every normalization",
    "MEAN": _LOST,
    "RSQRT": _LOST,
    "SQRT": _LOST,
    "DIV": "normalization statistics: no INT8 kernel",
    "LOGISTIC": "a gate or an output curve: its fixed INT8 scale would not fit what reads it",
    "MIRROR_PAD": "no INT8 kernel in XNNPACK",
    "HARD_SWISH": "a smooth function: XNNPACK leaves its INT8 form to a slow reference kernel",
    "RESIZE_BILINEAR": "interpolation computes new values, which would be rounded once more",
}
FOLLOWS = "part of a normalization or gating chain, which is quantized whole or not at all"
"""What LiteRT's say that only follow their neighbors."""


def reason_in_float(op: Op, runtime: Runtime) -> str:
    """Why an operator stays in float; empty, or `FOLLOWS`, where it only follows its neighbors."""
    return {"onnxruntime": _in_onnx, "litert": _in_litert}[runtime](op)


def _in_litert(op: Op) -> str:
    if op.type in LITERT.convolutions and not op.weight:
        return _COMPUTED
    form = LITERT.form_of(op)
    if form == "dense":
        return _ASKED
    if form == "float":
        return "a grouped convolution of few channels a group: slower in INT8, as a dense one too"
    return _OF_LITERT.get(op.native, FOLLOWS)


def _in_onnx(op: Op) -> str:
    if op.type == "MatMul":
        return _ONNX_HEAD if op.mode == "head" else "a product of matrices"
    if op.type == "Conv":
        return _of_onnx_convolution(op)
    if op.type == "Add" and len(op.inputs) == 2:
        return "sums without ReLU are as fast in float, and closer"
    return _OF_ONNX.get(op.type, "")


def _of_onnx_convolution(op: Op) -> str:
    if not op.weight:
        return _COMPUTED
    form = ONNX.form_of(op)
    if form == "joined":
        return "a depthwise convolution that float operators read is no faster in INT8"
    if form == "float":
        return (
            "a grouped convolution is slower in INT8, and one of so many groups as a dense one too"
        )
    if ONNX.is_shallow(op):
        return "a large kernel on few channels is slower in INT8"
    return _ASKED if ONNX.takes(op) else _ONNX_HEAD
