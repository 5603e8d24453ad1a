"""Static INT8 for ONNX Runtime: our own QDQ writer.

uint8 activations per tensor (asymmetric), int8 weights per channel (symmetric), int32 biases.
`decide` says what computes in integers; this module writes it.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import onnx

from iast_export.decide.decide import Decisions, decide_onnx
from iast_export.decide.graph import CLAMPS
from iast_export.decide.groups import describe_islands
from iast_export.errors import ToolError
from iast_export.formats.onnx_graph import load_model, prune, save_model, size_multiple_px
from iast_export.forms.bilinear import Folded, fold_bilinear
from iast_export.forms.edit import Rewritten, copy_model
from iast_export.forms.grouped import dense_groups
from iast_export.forms.large_kernels import unfold_shallow_kernels
from iast_export.forms.modulation import fold_modulation
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.kernels import UINT8, Kernels
from iast_export.quantize.onnx.layers import (
    UINT8_LEVELS,
    Parameters,
    activation_parameters,
)
from iast_export.quantize.onnx.weights import adjust_onnx
from iast_export.quantize.onnx.writer import Writer
from iast_export.quantize.settle import settled_ranges
from iast_export.runtimes.onnx import onnx_session_options


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
    model = load_model(fp32_path)
    folded = _with_fast_forms(model, ())
    decisions = decide_onnx(model), decide_onnx(folded.model, file_names=folded.names)
    roots = [root for one in decisions for root in one.roots.values()]
    needed = {root.range_name for root in roots if not root.exact}
    return sorted(needed) or [decisions[0].network.inputs[0]]


def quantize_onnx(
    prepared: Path,
    learned: Learned,
    out_path: Path,
    in_float: Collection[str] = (),
    kernels: Kernels = UINT8,
) -> QuantizeSummary:
    """Writes the INT8 form of a prepared FP32 file.

    Args:
        prepared: that the ranges are of.
        learned: ranges at least of `tensors_to_calibrate`; what is left in float, asked or
            unasked, keeps its own weights and biases, as does what is folded with a resizing.
        out_path: written in one step.
        in_float: names of `onnx_groups` to leave in float; the others compute in integers.
        kernels: `UINT16` for 65,536 levels, which ONNX Runtime stores but computes in float.

    Returns:
        What was quantized; every planned convolution runs in integers in ONNX Runtime where
        kernels compute.
        Where nothing is to gain, as in a network of depthwise layers alone, it is nothing, and the
        file equals the given one.

    Raises:
        InputError: the file can't be read, or a range is missing or not finite.
        ToolError: ONNX Runtime does not run what was planned in integers.
    """
    model = load_model(prepared)
    model, names = _with_opset(model, kernels.opset), dict[str, str]()
    if learned.filters or learned.shifts:
        replaced = _with_fast_forms(model, in_float).places if kernels.compute else ()
        kept = _float_convolutions(model, in_float) | {*replaced}
        adjust_onnx(model.graph, learned, kept)
        prune(model.graph)
    if kernels.compute:
        folded = _with_fast_forms(model, in_float)
        model, names = folded.model, dict(folded.names)
    unfolded = unfold_shallow_kernels(model, size_multiple_px(model), in_float)
    model, names = unfolded.model, names | file_names(unfolded)
    decisions = decide_onnx(model, in_float, names)
    planned = Counter(op.type for op in decisions.network.ops if decisions.is_integer(op))
    if not planned["Conv"]:
        save_model(load_model(prepared), out_path)
        return QuantizeSummary({}, describe_islands(decisions), runtime_operators(out_path))
    parameters = settled_parameters(decisions, learned, kernels.levels)
    save_model(Writer(model.graph, decisions, parameters, kernels).write(model), out_path)
    runtime_ops = runtime_operators(out_path)
    if kernels.compute and runtime_ops.get("QLinearConv", 0) != planned["Conv"]:
        raise ToolError(
            f"{out_path}: ONNX Runtime runs {runtime_ops.get('QLinearConv', 0)} convolutions in "
            "integers, "
            f"{planned['Conv']} were planned",
            "report the network's layers; its FP32 file is unharmed",
        )
    return QuantizeSummary(dict(sorted(planned.items())), describe_islands(decisions), runtime_ops)


def _with_fast_forms(model: onnx.ModelProto, in_float: Collection[str]) -> Folded:
    """Forms that are slower in float: dense kernels, what is doubled, gains in filters."""
    return _with_modulation(fold_bilinear(dense_groups(model, in_float).model, in_float), in_float)


def _with_modulation(folded: Folded, in_float: Collection[str]) -> Folded:
    """With the modulation between integers in their form; any other stays as it is."""
    decisions = decide_onnx(copy_model(folded.model), in_float, folded.names)
    wanted = {
        op.name for op in decisions.network.ops if op.type == "Conv" and decisions.is_integer(op)
    }
    while wanted:
        made = fold_modulation(folded.model, wanted)
        names = {**folded.names, **made.names}
        decisions = decide_onnx(copy_model(made.model), in_float, names)
        wanted = {conv for conv, result in made.results.items() if _among(decisions, result)}
        if len(wanted) == len(made.results):
            return Folded(made.model, folded.places, names)
    return folded


def _among(decisions: Decisions, name: str) -> bool:
    """Whether integers make a tensor and they alone read it."""
    network = decisions.network
    readers = [one for one in network.readers.get(name, []) if one.type != "Shape"]
    inside = name in decisions.integers and name not in network.outputs and bool(readers)
    return inside and all(
        decisions.is_integer(one) and (one.type not in CLAMPS or _among(decisions, one.name))
        for one in readers
    )


def _float_convolutions(model: onnx.ModelProto, in_float: Collection[str]) -> set[str]:
    """First outputs of the convolutions in float, whose weights need not be on any grid."""
    decisions = decide_onnx(copy_model(model), in_float)
    convolutions = (op for op in decisions.network.ops if op.type == "Conv")
    return {op.name for op in convolutions if not decisions.is_integer(op)}


def file_names(unfolded: Rewritten) -> dict[str, str]:
    """For each tensor that an unfolded kernel writes, the one of the file with its values."""
    return {
        node.input[0]: node.output[0]
        for node in unfolded.model.graph.node
        if node.output[0] in unfolded.places
    }


def _with_opset(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """The same network in an opset at least.

    Raises:
        ToolError: onnx can't convert an operator.
    """
    if any(not item.domain and item.version >= opset for item in model.opset_import):
        return model
    try:
        converted = onnx.version_converter.convert_version(model, opset)
    except Exception as error:  # the converter raises RuntimeError and its own classes
        raise ToolError(
            f"onnx can't write opset {opset}: {error}", "leave this precision out"
        ) from error
    converted.ir_version = max(converted.ir_version, 10)
    return converted


def runtime_operators(path: Path) -> dict[str, int]:
    """How many operators of each type ONNX Runtime runs, after its portable fusions.

    Loaded as on a processor without VNNI, where ONNX Runtime rewrites weights and refuses files
    that load elsewhere.

    Raises:
        ToolError: ONNX Runtime refuses the model.
    """
    import onnxruntime as ort

    options = onnx_session_options(1, exact_products=True)
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


def settled_parameters(
    decisions: Decisions, learned: Learned, levels: int = UINT8_LEVELS
) -> dict[str, Parameters]:
    """Scale and zero point of every quantized tensor.

    Raises:
        InputError: a range is missing or not finite.
    """
    settled = settled_ranges(decisions, learned.ranges, learned.trim_sums)
    return {name: activation_parameters(*settled[name], levels) for name in decisions.roots}
