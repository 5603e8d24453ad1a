"""Static INT8 for ONNX Runtime: our own QDQ writer.

uint8 activations per tensor (asymmetric), int8 weights per channel (symmetric), int32 biases.
`onnx_plan` decides what computes in integers; this module writes it.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import onnx

from iast_export.errors import ToolError
from iast_export.formats.onnx_graph import (
    attribute,
    index_graph,
    load_model,
    prune,
    save_model,
    size_multiple_px,
)
from iast_export.forms.grouped import dense_groups
from iast_export.forms.large_kernels import is_shallow, unfold_shallow_kernels
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.groups import OperatorGroup, describe_islands, find_groups
from iast_export.quantize.onnx.layers import (
    UINT8_LEVELS,
    UINT16_LEVELS,
    Parameters,
    activation_parameters,
)
from iast_export.quantize.onnx.plan import Plan, Root, is_integer_convolution, make_plan
from iast_export.quantize.onnx.weights import adjust_onnx
from iast_export.quantize.onnx.writer import Writer
from iast_export.quantize.ranges import RangeLike, found_range
from iast_export.quantize.rectified_sums import onnx_sums, tighten
from iast_export.runtimes.onnx import onnx_session_options

Activations = Literal["uint8", "uint16"]

_UINT16_OPSET = 21  # the first in which QuantizeLinear writes uint16


@dataclass(frozen=True)
class QuantizeSummary:
    """What was quantized.

    Attributes:
        quantized_ops: how many operators of each type compute in integers, folded clamps included.
        islands: each group of operators left in float, with the reason.
        runtime_ops: operators that ONNX Runtime really runs, after its own fusions.
    """

    quantized_ops: dict[str, int]
    islands: list[str]
    runtime_ops: dict[str, int]


def tensors_to_calibrate(fp32_path: Path) -> list[str]:
    """Names of the tensors of an FP32 file whose ranges `quantize_onnx` needs, sorted.

    Where it needs none, the first input alone, so that there is something to look at.

    Raises:
        InputError: the file can't be read.
    """
    graph = load_model(fp32_path).graph
    plan = make_plan(graph)
    needed = sorted({root.range_name for root in plan.roots.values() if not root.exact})
    return needed or [graph.input[0].name]


def operator_groups(fp32_path: Path) -> list[OperatorGroup]:
    """The groups of an FP32 file that `quantize_onnx` computes in integers or leaves in float, each
    whole.

    Raises:
        InputError: the file can't be read.
    """
    return find_groups(load_model(fp32_path).graph)


def quantize_onnx(
    prepared: Path,
    learned: Learned,
    out_path: Path,
    in_float: Collection[str] = (),
    activations: Activations = "uint8",
) -> QuantizeSummary:
    """Writes the INT8 form of a prepared FP32 file.

    Args:
        prepared: that the ranges are of.
        learned: ranges at least of `tensors_to_calibrate`; what is left in float, asked or
            unasked, keeps its own weights and biases.
        out_path: written in one step.
        in_float: names of `operator_groups` to leave in float; the others compute in integers.
        activations: "uint16" for 65,536 levels, which ONNX Runtime stores but computes in float.

    Returns:
        What was quantized; with uint8 every planned convolution runs in integers in ONNX Runtime.
        Where nothing is to gain, as in a network of depthwise layers alone, it is nothing, and the
        file equals the given one.

    Raises:
        InputError: the file can't be read, or a range is missing or not finite.
        ToolError: ONNX Runtime does not run what was planned in integers.
    """
    model = load_model(prepared)
    if activations == "uint16":
        model = _with_opset(model, _UINT16_OPSET)
    if learned.filters or learned.shifts:
        adjust_onnx(model.graph, learned, _float_convolutions(model, in_float, activations))
        prune(model.graph)
    if activations == "uint8":  # in float, as with uint16, groups are the faster form
        model = dense_groups(model, in_float).model
    model, in_float, ranges = _unfolded(model, in_float, learned.ranges)
    plan = make_plan(model.graph, in_float)
    planned = Counter(node.op_type for node in model.graph.node if plan.is_integer(node))
    if not planned["Conv"]:
        save_model(load_model(prepared), out_path)
        return QuantizeSummary({}, describe_islands(model.graph, plan), runtime_operators(out_path))
    levels = UINT8_LEVELS if activations == "uint8" else UINT16_LEVELS
    parameters = settled_parameters(model.graph, plan, ranges, learned.trim_sums, levels)
    save_model(Writer(model.graph, plan, parameters).write(model), out_path)
    runtime_ops = runtime_operators(out_path)
    if activations == "uint8" and runtime_ops.get("QLinearConv", 0) != planned["Conv"]:
        raise ToolError(
            f"{out_path}: ONNX Runtime runs {runtime_ops.get('QLinearConv', 0)} convolutions in "
            "integers, "
            f"{planned['Conv']} were planned",
            "report the network's layers; its FP32 file is unharmed",
        )
    return QuantizeSummary(
        dict(sorted(planned.items())), describe_islands(model.graph, plan), runtime_ops
    )


def _float_convolutions(
    model: onnx.ModelProto, in_float: Collection[str], activations: Activations
) -> set[str]:
    """What was asked for, and first outputs of the convolutions that compute in float unasked.

    Their weights need not be on any grid.
    Decided on the graph as it will be written: there a large first kernel is unfolded or left in
    float.
    """
    made = dense_groups(model, in_float).model if activations == "uint8" else model
    made, kept, _ = _unfolded(made, in_float, {})
    plan = make_plan(made.graph, kept)
    convolutions = (node for node in made.graph.node if node.op_type == "Conv")
    return {*in_float, *(node.output[0] for node in convolutions if not plan.is_integer(node))}


def _with_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """The same network in a later opset.

    Raises:
        ToolError: onnx can't convert an operator.
    """
    try:
        converted = onnx.version_converter.convert_version(model, opset)
    except Exception as error:  # the converter raises RuntimeError and its own classes
        raise ToolError(
            f"onnx can't write opset {opset}: {error}", "leave this precision out"
        ) from error
    converted.ir_version = max(converted.ir_version, 10)
    return converted


def _unfolded(
    model: onnx.ModelProto, in_float: Collection[str], ranges: Mapping[str, RangeLike]
) -> tuple[onnx.ModelProto, Collection[str], Mapping[str, RangeLike]]:
    """The model with large kernels on the picture unfolded, what stays in float, and the ranges.

    Such a kernel that can't be unfolded stays in float: integers are slower (28 ms to 12).
    """
    made = unfold_shallow_kernels(model, size_multiple_px(model), in_float).model
    same = {
        node.input[0]: ranges[node.output[0]]
        for node in made.graph.node
        if node.op_type == "DepthToSpace" and node.output[0] in ranges
    }
    return made, {*in_float, *_shallow(made)}, {**same, **ranges}


def _shallow(model: onnx.ModelProto) -> set[str]:
    """First outputs of the large kernels on few channels."""
    index = index_graph(model.graph)
    return {
        node.output[0]
        for node in model.graph.node
        if attribute(node, "group", 1) == 1
        and is_integer_convolution(index, node)
        and is_shallow(index.constants[node.input[1]].shape)
    }


def left_in_float(model: onnx.ModelProto) -> set[str]:
    """First outputs of the convolutions of an FP32 file that `quantize_onnx` leaves in float by
    itself."""
    return _shallow(
        unfold_shallow_kernels(dense_groups(model).model, size_multiple_px(model)).model
    )


def runtime_operators(path: Path) -> dict[str, int]:
    """How many operators of each type ONNX Runtime runs, after its portable fusions.

    Raises:
        ToolError: ONNX Runtime refuses the model.
    """
    import onnxruntime as ort

    options = onnx_session_options(1)
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        try:
            ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises classes of its own, without a common base
            raise ToolError(
                f"ONNX Runtime can't load {path}: {error}", "quantize it again"
            ) from error
        graph = onnx.load(options.optimized_model_filepath).graph
    return dict(sorted(_count(graph).items()))


def _count(graph: onnx.GraphProto) -> Counter[str]:
    counts = Counter(node.op_type for node in graph.node)
    for node in graph.node:
        for item in node.attribute:
            if item.type == onnx.AttributeProto.GRAPH:
                counts += _count(item.g)
    return counts


def _range(root: Root, ranges: Mapping[str, RangeLike]) -> tuple[float, float]:
    if root.exact and root.low is not None and root.high is not None:
        return root.low, root.high
    low, high = found_range(root.range_name, ranges)
    low = low if root.low is None else max(low, root.low)
    high = high if root.high is None else min(high, root.high)
    return low, max(low, high)


def settled_parameters(
    graph: onnx.GraphProto,
    plan: Plan,
    ranges: Mapping[str, RangeLike],
    trim_sums: bool = True,
    levels: int = UINT8_LEVELS,
) -> dict[str, Parameters]:
    """Scale and zero point of every quantized tensor of a planned graph.

    Raises:
        InputError: a range is missing or not finite.
    """
    found = {
        name: _range(root, ranges)
        for name, root in plan.roots.items()
        if plan.root_of[name] == name
    }
    sums = onnx_sums([node.output[0] for node in graph.node], plan) if trim_sums else []
    settled = tighten(found, sums)
    return {
        name: activation_parameters(*settled[plan.root_of[name]], levels) for name in plan.roots
    }
