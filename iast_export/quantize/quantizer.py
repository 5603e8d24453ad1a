"""What builds, searches and comparisons ask of INT8, as one object per runtime.

It stands here and not with `runtimes.target.Target`: what opens a file knows nothing of how one is
quantized. Both are found by the same name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from iast_export.decide.groups import OperatorGroup
from iast_export.quantize.learned import Learned
from iast_export.quantize.litert.quantizer import LiteRtQuantizer
from iast_export.quantize.litert.static import Edges
from iast_export.quantize.observers import Observe
from iast_export.quantize.onnx.quantizer import OnnxQuantizer
from iast_export.specs import Runtime, Tier


class Quantizer(Protocol):
    """INT8 in one runtime."""

    def observe(self, prepared: Path, tier: Tier, threads: int) -> Observe:
        """Runs a prepared file's tier and hands out the tensors that need ranges.

        Raises:
            InputError: the file can't be read.
        """
        ...

    def groups(self, fp32: Path, tier: Tier) -> tuple[OperatorGroup, ...]:
        """What of a tier can be left in float, in the order of the graph.

        Raises:
            InputError: the file can't be read.
        """
        ...

    def write_tier(
        self,
        prepared: Path,
        tier: Tier,
        learned: Learned,
        path: Path,
        in_float: Collection[str],
        edges: Edges,
    ) -> None:
        """Writes a tier alone in INT8.

        Args:
            prepared: that `learned` is of.
            tier: of it.
            learned: what calibration found.
            path: where to write.
            in_float: names of `groups` to leave in float.
            edges: type of pictures in and out, where the runtime has a choice.

        Raises:
            InputError: see `quantize_onnx` and `quantize_litert`.
            ToolError: likewise.
        """
        ...

    def fp32_alone(self, fp32: Path, tier: Tier) -> bytes:
        """A tier in FP32 as a file of its own.

        Raises:
            InputError: the file can't be read, or has no such tier.
        """
        ...

    def describe_work(self, path: Path, tier: Tier) -> str:
        """What the runtime computes a file's convolutions with, such as `14 convolutions in INT8`.

        Raises:
            InputError: the file can't be read.
            ToolError: the runtime refuses it.
        """
        ...


QUANTIZERS: Mapping[Runtime, Quantizer] = {
    OnnxQuantizer.runtime: OnnxQuantizer(),
    LiteRtQuantizer.runtime: LiteRtQuantizer(),
}
