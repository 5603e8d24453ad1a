"""ONNX Runtime as a `Planner`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import onnx
from onnx import TensorProto, helper

from iast_export.build import export
from iast_export.build.stage import Stage
from iast_export.decide.decide import Decisions
from iast_export.errors import InputError, ToolError
from iast_export.forms import noted
from iast_export.plan import onnx_micro
from iast_export.plan.groups import Group
from iast_export.plan.micro import SCALE, ZERO_POINT, Conversion, Micro, Run, refused
from iast_export.plan.planned import Planned, plan_onnx
from iast_export.reports.plan import Int8Facts, Int8Kernel
from iast_export.specs import Runtime, Tier

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork

# As `build.export.OPSET`.
_OPSET = 18


@final
class OnnxPlanner:
    """A group is cut out of the tier's ONNX file."""

    runtime: Runtime = "onnxruntime"
    stage: Stage = export.STAGE

    def export(self, network: StyleNetwork, tier: Tier, path: Path) -> None:
        export.export_tier(network, tier, path)

    def plan(self, path: Path, tier: Tier, code_shapes: Mapping[str, Sequence[int]]) -> Planned:
        return plan_onnx(path, tier, code_shapes)

    def places(self, planned: Planned, network: StyleNetwork, tier: Tier) -> Mapping[str, int]:
        return noted(planned.model)

    def off_gpu(self, planned: Planned, group: Group) -> tuple[str, ...] | None:
        """None: no GPU computes for ONNX Runtime here."""
        return None

    def layouts(self, decisions: Decisions, group: Group, own: Mapping[str, str]) -> list[str]:
        """Which edges lie channels last, and which in blocks."""
        found = onnx_micro.integer_layouts(decisions, group)
        edges = onnx_micro.blocked_edges(decisions.network, group)
        blocked = [name for names in edges for name in names]
        last = sorted(own[name] for name, is_last in found.items() if is_last)
        return [f"{last} {sorted(own[name] for name in blocked)}"]

    def micro(self, planned: Planned, group: Group, threads: int) -> Micro:
        def fp32() -> Run:
            return onnx_micro.timed(onnx_micro.fp32_model(planned, group), threads)

        try:
            quantized = onnx_micro.int8_model(planned, group)
            operators = onnx_micro.int8_operators(quantized)
            run = onnx_micro.timed(quantized, threads)
            run()
        except (InputError, ToolError, RuntimeError) as error:
            return Micro(refused(error), fp32, None)
        converts = {"DequantizeLinear", "QuantizeLinear"} & set(operators)
        integers = [name for name in operators if name.startswith("QLinear")]
        kernel: Int8Kernel = "integer" if not converts else "mixed" if integers else "float"
        shown = {name: n for name, n in operators.items() if name != "Transpose"} or operators
        return Micro(Int8Facts(kernel=kernel, operators=shown), fp32, lambda: run)

    def convert(self, conversion: Conversion, threads: int) -> Run:
        """QuantizeLinear or DequantizeLinear, transposed where integers lie channels last."""
        shape, names = list(conversion.shape), ("floats", "integers_q")
        quantizes = conversion.direction == "quantize"
        source, target = names if quantizes else names[::-1]
        types = (TensorProto.FLOAT, TensorProto.UINT8)
        kinds = types if quantizes else types[::-1]
        kind = "QuantizeLinear" if quantizes else "DequantizeLinear"
        graph = helper.make_graph(
            [helper.make_node(kind, [source, "scale", "zero"], [target])],
            "conversion",
            [helper.make_tensor_value_info(source, kinds[0], shape)],
            [helper.make_tensor_value_info(target, kinds[1], shape)],
            [
                helper.make_tensor("scale", TensorProto.FLOAT, [], [SCALE]),
                helper.make_tensor("zero", TensorProto.UINT8, [], [ZERO_POINT]),
            ],
        )
        model: onnx.ModelProto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10
        )
        written: Any = onnx_micro.channels_last(model, {"integers": conversion.channels_last})
        return onnx_micro.timed(written, threads)
