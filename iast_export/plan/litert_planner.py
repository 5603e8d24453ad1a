"""LiteRT as a `Planner`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, final

from iast_export.build import convert
from iast_export.build.stage import Stage
from iast_export.decide.decide import Decisions
from iast_export.decide.graph import Shape
from iast_export.errors import InputError, ToolError
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.forms.litert_forms import count_forms
from iast_export.plan import litert_micro
from iast_export.plan.groups import Group
from iast_export.plan.micro import SCALE, ZERO_POINT, Conversion, Micro, Run, refused
from iast_export.plan.planned import Planned, plan_litert
from iast_export.reports.plan import Int8Facts, Int8Kernel
from iast_export.runtimes.gpu_operators import refusal
from iast_export.specs import Runtime, Tier

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork


@final
class LiteRtPlanner:
    """A group is cut out of a tier's signature."""

    runtime: Runtime = "litert"
    stage: Stage = convert.STAGE

    def export(self, network: StyleNetwork, tier: Tier, path: Path) -> None:
        convert.convert_fp32(network, [tier], path)

    def plan(self, path: Path, tier: Tier, code_shapes: Mapping[str, Sequence[int]]) -> Planned:
        return plan_litert(path, tier)

    def places(self, planned: Planned, network: StyleNetwork, tier: Tier) -> Mapping[str, int]:
        return count_forms(network, tier)

    def off_gpu(self, planned: Planned, group: Group) -> tuple[str, ...] | None:
        """Operators, each with the reason."""
        model, graph = planned.model, planned.model.subgraphs[0]
        found = [refusal(model, graph, graph.operators[op.position]) for op in group.ops]
        return tuple(
            dict.fromkeys(f"{one.operator} ({one.reason})" for one in found if one is not None)
        )

    def layouts(self, decisions: Decisions, group: Group, own: Mapping[str, str]) -> list[str]:
        """None: every tensor lies channels last."""
        return []

    def micro(self, planned: Planned, group: Group, threads: int) -> Micro:
        data = litert_micro.fp32_model(planned, group)

        def fp32() -> Run:
            return litert_micro.timed(data, threads)

        try:
            quantized = litert_micro.int8_model(data)
            operators, taken = litert_micro.int8_operators(quantized)
            run = litert_micro.timed(quantized, threads)
        except (InputError, ToolError) as error:  # the tool writes files that can't be read, too
            return Micro(refused(error), fp32, None)
        floats = sum(count for name, count in operators.items() if name.endswith(" in float"))
        total = sum(operators.values())
        kernel: Int8Kernel = "integer" if not floats else "mixed" if floats < total else "float"
        facts = Int8Facts(kernel=kernel, operators=operators, not_delegated=len(taken.not_taken))
        return Micro(facts, fp32, lambda: run)

    def convert(self, conversion: Conversion, threads: int) -> Run:
        """One QUANTIZE or DEQUANTIZE."""
        schema = tf.schema()
        floats, integers = schema.TensorT(), schema.TensorT()
        integers.quantization = schema.QuantizationParametersT()
        integers.quantization.scale, integers.quantization.zeroPoint = [SCALE], [ZERO_POINT - 128]
        kinds = (floats, schema.TensorType.FLOAT32), (integers, schema.TensorType.INT8)
        for tensor, kind in kinds:
            tensor.shape, tensor.type, tensor.buffer = _pixels(conversion.shape), kind, 0
        quantizes = conversion.direction == "quantize"
        code = schema.OperatorCodeT()
        name = "QUANTIZE" if quantizes else "DEQUANTIZE"
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = code.builtinCode, 2
        op, graph, model = schema.OperatorT(), schema.SubGraphT(), schema.ModelT()
        op.opcodeIndex, op.inputs, op.outputs = 0, [0], [1]
        graph.tensors = [floats, integers] if quantizes else [integers, floats]
        graph.operators, graph.inputs, graph.outputs = [op], [0], [1]
        model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
        model.buffers = [schema.BufferT()]
        return litert_micro.timed(tw.serialize(model), threads)


def _pixels(shape: Shape) -> Sequence[int]:
    """[N, H, W, C]."""
    return [shape[0], shape[2], shape[3], shape[1]] if len(shape) == 4 else list(shape)
