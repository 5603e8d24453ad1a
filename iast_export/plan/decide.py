"""What the exporter does with a group, why, and where measured cost speaks against it.

The decision is read off the plan that the exporter itself follows, never made here.
"""

from __future__ import annotations

from typing import Any

from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import index_graph
from iast_export.forms.grouped import pays_in_onnx
from iast_export.plan.graph import Network, Op
from iast_export.plan.groups import Group
from iast_export.quantize.litert import static as litert
from iast_export.quantize.litert.plan import form_of
from iast_export.quantize.onnx import groups as onnx_groups
from iast_export.reports.plan import Decision, Flag, PlanGroup

_MOVING = ("Flatten", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
# Measured damage, not cost, keeps these in float: faster in INT8 would be no reason.
_ACCURACY = (
    "adaptive normalization",
    "gate",
    "normalization",
    "pooling",
    "residual sum",
    "sigmoid",
    "smooth function",
)
# Share of a tier's time from which a measured cost is worth a flag (DESIGN.md 27); chosen.
_MATTERS = 0.005
_INTEGER_REASONS = {
    "concat": "only moves values: what leads here alone is written at its scale, other integers "
    "requantized",
    "dense convolution": "dense convolutions are what INT8 makes faster",
    "grouped convolution": "so many channels a group that this runtime computes it in integers as "
    "it is",
    "layout change": "only moves values, so it works on the integers around it",
    "narrow head": "a dense convolution among integers",
    "pixel shuffle": "only moves values, so it works on the integers around it",
    "reflection pad": "only moves values, so it works on the integers around it",
    "rectified sum": "a sum of two integer results under a ReLU, which bounds its range",
    "residual sum": "a sum of two integer results: one rounding, no trunk",
    "resize": "nearest neighbors only move values",
    "transposed convolution": "a convolution, which this runtime computes in integers",
}


_DENSE = (
    "written as one dense convolution with zeros, which integers are faster at than at its groups"
)


def decision_of(group: Group) -> Decision:
    """What the exporter's plan says of the operators that compute; of all, where the group only
    moves."""
    ops = [op for op in group.ops if op.type not in _MOVING] or list(group.ops)
    integers = sum(op.integer for op in ops)
    return "int8" if integers == len(ops) else "fp32" if not integers else "mixed"


def reason_of(model: Any, network: Network, group: Group) -> str:
    """Why the exporter does so, one sentence without its full stop."""
    words = _concat_ranges(network, group) if group.kind == "concat" else ""
    if decision_of(group) == "int8" and _is_dense(model, network, group.main):
        reason = _DENSE
    elif decision_of(group) == "int8":
        reason = _INTEGER_REASONS.get(group.kind, "follows the integers around it")
    else:
        reason = (
            _unfolded_clamp(network, group)
            or _FOLLOWERS.get(group.kind, "")
            or "; ".join(_reasons_in_float(model, network, group))
        )
    return f"{reason}; {words}" if words else reason


def _reasons_in_float(model: Any, network: Network, group: Group) -> list[str]:
    """What the exporter says of a group's operators; sums and products inside a chain only follow
    it."""
    if group.kind == "resize" and group.main.mode == "nearest":
        return [_MOVES_FLOATS]
    speaking = [op for op in group.ops if op.weight] or [
        op
        for op in group.ops
        if op.type not in (*_MOVING, "Mul", "Sub")
        and (op.type != "Add" or group.kind.endswith("sum"))
    ]
    found = list(
        dict.fromkeys(_reason_in_float(model, network, op) for op in speaking if not op.integer)
    )
    return [reason for reason in found if reason not in ("", _ISLAND_OF_LITERT)] or [_ISLAND]


_MOVES_FLOATS = "moves values between float operators"
_ISLAND = "part of a float island, which is quantized whole or not at all"
_ISLAND_OF_LITERT = litert.reason_in_float("")
_FOLLOWERS = {
    "batch normalization": "could not be folded into its convolution, and has no integer kernel",
    "clamp": "follows the float operator before it",
    "gate": "a gate multiplies floats: part of an island, quantized whole or not at all",
    "concat": _MOVES_FLOATS,
    "layout change": _MOVES_FLOATS,
    "pixel shuffle": _MOVES_FLOATS,
    "reflection pad": _MOVES_FLOATS,
    "zero pad": _MOVES_FLOATS,
}


def _unfolded_clamp(network: Network, group: Group) -> str:
    """Why a clamp behind integers is one of its own; empty for every other group."""
    maker = network.producers.get(group.main.inputs[0]) if group.kind == "clamp" else None
    alone = maker is not None and maker.integer
    return (
        "does not fold into the integers: the file takes the shape of what it clamps"
        if alone
        else ""
    )


def _reason_in_float(model: Any, network: Network, op: Op) -> str:
    if network.runtime == "onnxruntime":
        return onnx_groups.reason_in_float(model.graph.node[op.position], index_graph(model.graph))
    graph = model.subgraphs[0]
    given = graph.operators[op.position]
    return litert.reason_in_float(tf.op_name(model, given), form_of(model, graph, given))


def _is_dense(model: Any, network: Network, op: Op) -> bool:
    """Whether the INT8 file holds a grouped convolution as a dense one."""
    if network.runtime == "onnxruntime":
        return op.type == "Conv" and pays_in_onnx(op.weight, op.groups)
    return form_of(model, model.subgraphs[0], model.subgraphs[0].operators[op.position]) == "dense"


def _concat_ranges(network: Network, group: Group) -> str:
    """What is known of the ranges that a concatenation joins before anything was calibrated."""
    bounds = [_bounds(network, name) for name in group.main.inputs]
    if len(set(bounds)) == 1:
        return f"all inputs {bounds[0]}"
    unlike = f"unlike inputs ({', '.join(dict.fromkeys(bounds))})"
    if decision_of(group) == "fp32":
        return unlike
    return (
        f"{unlike} in one range: convolutions that lead here alone are made alike where "
        "values differ much"
    )


def _bounds(network: Network, name: str) -> str:
    maker = network.producers.get(name)
    if maker is None:
        return "fed from outside"
    if maker.type == "Sigmoid":
        return "0 to 1"
    if maker.type in ("Clip", "Relu") or maker.mode == "rectified":
        return "0 and above"
    return "unbounded"


def flag_of(row: PlanGroup, total_ms: float) -> Flag:
    """Where the measured cost, by its interval, contradicts the decision, and enough to matter.

    Args:
        row: a measured group. One that follows the float operators around it gets what they get,
            and one kept in float for the picture stays there whatever it costs: neither is flagged.
        total_ms: of the tier as planned; rows that could save less than half a percent are left
            alone.
    """
    if row.speed is None or row.fp32_ms is None or row.int8_ms is None:
        return ""
    if abs(row.fp32_ms - row.int8_ms) * row.count < _MATTERS * total_ms:
        return ""
    if row.decision == "int8" and row.speed.high < 1.0:
        return "slower in INT8 here"
    free = row.kind not in _ACCURACY and not row.reason.startswith((_ISLAND, _MOVES_FLOATS))
    if row.decision == "fp32" and row.speed.low > 1.0 and free:
        return "faster in INT8 here"
    return ""
