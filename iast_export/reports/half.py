"""What a GPU's FP16 would not hold, as reports tell it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from iast_export.reports.base import Count, Model, Positive

# FP16's largest finite number.
LARGEST = 65504.0


class HalfOverflow(Model):
    """A place that may pass 65,504, FP16's largest number, by calibrated ranges.

    `peak` is a bound of its size; `of_sum`: of a sum while it is taken, whose result may be small.
    `held`: the fp16 file is written so that it stays within; the others have FP32's graph.
    """

    tensor: str
    operator: str
    peak: Annotated[float, Field(gt=0)]
    of_sum: bool
    held: bool

    def __str__(self) -> str:
        return words(self.operator, self.tensor, self.peak, self.of_sum)


def words(operator: str, tensor: str, peak: float, of_sum: bool) -> str:
    """A place that FP16 may not hold, as a sentence without its end."""
    what = "may sum up to" if of_sum else "reaches up to"
    return f"{operator} {tensor} {what} {peak:,.0f}, beyond FP16's {LARGEST:,.0f}"


class HalfRow(Model):
    """One tier's LiteRT files on a GPU that computes in FP16, foretold without running them.

    Of `results` float tensors that operators make the ranges of `judged` are known, by calibration
    or from their inputs; nothing is said of the others.
    """

    tier: str
    judged: Count
    results: Positive
    overflows: tuple[HalfOverflow, ...]
