"""What is measured alone: an operator group in FP32 and INT8, and a conversion between the two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from iast_export.decide.graph import Shape
from iast_export.reports.plan import Direction, Int8Facts

Run = Callable[[], object]
# Of the integers that are converted: any will do.
SCALE, ZERO_POINT = 0.05, 128


@dataclass(frozen=True)
class Micro:
    """A group as two models, each opened on demand; no INT8 where the runtime refuses it."""

    facts: Int8Facts
    fp32: Callable[[], Run]
    int8: Callable[[], Run] | None


@dataclass(frozen=True)
class Conversion:
    """One tensor that is quantized or dequantized.

    Attributes:
        direction: from floats to integers, or back.
        shape: [N, C, H, W].
        channels_last: how integers lie there in ONNX Runtime; LiteRT's always do.
    """

    direction: Direction
    shape: Shape
    channels_last: bool


def refused(error: Exception) -> Int8Facts:
    """What is known of a group whose INT8 form the runtime refuses."""
    words = getattr(error, "message", str(error))
    return Int8Facts(kernel="refused", operators={}, refusal=" ".join(str(words).split())[:300])
