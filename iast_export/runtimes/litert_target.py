"""LiteRT as a `Target`."""

from __future__ import annotations

from typing import final

from iast_export.families import FAMILIES
from iast_export.runtimes.any_shape import any_shape
from iast_export.runtimes.gpu import open_gpu
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.session import Session
from iast_export.shapes.table import ShapeTable
from iast_export.specs import Accelerator, Tier


@final
class LiteRtTarget:
    """LiteRT's interpreter with XNNPACK, or its GPU delegate, strict."""

    family = FAMILIES["litert"]
    name: str = family.runtime
    label = family.label
    accelerators: tuple[Accelerator, ...] = ("cpu", "gpu")

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
        signature = tier.signature if tier else None

        def opened(one: bytes) -> Session:
            if accelerator == "gpu":
                return open_gpu(one, signature, where=where)
            return open_litert(one, signature, threads, where)

        return any_shape(data, tier, shapes, opened)
