"""What a plan asks of a runtime, as an object per runtime, found by the name of its family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from iast_export.build.stage import Stage
from iast_export.decide.decide import Decisions
from iast_export.plan.groups import Group
from iast_export.plan.litert_planner import LiteRtPlanner
from iast_export.plan.micro import Conversion, Micro, Run
from iast_export.plan.onnx_planner import OnnxPlanner
from iast_export.plan.planned import Planned
from iast_export.specs import Runtime, Tier

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork


class Planner(Protocol):
    """How a tier is planned in one runtime."""

    @property
    def stage(self) -> Stage:
        """That makes a build's own FP32 file."""
        ...

    def export(self, network: StyleNetwork, tier: Tier, path: Path) -> None:
        """Writes a tier's FP32 file as that stage does.

        Raises:
            ToolError: the network can't be exported or converted.
        """
        ...

    def plan(self, path: Path, tier: Tier, code_shapes: Mapping[str, Sequence[int]]) -> Planned:
        """The graph of a tier's FP32 file, and what is decided over it.

        Raises:
            InputError: the file can't be read.
            ToolError: the runtime refuses it.
        """
        ...

    def places(self, planned: Planned, network: StyleNetwork, tier: Tier) -> Mapping[str, int]:
        """At how many places each rewrite fired, by its name."""
        ...

    def off_gpu(self, planned: Planned, group: Group) -> tuple[str, ...] | None:
        """What of a group no GPU is known to take; None where none computes for the runtime."""
        ...

    def layouts(self, decisions: Decisions, group: Group, own: Mapping[str, str]) -> list[str]:
        """How a group's tensors lie, as text, where that decides its cost; `own` names them."""
        ...

    def micro(self, planned: Planned, group: Group, threads: int) -> Micro:
        """A group alone in FP32 and INT8."""
        ...

    def convert(self, conversion: Conversion, threads: int) -> Run:
        """A run of a conversion alone."""
        ...


PLANNERS: Mapping[Runtime, Planner] = {
    OnnxPlanner.runtime: OnnxPlanner(),
    LiteRtPlanner.runtime: LiteRtPlanner(),
}
