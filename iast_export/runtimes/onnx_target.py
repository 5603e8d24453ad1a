"""ONNX Runtime as a `Target`."""

from __future__ import annotations

from typing import final

from iast_export.families import FAMILIES
from iast_export.runtimes.onnx import open_onnx
from iast_export.runtimes.session import Session
from iast_export.shapes.table import ShapeTable
from iast_export.specs import Accelerator, Tier


@final
class OnnxRuntimeTarget:
    """ONNX Runtime on the CPU provider."""

    family = FAMILIES["onnxruntime"]
    name: str = family.runtime
    label = family.label
    accelerators: tuple[Accelerator, ...] = ("cpu",)

    def open(
        self,
        data: bytes,
        tier: Tier | None = None,
        *,
        threads: int = 1,
        accelerator: Accelerator = "cpu",
        where: object = "the model",
        shapes: ShapeTable | None = None,
    ) -> Session:
        return open_onnx(data, threads, where=where)
