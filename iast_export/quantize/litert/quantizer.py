"""INT8 in LiteRT as a `Quantizer`."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import final

from iast_export.decide.groups import OperatorGroup, litert_groups
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.quantize.learned import Learned
from iast_export.quantize.litert import lanes
from iast_export.quantize.litert.static import Edges, quantize_litert
from iast_export.quantize.observers import Observe, observe_litert
from iast_export.specs import Runtime, Tier


@final
class LiteRtQuantizer:
    """A tier is a signature of a file."""

    runtime: Runtime = "litert"

    def observe(self, prepared: Path, tier: Tier, threads: int) -> Observe:
        return observe_litert(prepared, tier.signature, threads)

    def groups(self, fp32: Path, tier: Tier) -> tuple[OperatorGroup, ...]:
        return tuple(litert_groups(fp32, tier.signature))

    def write_tier(
        self,
        prepared: Path,
        tier: Tier,
        learned: Learned,
        path: Path,
        in_float: Collection[str],
        edges: Edges,
    ) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / prepared.name
            source.write_bytes(self.fp32_alone(prepared, tier))
            known = {tier.signature: learned}
            quantize_litert(source, "int8", known, path, edges, in_float=in_float)

    def fp32_alone(self, fp32: Path, tier: Tier) -> bytes:
        return tw.serialize(tf.extract_signature(tf.read_model(fp32), tier.signature))

    def describe_work(self, path: Path, tier: Tier) -> str:
        return lanes.describe_work(path, tier.signature)
