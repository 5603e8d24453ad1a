"""What is searched: its groups, how a candidate is written, and what judges it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from iast_export.decide.groups import OperatorGroup
from iast_export.families import FAMILIES
from iast_export.lanes.judge import Scorers
from iast_export.lanes.lane import Lane
from iast_export.lanes.views import EvaluationPair
from iast_export.quantize.learned import Learned
from iast_export.quantize.litert.static import Edges
from iast_export.quantize.quantizer import QUANTIZERS
from iast_export.specs import REFERENCE, Runtime, Tier


@dataclass(frozen=True)
class Subject:
    """One tier in one runtime, what the build's own INT8 file was made of, and what judges it.

    Candidates hold the tier alone.

    Attributes:
        runtime: what runs and times the candidates.
        tier: what is searched.
        fp32: the bundle's own FP32 file.
        prepared: what INT8 is made of.
        reference_fp32: the reference runtime's FP32 file, whose pictures fidelity is measured to.
        learned: what calibration found for the tier.
        pairs: photographs and styles that calibrated nothing.
        scorers: judges with weights.
        multiple_px: the network's size multiple, by which pictures in their own shape are padded.
        edges: type of pictures in and out.
    """

    runtime: Runtime
    tier: Tier
    fp32: Path
    prepared: Path
    reference_fp32: Path
    learned: Learned
    pairs: Sequence[EvaluationPair]
    scorers: Scorers
    multiple_px: int
    edges: Edges = "float32"

    @property
    def suffix(self) -> str:
        """Of a candidate's file."""
        return FAMILIES[self.runtime].suffix

    @property
    def reference(self) -> Lane:
        """Whose pictures fidelity is measured to, as in `verify`."""
        return Lane(*REFERENCE, self.tier, self.reference_fp32)

    @cached_property
    def groups(self) -> tuple[OperatorGroup, ...]:
        """What can be left in float, in the order of the graph."""
        return QUANTIZERS[self.runtime].groups(self.fp32, self.tier)

    def write(self, in_float: Collection[str], path: Path) -> None:
        """Writes the candidate with these groups in float; with all of them, the FP32 form itself.

        Raises:
            InputError, ToolError: see `Quantizer.write_tier`.
        """
        made = QUANTIZERS[self.runtime]
        if {group.name for group in self.groups} <= set(in_float):
            path.write_bytes(made.fp32_alone(self.fp32, self.tier))
        else:
            made.write_tier(self.prepared, self.tier, self.learned, path, in_float, self.edges)
