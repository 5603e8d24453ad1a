"""What changes precision together, and what stays in float together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from iast_export.decide.decide import Decisions, decide_litert, decide_onnx
from iast_export.decide.graph import Op
from iast_export.decide.policy import Policy
from iast_export.formats import tflite_file as tf
from iast_export.formats.onnx_graph import load_model


@dataclass(frozen=True)
class OperatorGroup:
    """A convolution or a sum, with the clamps and movements around it.

    Attributes:
        name: first output of the convolution or sum, as the FP32 file calls it.
        operators: types as the runtime calls them, in the order of the graph.
    """

    name: str
    operators: tuple[str, ...]


def onnx_groups(path: Path) -> list[OperatorGroup]:
    """The groups of an ONNX FP32 file.

    Raises:
        InputError: the file can't be read.
    """
    return find_groups(decide_onnx(load_model(path)))


def litert_groups(path: Path, signature: str) -> list[OperatorGroup]:
    """The groups of a signature of a TFLite FP32 file.

    Raises:
        InputError: the file can't be read, or has no such signature.
    """
    model = tf.read_model(path)
    return find_groups(decide_litert(model, tf.find_signature(model, signature)))


def _leads(op: Op, policy: Policy) -> bool:
    """Whether an operator can lead a group: a sum, or a convolution."""
    joined = policy.joined_lead and policy.form_of(op) == "joined"
    return op.type == "Add" or joined or policy.takes(op)


def find_groups(decisions: Decisions) -> list[OperatorGroup]:
    """The groups that compute in integers, in the order of the graph.

    An operator goes with the group before it, else with one that it feeds.
    """
    network = decisions.network
    chosen = [op for op in network.ops if decisions.is_integer(op)]
    owner = {op.name: op.name for op in chosen if _leads(op, decisions.policy)}
    others = [op for op in chosen if op.name not in owner]
    for op in others:
        found = [owner[name] for name in op.inputs if name in owner]
        if found:
            owner[op.name] = found[0]
    for op in reversed(others):
        readers = network.readers.get(op.name, [])
        found = [owner[reader.name] for reader in readers if reader.name in owner]
        if found and op.name not in owner:
            owner[op.name] = found[0]
    members: dict[str, list[str]] = {}
    for op in network.ops:
        if op.name in owner:
            members.setdefault(owner[op.name], []).append(op.native)
    leaders = [op.name for op in network.ops if op.name in members]
    return [OperatorGroup(network.file_name(name), tuple(members[name])) for name in leaders]


def describe_islands(decisions: Decisions) -> list[str]:
    """Each connected group of float operators, with the reasons why it stays in float."""
    group: dict[str, int] = {}
    members: dict[int, list[Op]] = {}
    floats = [op for op in decisions.network.ops if not decisions.runs_in_integers(op)]
    for number, op in enumerate(floats):
        joined = {group[name] for name in op.inputs if name in group}
        members[number] = [*(item for other in sorted(joined) for item in members.pop(other)), op]
        for item in members[number]:
            group.update(dict.fromkeys(item.outputs, number))
    return [_describe(ops, decisions) for _, ops in sorted(members.items())]


def _describe(ops: list[Op], decisions: Decisions) -> str:
    types = sorted({op.type for op in ops})
    reasons = sorted({decisions.reason(op) for op in ops} - {""}) or ["no integer kernel"]
    count = f"{len(ops)} operators" if len(ops) > 1 else "1 operator"
    return f"{ops[0].name} to {ops[-1].name} ({count}: {', '.join(types)}): {'; '.join(reasons)}"
