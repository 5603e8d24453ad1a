"""From content to style: how the style terms are let in while training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def style_factor(step: float, schedule: Sequence[Sequence[float]]) -> float:
    """The factor on both style terms at a step: lines between [step, factor], flat outside.

    Raises:
        ValueError: the schedule is empty or its steps do not rise.
    """
    steps = [point[0] for point in schedule]
    if not steps or any(b <= a for a, b in zip(steps, steps[1:], strict=False)):
        raise ValueError(f"style_schedule {schedule}: give [step, factor] pairs with rising steps")
    return float(np.interp(step, steps, [point[1] for point in schedule]))
