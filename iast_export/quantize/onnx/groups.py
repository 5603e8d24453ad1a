"""A plan of `onnx_plan` in words: what changes precision together, and why the rest stays in
float."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

from iast_export.formats.onnx_graph import GraphIndex, attribute
from iast_export.forms.edit import conv_weight
from iast_export.forms.grouped import pays_in_onnx
from iast_export.forms.large_kernels import is_shallow
from iast_export.quantize.onnx.plan import Plan, is_depthwise, is_integer_convolution, make_plan

_STATISTICS = frozenset(
    [
        "Div",
        "InstanceNormalization",
        "LayerNormalization",
        "Pow",
        "Reciprocal",
        "ReduceMean",
        "ReduceSum",
        "Sqrt",
    ]
)
_SMOOTH = frozenset(
    [
        "Elu",
        "Exp",
        "Gelu",
        "HardSigmoid",
        "HardSwish",
        "Mish",
        "Selu",
        "Sigmoid",
        "Softmax",
        "Softplus",
        "Tanh",
    ]
)


@dataclass(frozen=True)
class OperatorGroup:
    """What changes precision together: a convolution or a sum, with the clamps and movements around
    it.

    Attributes:
        name: first output of the convolution or sum in the FP32 file.
        operators: types, in the order of the graph.
    """

    name: str
    operators: tuple[str, ...]


def find_groups(graph: onnx.GraphProto) -> list[OperatorGroup]:
    """The groups that would compute in integers, in the order of the graph; clamps are moved in
    place."""
    plan = make_plan(graph)
    kernels = [
        node for node in graph.node if plan.is_integer(node) and node.op_type in ("Conv", "Add")
    ]
    owner = {node.output[0]: node.output[0] for node in kernels}
    others = [node for node in graph.node if plan.is_integer(node) and node.output[0] not in owner]
    for node in others:
        if node.input[0] in owner:
            owner[node.output[0]] = owner[node.input[0]]
    for node in reversed(others):
        readers = [item.output[0] for item in plan.index.consumers.get(node.output[0], [])]
        found = [owner[name] for name in readers if name in owner]
        if node.output[0] not in owner and found:
            owner[node.output[0]] = found[0]
    members: dict[str, list[str]] = {node.output[0]: [] for node in kernels}
    for node in graph.node:
        if node.output and node.output[0] in owner:
            members[owner[node.output[0]]].append(node.op_type)
    return [OperatorGroup(name, tuple(operators)) for name, operators in members.items()]


def describe_islands(graph: onnx.GraphProto, plan: Plan) -> list[str]:
    """Each connected group of float operators on images, with the reasons it stays in float."""
    group: dict[str, int] = {}
    members: dict[int, list[onnx.NodeProto]] = {}
    for number, node in enumerate(node for node in graph.node if not plan.is_integer(node)):
        joined = {group[name] for name in node.input if name in group}
        members[number] = [*(item for other in sorted(joined) for item in members.pop(other)), node]
        for item in members[number]:
            group.update({name: number for name in item.output})
    return [_describe(nodes, plan.index) for _, nodes in sorted(members.items())]


def _describe(nodes: list[onnx.NodeProto], index: GraphIndex) -> str:
    types = sorted({node.op_type for node in nodes})
    reasons = sorted({reason_in_float(node, index) for node in nodes} - {""}) or [
        "no integer kernel"
    ]
    count = f"{len(nodes)} operators" if len(nodes) > 1 else "1 operator"
    return (
        f"{nodes[0].output[0]} to {nodes[-1].output[0]} ({count}: {', '.join(types)}): "
        f"{'; '.join(reasons)}"
    )


def reason_in_float(node: onnx.NodeProto, index: GraphIndex) -> str:
    """Why an operator stays in float; empty where it only follows its neighbors."""
    if node.op_type in _STATISTICS:
        return "normalization statistics do not survive 8 bits"
    if node.op_type in _SMOOTH:
        return "smooth functions fall back to float or lose by it"
    if node.op_type == "ConvTranspose":
        return "transposed convolutions are slower in INT8"
    if node.op_type == "Resize":
        return "interpolation falls back to float"
    if node.op_type == "MatMul":
        weight = index.constant(node, 0)
        return (
            "a head of few channels"
            if weight is not None and len(weight) == 1
            else "a product of matrices"
        )
    if node.op_type == "Conv":
        if is_depthwise(index, node):
            return "a depthwise convolution that float operators read is no faster in INT8"
        weight, groups = conv_weight(index, node), int(attribute(node, "group", 1))
        if weight is not None and groups > 1 and not pays_in_onnx(weight.shape, groups):
            return (
                "a grouped convolution is slower in INT8, and one of so many groups as a dense one "
                "too"
            )
        if is_integer_convolution(index, node):
            large = groups == 1 and is_shallow(index.constants[node.input[1]].shape)
            return (
                "a large kernel on few channels is slower in INT8"
                if large
                else "asked to stay in float"
            )
        return (
            "weights that are not constant"
            if index.constant(node, 1) is None
            else "a head of few channels"
        )
    if node.op_type == "Add" and all(index.constant(node, position) is None for position in (0, 1)):
        return "sums without ReLU are as fast in float, and closer"
    return ""
