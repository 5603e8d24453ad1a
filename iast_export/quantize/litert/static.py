"""FP32 .tflite to FP16, dynamic INT8 or static INT8, through ai-edge-quantizer, with our ranges.

`tflite_graph.integer_operators` decides what becomes integer in static INT8. Everything else stays
in float on purpose: the normalization chains (statistics in 8 bits lose narrow channels, and half
a chain in INT8 ruins the picture), depthwise convolutions that float operators read and, unless
asked otherwise, residual sums (whose rounding would add up along the trunk).

Grouped convolutions are written as dense ones, with zeros, where that is faster
(`rewrites.grouped`).

Tensors that only move values share one range, so that no requantization is inserted and pixels
stay exact. A final clamp to [0, 1] is dropped: the output's scale, exactly 1/255 with zero point
-128, saturates at the same places.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from iast_export.errors import InputError, ToolError, UsageError
from iast_export.files.artifacts import write_atomic
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.forms.grouped import GroupForm
from iast_export.forms.tflite_forms import unit_clamp
from iast_export.quantize.learned import Learned
from iast_export.quantize.litert.delegation import SignatureDelegation, delegation
from iast_export.quantize.litert.edges import integer_edges
from iast_export.quantize.litert.moves import hide_block_moves, show_block_moves
from iast_export.quantize.litert.plan import (
    CONVOLUTIONS,
    DEPTHWISE,
    MOVEMENTS,
    Sums,
    form_of,
    integer_operators,
    leads_group,
    result_name,
    value_roots,
)
from iast_export.quantize.litert.weights import densify_litert, replace_filters
from iast_export.quantize.ranges import found_range
from iast_export.quantize.rectified_sums import litert_sums, tighten
from iast_export.specs import CONTENT, STYLIZED, Precision

Edges = Literal["float32", "int8"]

WEIGHTED = (*CONVOLUTIONS, DEPTHWISE, "FULLY_CONNECTED")
TOOL_NAMES = {
    "DEPTH_TO_SPACE": "RESHAPE",  # as `litert_moves` hides it
    "SPACE_TO_DEPTH": "RESHAPE",
    "TRANSPOSE_CONV": "CONV_2D_TRANSPOSE",
}
__all__ = [
    "LiteRtQuantizeSummary",
    "SignatureDelegation",
    "delegation",
    "planned_operators",
    "quantize_litert",
    "reason_in_float",
]
MARK = "integer:"
_REASONS = {
    DEPTHWISE: "depthwise, and read by float operators: no faster in INT8",
    "ADD": "a sum inside an island, or along the trunk, where rounding would add up",
    "FULLY_CONNECTED": "a dense layer on codes: small, and it sets every normalization",
    "MEAN": "normalization statistics: 8 bits lose narrow channels",
    "RSQRT": "normalization statistics: 8 bits lose narrow channels",
    "SQRT": "normalization statistics: 8 bits lose narrow channels",
    "DIV": "normalization statistics: no INT8 kernel",
    "LOGISTIC": "a gate or an output curve: its fixed INT8 scale would not fit what reads it",
    "MIRROR_PAD": "no INT8 kernel in XNNPACK",
    "HARD_SWISH": "a smooth function: XNNPACK leaves its INT8 form to a slow reference kernel",
    "RESIZE_BILINEAR": "interpolation computes new values, which would be rounded once more",
}
_REASONS_OF_FORMS = {
    "dense": "asked to stay in float",
    "float": "a grouped convolution of few channels a group: slower in INT8, as a dense one too",
}
_OTHER_REASON = "part of a normalization or gating chain, which is quantized whole or not at all"


def reason_in_float(name: str, form: GroupForm = "unchanged") -> str:
    """Why static INT8 leaves an operator of that name, and of that form (`form_of`), in float."""
    return _REASONS_OF_FORMS.get(form) or _REASONS.get(name, _OTHER_REASON)


@dataclass(frozen=True)
class LiteRtQuantizeSummary:
    """What was quantized: counts per signature, and the operators left in float with the reason."""

    precision: Precision
    edges: Edges
    quantized_ops: Mapping[str, Mapping[str, int]]
    float_ops: Mapping[str, Mapping[str, int]]
    islands: Mapping[str, str]
    file_bytes: int
    size_ratio: float
    unique_weight_bytes: int
    shared_weight_bytes: int


def quantize_litert(
    fp32_path: Path,
    precision: Precision,
    learned: Mapping[str, Learned] | None,
    out_path: Path,
    edges: Edges = "float32",
    sums: Sums = "float32",
    in_float: Collection[str] = (),
) -> LiteRtQuantizeSummary:
    """Writes `out_path` from an FP32 file of `convert.convert_fp32`; weights stay shared.

    Args:
        fp32_path: the FP32 file; for "int8" the prepared one, that the ranges are of.
        precision: "fp16" (weights), "dynamic_int8" (weights, activations at run time) or "int8".
        learned: for "int8", by signature key: ranges of `plan.range_tensors`, and filters, of which
            signatures that share a weight have the same. LiteRT's biases are not shifted.
        out_path: where to write.
        edges: type of `content` and `stylized`; codes stay float32.
        sums: whether residual sums are computed in float (closer to FP32) or in INT8 (some 3 %
            faster).
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
    fp32 = tf.parse(tw.serialize(model))
    calibration: dict[str, dict[str, Any]] | None = None
    if precision == "int8":
        if learned is None:
            raise UsageError("static INT8 without ranges", "run calibrate first")
        _check_groups(model, sums, in_float)
        filters = {key: value for one in learned.values() for key, value in one.filters.items()}
        replace_filters(model, filters, in_float)
        calibration = settle_static(model, learned, sums, in_float)
        densify_litert(model, MARK)
    named = tw.serialize(model, named_constants=True)
    nothing = calibration == {}  # every group in float, which the tool would refuse
    configure = partial(_configure, precision=precision)
    quantized = tf.parse(named if nothing else run_tool(named, configure, calibration))
    for signature in tf.signatures(quantized) if edges == "int8" else []:
        integer_edges(quantized, signature)
    written = write_quantized(fp32, quantized, out_path)
    return _summarize(written, precision, edges, out_path.stat().st_size)


def write_quantized(fp32: tf.Model, quantized: tf.Model, out_path: Path) -> tf.Model:
    """Writes what the quantizer made in the canonical form, and returns it as written.

    Raises:
        ToolError: weights that were shared no longer are.
    """
    tw.canonicalize(quantized)
    data = tw.serialize(quantized)
    written = tf.parse(data)
    _check_sharing(fp32, written)
    write_atomic(out_path, data)
    return written


def _check_groups(model: tf.Model, sums: Sums, in_float: Collection[str]) -> None:
    known = {
        result_name(graph, graph.operators[n])
        for graph in model.subgraphs
        for n in integer_operators(model, graph, sums)
        if leads_group(model, graph, graph.operators[n])
    }
    unknown = sorted(set(in_float) - known)
    if unknown:
        raise UsageError(
            f"no operator group {unknown[0]!r} in integers", "name those of `litert_groups`"
        )


def settle_static(
    model: tf.Model,
    learned: Mapping[str, Learned],
    sums: Sums = "float32",
    in_float: Collection[str] = (),
    keep_clamp: bool = False,
) -> dict[str, dict[str, Any]]:
    """Drops final clamps, marks integer operators by their outputs' names, and settles every range.

    With `keep_clamp` a final clamp stays, for types whose levels don't end at 0 and 1.
    """
    calibration: dict[str, dict[str, Any]] = {}
    for signature in tf.signatures(model):
        if signature.key not in learned:
            raise InputError(
                f"no ranges for signature {signature.key}", "calibrate every tier again"
            )
        graph = model.subgraphs[signature.subgraph]
        planned = integer_operators(model, graph, sums, in_float)
        chosen = planned if keep_clamp else drop_final_clamp(model, graph, signature, planned)
        settled = _settle_ranges(model, graph, signature, chosen, learned[signature.key])
        for n in chosen:
            for t in graph.operators[n].outputs:
                graph.tensors[int(t)].name = MARK + tf.text(graph.tensors[int(t)].name)
        for t, (low, high) in settled.items():
            name = tf.text(graph.tensors[t].name)
            calibration[name] = {
                "min": np.array([low], np.float32),
                "max": np.array([high], np.float32),
            }
    return calibration


def planned_operators(
    model: tf.Model, graph: tf.Graph, signature: tf.Signature, sums: Sums = "float32"
) -> set[int]:
    """Indices of the operators that static INT8 computes in integers.

    A final clamp that the output's scale makes needless is removed first, in place.
    """
    return drop_final_clamp(model, graph, signature, integer_operators(model, graph, sums))


def drop_final_clamp(
    model: tf.Model, graph: tf.Graph, signature: tf.Signature, chosen: set[int]
) -> set[int]:
    """Removes a clamp to [0, 1] between an integer operator and the output; the new chosen set."""
    last = signature.outputs.get(STYLIZED, -1)
    chain = [n for n, op in enumerate(graph.operators) if last in [int(t) for t in op.outputs]]
    producer = {int(t): n for n, op in enumerate(graph.operators) for t in op.outputs}
    while chain and tf.op_name(model, graph.operators[chain[-1]]) in MOVEMENTS:
        source = producer.get(int(graph.operators[chain[-1]].inputs[0]))
        if source is None:
            return chosen
        chain.append(source)
    clamp = unit_clamp(model, graph, chain[-1]) if chain else []
    before = int(graph.operators[clamp[0]].inputs[0]) if clamp else -1
    if not clamp or producer.get(before) not in chosen:
        return chosen
    after = int(graph.operators[clamp[-1]].outputs[0])
    source_op = graph.operators[producer[before]]
    if len(clamp) == 1:
        source_op.builtinOptions.fusedActivationFunction = tf.schema().ActivationFunctionType.NONE
    if after in [int(t) for t in graph.outputs]:
        source_op.outputs = [after if int(t) == before else int(t) for t in source_op.outputs]
        before, after = after, before
    for op in graph.operators:
        op.inputs = [before if int(t) == after else int(t) for t in op.inputs]
    kept = [n for n in range(len(graph.operators)) if n not in clamp]
    graph.operators = [graph.operators[n] for n in kept]
    chosen = chosen | set(chain[:-1])
    return {place for place, n in enumerate(kept) if n in chosen}


def _settle_ranges(
    model: tf.Model,
    graph: tf.Graph,
    signature: tf.Signature,
    chosen: set[int],
    learned: Learned,
) -> dict[int, tuple[float, float]]:
    """The range of every float tensor that an integer operator reads or writes, by tensor index.

    Tensors joined by operators that only move values get the range of the tensor they come from,
    and the terms of a rectified sum only what can outlast it (`rectified_sums`).
    """
    root = value_roots(model, graph, chosen)
    exact = {signature.inputs.get(CONTENT), signature.outputs.get(STYLIZED)} - {None}
    unit = {root[t] for t in exact if t in root}
    found = {
        source: (0.0, 1.0)
        if source in unit
        else found_range(tf.text(graph.tensors[source].name), learned.ranges)
        for source in sorted(set(root.values()))
    }
    settled = tighten(found, litert_sums(model, graph, chosen, root) if learned.trim_sums else [])
    return {t: settled[source] for t, source in root.items()}


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
        spelled: see `litert_moves.show_block_moves`.

    Raises:
        ToolError: the quantizer fails.
    """
    with tf.quiet_tools():
        from ai_edge_quantizer import quantizer

        given = tf.parse(data)
        hidden = hide_block_moves(given)
        tool = quantizer.Quantizer(
            bytearray(tw.serialize(given, named_constants=True) if hidden else data)
        )
        configure(tool)
        made = bytes(tool.quantize(calibration, enable_progress_report=False).quantized_model)
        if not hidden:
            return made
        model = tf.parse(made)
        show_block_moves(model, spelled)
        return tw.serialize(model, named_constants=True)


def _configure(tool: Any, precision: Precision) -> None:
    from ai_edge_quantizer import algorithm_manager, qtyping

    operation = qtyping.TFLOperationName
    if precision == "int8":
        add_static(tool, activation_bits=8)
    elif precision == "dynamic_int8":
        for name in CONVOLUTIONS:
            tool.add_dynamic_config(".*", operation(TOOL_NAMES.get(name, name)), 8)
    else:
        casting = algorithm_manager.AlgorithmName.FLOAT_CASTING
        for name in WEIGHTED:
            kind = operation(TOOL_NAMES.get(name, name))
            tool.add_weight_only_config(".*", kind, 16, algorithm_key=casting)


def add_static(tool: Any, activation_bits: int) -> None:
    """Gives the operators that `settle_static` marked integers of so many bits, and weights of
    8."""
    from ai_edge_quantizer import qtyping

    for name in (*CONVOLUTIONS, DEPTHWISE, *MOVEMENTS, "RELU", "ADD"):
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
        for op in graph.operators:
            name, inexact = tf.op_name(model, op), tf.is_float(graph, op)
            (floats if inexact else quantized)[signature.key][name] += 1
            if inexact and precision == "int8":
                islands[tf.text(graph.tensors[int(op.outputs[0])].name)] = reason_in_float(
                    name, form_of(model, graph, op)
                )
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
