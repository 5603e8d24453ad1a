"""The oldest release of its runtime that takes a model file, read from the file. No torch.

ONNX says it by its IR version and its opset. TFLite files of converters don't (an INT8 convolution
keeps the version of a float one), so that there the oldest release that ran the packaged bundle's
goldens is named, for files whose operators all stand in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

# ONNX Runtime's own compatibility table: the first release with an IR version, and with an opset.
_ONNX_IR: Mapping[int, str] = {8: "1.10", 9: "1.15", 10: "1.18", 11: "1.22", 12: "1.23", 13: "1.24"}
_ONNX_OPSET: Mapping[int, str] = {
    **{13: "1.6", 14: "1.8", 15: "1.9", 16: "1.11", 17: "1.12", 18: "1.14", 19: "1.15", 20: "1.17"},
    **{21: "1.18", 22: "1.21", 23: "1.22", 24: "1.23", 25: "1.24"},
}
_OLDEST_ONNX_RUNTIME = "1.10"  # of older ones nothing is known here
_OLDEST_TFLITE = "2.14"
# Operators of that release, each with a version that it surely has.
_TFLITE_OPERATORS: Mapping[str, int] = {
    **dict.fromkeys(
        ("ABS", "ELU", "EXPAND_DIMS", "EXP", "GELU", "HARD_SWISH", "NEG", "POW", "PRELU"), 1
    ),
    **dict.fromkeys(("RELU_0_TO_1", "RELU_N1_TO_1", "RESHAPE", "SELECT_V2", "SQRT", "SQUARE"), 1),
    **dict.fromkeys(
        ("DEPTH_TO_SPACE", "DIV", "LEAKY_RELU", "MIRROR_PAD", "RSQRT", "SPACE_TO_DEPTH"), 2
    ),
    **dict.fromkeys(("SQUARED_DIFFERENCE", "SQUEEZE", "SUM", "RELU"), 2),
    **dict.fromkeys(
        ("AVERAGE_POOL_2D", "BROADCAST_TO", "CONCATENATION", "LOGISTIC", "MAX_POOL_2D"), 3
    ),
    **dict.fromkeys(
        ("MEAN", "QUANTIZE", "RELU6", "SOFTMAX", "SUB", "TANH", "TILE", "TRANSPOSE_CONV"), 3
    ),
    **dict.fromkeys(("ADD", "BATCH_MATMUL", "CAST", "DEQUANTIZE", "MAXIMUM", "MINIMUM", "PACK"), 4),
    **dict.fromkeys(
        ("PAD", "PADV2", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SPLIT", "UNPACK"), 4
    ),
    **dict.fromkeys(("GATHER", "SLICE"), 5),
    **dict.fromkeys(("CONV_2D", "DEPTHWISE_CONV_2D", "MUL", "STRIDED_SLICE", "TRANSPOSE"), 6),
    "FULLY_CONNECTED": 9,
}


def minimum_runtime(data: bytes, path: Path) -> str | None:
    """The oldest release of ONNX Runtime or TFLite, such as "1.16"; None where it is not known.

    Args:
        data: the file's bytes.
        path: its name decides the format, and stands in messages.

    Raises:
        InputError: the file is damaged.
    """
    return _of_tflite(data, path) if path.suffix == ".tflite" else _of_onnx(data, path)


def _of_onnx(data: bytes, path: Path) -> str | None:
    from iast_export.formats.onnx_graph import parse_model

    model = parse_model(data, path)
    opsets = {one.domain: one.version for one in model.opset_import}
    if set(opsets) - {"", "ai.onnx"} or not opsets:
        return None
    needed = [
        _ONNX_IR.get(model.ir_version, _OLDEST_ONNX_RUNTIME if model.ir_version < 8 else None)
    ]
    needed += [
        _ONNX_OPSET.get(v, _OLDEST_ONNX_RUNTIME if v < 13 else None) for v in opsets.values()
    ]
    known = [one for one in needed if one is not None]
    return max([_OLDEST_ONNX_RUNTIME, *known], key=_number) if len(known) == len(needed) else None


def _of_tflite(data: bytes, path: Path) -> str | None:
    from iast_export.formats import tflite_file as tf

    model = tf.parse(data, path)
    used = {(tf.code_name(code), int(code.version)) for code in model.operatorCodes}
    return _OLDEST_TFLITE if all(v <= _TFLITE_OPERATORS.get(name, 0) for name, v in used) else None


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
