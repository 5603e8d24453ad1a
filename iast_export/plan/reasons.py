"""What the exporter does with a group, in words, and where measured cost speaks against it.

What is decided is read off `Decisions`, never made here.
"""

from __future__ import annotations

from iast_export.decide.decide import Decisions
from iast_export.decide.graph import Network
from iast_export.decide.reasons import FOLLOWS
from iast_export.plan.groups import Group
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


_FUSED = "integers are around it: this runtime makes one kernel of it and their conversions"


def decision_of(decisions: Decisions, group: Group) -> Decision:
    """What the plan says of a group's operators that compute; of all, where it only moves."""
    ops = [op for op in group.ops if op.type not in _MOVING] or list(group.ops)
    integers = sum(decisions.runs_in_integers(op) for op in ops)
    return "int8" if integers == len(ops) else "fp32" if not integers else "mixed"


def reason_of(decisions: Decisions, group: Group) -> str:
    """Why the exporter does so, one sentence without its full stop."""
    words = _concat_ranges(decisions, group) if group.kind == "concat" else ""
    integer = decision_of(decisions, group) == "int8"
    if integer and decisions.policy.form_of(group.main) == "dense":
        reason = _DENSE
    elif integer and decisions.is_fused(group.main):
        reason = _FUSED
    elif integer:
        reason = _INTEGER_REASONS.get(group.kind, "follows the integers around it")
    else:
        reason = (
            _unfolded_clamp(decisions, group)
            or _FOLLOWERS.get(group.kind, "")
            or "; ".join(_reasons_in_float(decisions, group))
        )
    return f"{reason}; {words}" if words else reason


def _reasons_in_float(decisions: Decisions, group: Group) -> list[str]:
    """What is said of a group's operators; sums and products inside a chain only follow it."""
    if group.kind == "resize" and group.main.mode == "nearest":
        return [_MOVES_FLOATS]
    speaking = [op for op in group.ops if op.weight] or [
        op
        for op in group.ops
        if op.type not in (*_MOVING, "Mul", "Sub")
        and (op.type != "Add" or group.kind.endswith("sum"))
    ]
    found = dict.fromkeys(decisions.reason(op) for op in speaking)
    return [reason for reason in found if reason not in ("", FOLLOWS)] or [_ISLAND]


_MOVES_FLOATS = "moves values between float operators"
_ISLAND = "part of a float island, which is quantized whole or not at all"
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


def _unfolded_clamp(decisions: Decisions, group: Group) -> str:
    """Why a clamp behind integers is one of its own; empty for every other group."""
    if group.kind != "clamp":
        return ""
    maker = decisions.network.producers.get(group.main.inputs[0])
    alone = maker is not None and decisions.is_integer(maker)
    return (
        "does not fold into the integers: the file takes the shape of what it clamps"
        if alone
        else ""
    )


def _concat_ranges(decisions: Decisions, group: Group) -> str:
    """What is known of the ranges that a concatenation joins before anything was calibrated."""
    bounds = [_bounds(decisions.network, name) for name in group.main.inputs]
    if len(set(bounds)) == 1:
        return f"all inputs {bounds[0]}"
    unlike = f"unlike inputs ({', '.join(dict.fromkeys(bounds))})"
    if decision_of(decisions, group) == "fp32":
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
