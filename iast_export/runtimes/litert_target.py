"""LiteRT as a `Target`."""

from __future__ import annotations

from typing import final

from iast_export.families import FAMILIES
from iast_export.runtimes.gpu import open_gpu
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.session import Session
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
    ) -> Session:
        signature = tier.signature if tier else None
        if accelerator == "gpu":
            return open_gpu(data, signature, where=where)
        return open_litert(data, signature, threads, where)
