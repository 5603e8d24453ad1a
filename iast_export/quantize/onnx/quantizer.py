"""INT8 in ONNX Runtime as a `Quantizer`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import final

from iast_export.decide.groups import OperatorGroup, onnx_groups
from iast_export.files.artifacts import read_bytes
from iast_export.quantize.learned import Learned
from iast_export.quantize.litert.static import Edges
from iast_export.quantize.observers import Observe, observe_onnx
from iast_export.quantize.onnx import lanes
from iast_export.quantize.onnx.qdq import quantize_onnx, tensors_to_calibrate
from iast_export.specs import Runtime, Tier


@final
class OnnxQuantizer:
    """A file is a tier; pictures in and out are float32."""

    runtime: Runtime = "onnxruntime"

    def observe(self, prepared: Path, tier: Tier, threads: int) -> Observe:
        return observe_onnx(prepared, tensors_to_calibrate(prepared), threads)

    def groups(self, fp32: Path, tier: Tier) -> tuple[OperatorGroup, ...]:
        return tuple(onnx_groups(fp32))

    def write_tier(
        self,
        prepared: Path,
        tier: Tier,
        learned: Learned,
        path: Path,
        in_float: Collection[str],
        edges: Edges,
    ) -> None:
        quantize_onnx(prepared, learned, path, in_float)

    def fp32_alone(self, fp32: Path, tier: Tier) -> bytes:
        return read_bytes(fp32)

    def describe_work(self, path: Path, tier: Tier) -> str:
        return lanes.describe_work(path)
