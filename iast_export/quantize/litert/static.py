"""FP32 .tflite to FP16, dynamic INT8 or static INT8, through ai-edge-quantizer, with our ranges.

`decide` says what becomes integer in static INT8. Everything else stays in float on purpose: the
normalization chains (statistics in 8 bits lose narrow channels, and half a chain in INT8 ruins the
picture), depthwise convolutions that float operators read and residual sums (whose rounding would
add up along the trunk).

Grouped convolutions are written as dense ones, with zeros, where that is faster
(`forms.grouped`).

Tensors that only move values share one range, so that no requantization is inserted and pixels
stay exact. A final clamp to [0, 1] is dropped: the output's scale, exactly 1/255 with zero point
-128, saturates at the same places.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from iast_export.decide.decide import decide_litert
from iast_export.decide.groups import find_groups
from iast_export.decide.read_litert import read_operators, tensor_index
from iast_export.decide.reasons import reason_in_float
from iast_export.errors import InputError, ToolError, UsageError
from iast_export.files.artifacts import write_atomic
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.forms.row_bands import band_rows
from iast_export.quantize.learned import Learned
from iast_export.quantize.litert.biases import own_biases
from iast_export.quantize.litert.delegation import SignatureDelegation, delegation
from iast_export.quantize.litert.edges import integer_edges
from iast_export.quantize.litert.final_clamp import decide_unclamped
from iast_export.quantize.litert.half import write_half_safe
from iast_export.quantize.litert.moves import hide_unknown, show_unknown
from iast_export.quantize.litert.weights import densify_litert, replace_filters
from iast_export.quantize.settle import settled_ranges
from iast_export.runtimes.gpu_operators import held
from iast_export.specs import Precision

Edges = Literal["float32", "int8"]

CONVOLUTIONS = ("CONV_2D", "TRANSPOSE_CONV")
WEIGHTED = (*CONVOLUTIONS, "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
TOOL_NAMES = {
    "DEPTH_TO_SPACE": "RESHAPE",  # as `moves` hides it
    "LEAKY_RELU": "RELU",
    "SPACE_TO_DEPTH": "RESHAPE",
    "TRANSPOSE_CONV": "CONV_2D_TRANSPOSE",
}
__all__ = [
    "LiteRtQuantizeSummary",
    "SignatureDelegation",
    "delegation",
    "quantize_litert",
]
MARK = "integer:"


@dataclass(frozen=True)
class LiteRtQuantizeSummary:
    """What was quantized: counts per signature, and the operators left in float with the reason.

    `half_safe`: places scaled so that FP16 holds them; see `write_half_safe`. `row_bands`: those
    computed in bands, so that every GPU holds their tensors; see `band_rows`.
    """

    precision: Precision
    edges: Edges
    quantized_ops: Mapping[str, Mapping[str, int]]
    float_ops: Mapping[str, Mapping[str, int]]
    islands: Mapping[str, str]
    file_bytes: int
    size_ratio: float
    unique_weight_bytes: int
    shared_weight_bytes: int
    half_safe: int = 0
    row_bands: int = 0


def quantize_litert(
    fp32_path: Path,
    precision: Precision,
    learned: Mapping[str, Learned] | None,
    out_path: Path,
    edges: Edges = "float32",
    in_float: Collection[str] = (),
) -> LiteRtQuantizeSummary:
    """Writes `out_path` from an FP32 file of `convert.convert_fp32`; weights stay shared.

    Args:
        fp32_path: the FP32 file; for "int8" the prepared one, that the ranges are of.
        precision: "fp16" (weights), "dynamic_int8" (weights, activations at run time) or "int8".
        learned: for "int8", by signature key: ranges of `calibration.range_tensors`, and filters,
            of which signatures that share a weight have the same. LiteRT's biases are not shifted.
        out_path: where to write.
        edges: type of `content` and `stylized`; codes stay float32.
        in_float: names of operator groups (`litert_groups`) to leave in float, of any signature;
            for "int8". A weight that signatures share is stored once in each precision that it is
            read in.

    Raises:
        UsageError: an impossible combination of options.
        InputError: a range is missing or not finite.
        ToolError: the quantizer failed, or weights that were shared no longer are.
    """
    if precision not in ("fp16", "dynamic_int8", "int8"):
        raise UsageError(
            f"precision {precision!r} is not one to quantize to", "use fp16, dynamic_int8 or int8"
        )
    if edges == "int8" and precision != "int8":
        raise UsageError(f"int8 edges with {precision}", "int8 edges need precision int8")
    model = tf.read_model(fp32_path)
    half_safe = bands = 0
    if precision == "fp16":
        ranges = {key: one.ranges for key, one in (learned or {}).items()}
        half_safe, bands = write_half_safe(model, ranges).places, band_rows(model, held)
    fp32 = tf.parse(tw.serialize(model))
    calibration: dict[str, dict[str, Any]] | None = None
    if precision == "int8":
        if learned is None:
            raise UsageError("static INT8 without ranges", "run calibrate first")
        _check_groups(model, in_float)
        filters = {key: value for one in learned.values() for key, value in one.filters.items()}
        replace_filters(model, filters, in_float)
        calibration = settle_static(model, learned, in_float)
        densify_litert(model, MARK)
    named = tw.serialize(model, named_constants=True)
    nothing = calibration == {}  # every group in float, which the tool would refuse
    configure = partial(_configure, precision=precision, kinds=marked_kinds(model))
    quantized = tf.parse(named if nothing else run_tool(named, configure, calibration))
    for signature in tf.signatures(quantized) if edges == "int8" else []:
        integer_edges(quantized, signature)
    written = write_quantized(fp32, quantized, out_path)
    summary = _summarize(written, precision, edges, out_path.stat().st_size)
    return replace(summary, half_safe=half_safe, row_bands=bands)


def write_quantized(fp32: tf.Model, quantized: tf.Model, out_path: Path) -> tf.Model:
    """Writes what the quantizer made in the canonical form, and returns it as written.

    Raises:
        ToolError: weights that were shared no longer are.
    """
    own_biases(fp32, quantized)
    tw.canonicalize(quantized)
    data = tw.serialize(quantized)
    written = tf.parse(data)
    _check_sharing(fp32, written)
    write_atomic(out_path, data)
    return written


def _check_groups(model: tf.Model, in_float: Collection[str]) -> None:
    known = {
        group.name
        for signature in (tf.signatures(model) if in_float else [])
        for group in find_groups(decide_litert(model, signature))
    }
    unknown = sorted(set(in_float) - known)
    if unknown:
        raise UsageError(
            f"no operator group {unknown[0]!r} in integers", "name those of `litert_groups`"
        )


def settle_static(
    model: tf.Model,
    learned: Mapping[str, Learned],
    in_float: Collection[str] = (),
    keep_clamp: bool = False,
) -> dict[str, dict[str, Any]]:
    """Drops final clamps, marks integer operators by their outputs' names, and settles every range.

    With `keep_clamp` a final clamp stays, for types whose levels don't end at 0 and 1.
    """
    calibration: dict[str, dict[str, Any]] = {}
    decided = decide_litert if keep_clamp else decide_unclamped
    for signature in tf.signatures(model):
        if signature.key not in learned:
            raise InputError(
                f"no ranges for signature {signature.key}", "calibrate every tier again"
            )
        one = learned[signature.key]
        decisions = decided(model, signature, in_float)
        settled = settled_ranges(decisions, one.ranges, one.trim_sums)
        tensors = model.subgraphs[signature.subgraph].tensors
        for op in decisions.network.ops:
            for name in op.outputs if decisions.is_integer(op) else ():
                tensor = tensors[tensor_index(name)]
                tensor.name = MARK + tf.text(tensor.name)
        for name, (low, high) in settled.items():
            calibration[tf.text(tensors[tensor_index(name)].name)] = {
                "min": np.array([low], np.float32),
                "max": np.array([high], np.float32),
            }
    return calibration


def run_tool(
    data: bytes,
    configure: Callable[[Any], None],
    calibration: Mapping[str, Mapping[str, Any]] | None,
    spelled: bool = False,
) -> bytes:
    """The quantizer's own bytes.

    Args:
        data: a model with named constants.
        configure: gives a `quantizer.Quantizer` its recipe.
        calibration: min and max by tensor name; None where nothing is static.
        spelled: see `moves.show_unknown`.

    Raises:
        ToolError: the quantizer fails.
    """
    with tf.quiet_tools():
        from ai_edge_quantizer import quantizer

        given = tf.parse(data)
        hidden = hide_unknown(given)
        tool = quantizer.Quantizer(
            bytearray(tw.serialize(given, named_constants=True) if hidden else data)
        )
        configure(tool)
        made = bytes(tool.quantize(calibration, enable_progress_report=False).quantized_model)
        if not hidden:
            return made
        model = tf.parse(made)
        show_unknown(model, spelled)
        return tw.serialize(model, named_constants=True)


def _configure(tool: Any, precision: Precision, kinds: Collection[str]) -> None:
    from ai_edge_quantizer import algorithm_manager, qtyping

    operation = qtyping.TFLOperationName
    if precision == "int8":
        add_static(tool, 8, kinds)
    elif precision == "dynamic_int8":
        for name in CONVOLUTIONS:
            tool.add_dynamic_config(".*", operation(TOOL_NAMES.get(name, name)), 8)
    else:
        casting = algorithm_manager.AlgorithmName.FLOAT_CASTING
        for name in WEIGHTED:
            kind = operation(TOOL_NAMES.get(name, name))
            tool.add_weight_only_config(".*", kind, 16, algorithm_key=casting)


def marked_kinds(model: tf.Model) -> list[str]:
    """Names of the operators that `settle_static` marked, each once."""
    return sorted(
        {
            tf.op_name(model, op)
            for graph in model.subgraphs
            for op in graph.operators
            if tf.text(graph.tensors[int(op.outputs[0])].name).startswith(MARK)
        }
    )


def add_static(tool: Any, activation_bits: int, kinds: Collection[str]) -> None:
    """Gives marked operators (`settle_static`) of these kinds such integers, and weights of 8."""
    from ai_edge_quantizer import qtyping

    for name in kinds:
        kind = qtyping.TFLOperationName(TOOL_NAMES.get(name, name))
        tool.add_static_config(f"^{re.escape(MARK)}", kind, activation_bits, 8)


def _check_sharing(fp32: tf.Model, quantized: tf.Model) -> None:
    """Refuses a result in which weights that several signatures shared are stored more than once.

    Once in each precision, where some operators are left in float.
    """
    before, after = _weights(fp32), _weights(quantized)
    groups: dict[tuple[int, str], set[int]] = {}
    for place, (old, _) in before.items():
        new, dtype = after[place]
        groups.setdefault((old, dtype), set()).add(new)
    split = sum(len(new) > 1 for new in groups.values())
    if split:
        raise ToolError(
            f"{split} weights are no longer shared between signatures after quantization",
            "report this: the quantizer gave one weight several encodings",
        )


def _weights(model: tf.Model) -> dict[tuple[str, int], tuple[int, str]]:
    """(signature, n-th weighted operator) -> buffer and type of its weights."""
    found = {}
    for signature in tf.signatures(model):
        graph = model.subgraphs[signature.subgraph]
        writer = {int(t): op for op in graph.operators for t in op.outputs}
        weighted = [op for op in graph.operators if tf.op_name(model, op) in WEIGHTED]
        for n, op in enumerate(weighted):
            t = int(op.inputs[1])
            t = int(writer[t].inputs[0]) if t in writer else t  # behind a DEQUANTIZE in FP16
            found[signature.key, n] = int(graph.tensors[t].buffer), tf.dtype_name(graph.tensors[t])
    return found


def _summarize(
    model: tf.Model, precision: Precision, edges: Edges, size: int
) -> LiteRtQuantizeSummary:
    quantized: dict[str, Counter[str]] = {}
    floats: dict[str, Counter[str]] = {}
    islands: dict[str, str] = {}
    for signature in tf.signatures(model):
        graph = model.subgraphs[signature.subgraph]
        quantized[signature.key], floats[signature.key] = Counter(), Counter()
        for op, given in zip(read_operators(model, graph), graph.operators, strict=True):
            inexact = tf.is_float(graph, given)
            (floats if inexact else quantized)[signature.key][op.native] += 1
            if inexact and precision == "int8":
                name = tf.text(graph.tensors[tensor_index(op.name)].name)
                islands[name] = reason_in_float(op, "litert")
    keys = [s.key for s in tf.signatures(model)]
    largest = max(len(tw.serialize(tf.extract_signature(model, key))) for key in keys)
    count = tf.count_bytes(model)
    return LiteRtQuantizeSummary(
        precision,
        edges,
        {key: dict(sorted(c.items())) for key, c in quantized.items()},
        {key: dict(sorted(c.items())) for key, c in floats.items()},
        islands,
        size,
        size / largest,
        count.unique_weight_bytes,
        count.shared_weight_bytes,
    )
