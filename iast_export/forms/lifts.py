"""How statistics are lifted out of each runtime's files."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from iast_export.forms.lift import Lift
from iast_export.forms.lift_litert import LiteRtLift
from iast_export.forms.lift_onnx import OnnxLift
from iast_export.specs import Runtime, Tier

LIFTS: Mapping[Runtime, Callable[[bytes, Tier], Lift]] = {
    "onnxruntime": lambda data, _: OnnxLift(data),
    "litert": lambda data, tier: LiteRtLift(data, tier.signature),
}
