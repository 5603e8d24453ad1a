"""Forms of a .tflite file that no build ships, to be measured beside those that it does.

Weight-only INT8, 16-bit activations with 8-bit weights, and the ceiling: everything that the
quantizer takes in INT8 with one range for all tensors, so that nothing is requantized. Its pictures
mean nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.quantize.learned import Learned
from iast_export.quantize.litert.delegation import taken_alone
from iast_export.quantize.litert.final_clamp import drop_final_clamp
from iast_export.quantize.litert.static import (
    CONVOLUTIONS,
    TOOL_NAMES,
    WEIGHTED,
    add_static,
    marked_kinds,
    run_tool,
    settle_static,
    write_quantized,
)

# Of every range: the ceiling is timed and never judged.
_CEILING_RANGE = 4.0


def write_weight_only_int8(fp32_path: Path, out_path: Path) -> None:
    """Weights in int8 per channel, dequantized before they are used; activations in float.

    Raises:
        ToolError: the quantizer fails.
    """
    fp32 = tf.read_model(fp32_path)
    quantized = run_tool(tw.serialize(fp32, named_constants=True), _weights_only, None)
    write_quantized(fp32, tf.parse(quantized), out_path)


def write_int16x8(
    prepared: Path,
    learned: Mapping[str, Learned],
    out_path: Path,
) -> None:
    """The operators of static INT8 with activations in int16, symmetric, and weights in int8.

    Args:
        prepared: as for static INT8.
        learned: by signature key; its ranges are used.
        out_path: where to write.

    Raises:
        InputError: a range is missing or not finite.
        ToolError: the quantizer fails.
    """
    model = tf.read_model(prepared)
    fp32 = tf.parse(tw.serialize(model))
    calibration = settle_static(model, learned, keep_clamp=True)
    named = tw.serialize(model, named_constants=True)
    configure = partial(add_static, activation_bits=16, kinds=marked_kinds(model))
    quantized = run_tool(named, configure, calibration, spelled=True)
    write_quantized(fp32, tf.parse(quantized), out_path)


def write_ceiling(fp32_path: Path, out_path: Path, without: Collection[str] = ()) -> None:
    """Every operator in INT8 that the quantizer takes, but those of the kinds in `without`.

    Raises:
        ToolError: the quantizer fails.
    """
    model = tf.read_model(fp32_path)
    fp32 = tf.parse(tw.serialize(model))
    for signature in tf.signatures(model):
        drop_final_clamp(model, signature, lambda _: True)
    kinds = [kind for kind in operator_kinds(model) if kind not in without]
    quantized = run_tool(
        tw.serialize(model, named_constants=True),
        partial(_everything, kinds=kinds),
        _one_range(model),
    )
    write_quantized(fp32, tf.parse(quantized), out_path)


def operator_kinds(model: tf.Model) -> list[str]:
    """Names of the operators in a model, each once, in the order of the graphs."""
    operators = [op for graph in model.subgraphs for op in graph.operators]
    return list(dict.fromkeys(tf.op_name(model, op) for op in operators))


def describe_work(path: Path, signature: str) -> str:
    """What the convolutions of a signature compute with, such as `15 int8 x int8, XNNPACK`.

    Raises:
        InputError: the file can't be read, or has no such signature.
    """
    model = tf.extract_signature(tf.read_model(path), signature)
    graph = model.subgraphs[0]
    writer = {int(t): op for op in graph.operators for t in op.outputs}
    counts: Counter[str] = Counter()
    taken: dict[str, bool] = {}
    for n, op in enumerate(graph.operators):
        if tf.op_name(model, op) not in (*CONVOLUTIONS, "DEPTHWISE_CONV_2D"):
            continue
        weight = int(op.inputs[1])
        unpacked = writer.get(weight)
        stored = tf.dtype_name(
            graph.tensors[int(unpacked.inputs[0]) if unpacked is not None else weight]
        )
        kind = f"{tf.dtype_name(graph.tensors[int(op.inputs[0])])} x {stored}"
        kind += " dequantized" if unpacked is not None else ""
        counts[kind] += 1
        if kind not in taken:
            taken[kind] = taken_alone(model, n)
    parts = [
        f"{count} convolutions {kind}, {'XNNPACK' if taken[kind] else 'reference kernel'}"
        for kind, count in counts.items()
    ]
    return "; ".join(parts) or "no convolution"


def _weights_only(tool: Any) -> None:
    from ai_edge_quantizer import qtyping

    for name in WEIGHTED:
        tool.add_weight_only_config(".*", qtyping.TFLOperationName(TOOL_NAMES.get(name, name)), 8)


def _everything(tool: Any, kinds: Collection[str]) -> None:
    from ai_edge_quantizer import qtyping

    known = {one.value for one in qtyping.TFLOperationName}
    for kind in kinds:
        if TOOL_NAMES.get(kind, kind) in known:
            tool.add_static_config(".*", qtyping.TFLOperationName(TOOL_NAMES.get(kind, kind)), 8, 8)


def _one_range(model: tf.Model) -> dict[str, dict[str, Any]]:
    floats = [
        t for graph in model.subgraphs for t in graph.tensors if tf.dtype_name(t) == "float32"
    ]
    low, high = np.array([-_CEILING_RANGE], np.float32), np.array([_CEILING_RANGE], np.float32)
    return {
        tf.text(t.name): {"min": low, "max": high} for t in floats if not tf.buffer_bytes(model, t)
    }
