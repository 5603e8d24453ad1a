"""Scores where style distances are equal: whoever does nothing keeps the photograph whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iast_export.metrics.bootstrap import Draws

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StyleCurve:
    """Style distance and a score per photograph and strength, weak to strong: [P, S] each."""

    style: Array
    score: Array


def at_style(style: Array, score: Array, target: float) -> float:
    """The score where a curve [strengths], weak to strong, comes to a style distance.

    Linear between neighboring strengths. A curve that is below the distance from the start gives
    its weakest setting's score, which has more of the style than asked for; one that never comes
    down to it gives NaN.
    """
    target *= 1.0 + 1e-9  # a curve's own end is reached whatever the rounding
    if style[0] <= target:
        return float(score[0])
    for i in range(1, len(style)):
        if style[i] <= target:
            share = (style[i - 1] - target) / (style[i - 1] - style[i])
            return float(score[i - 1] + share * (score[i] - score[i - 1]))
    return float("nan")


def at_common_style(curves: Sequence[StyleCurve], draws: Draws) -> tuple[Array, Array]:
    """Scores where all curves have the same style, mean over every strength but the weakest.

    At each strength the style distance is that of the curve with the least style there, which every
    other one comes to at a lower strength of its own.

    Args:
        curves: over the same photographs and strengths, two or more.
        draws: of photographs [N, P]; each of them has common style distances of its own.

    Returns:
        Those distances [S - 1, N], and the mean scores [curves, N].
    """
    styles = [one.style[draws].mean(1) for one in curves]
    scores = [one.score[draws].mean(1) for one in curves]
    targets = np.max(styles, axis=0)[:, 1:]
    read = [
        [
            np.mean([at_style(distances, kept, target) for target in wanted])
            for distances, kept, wanted in zip(style, score, targets, strict=True)
        ]
        for style, score in zip(styles, scores, strict=True)
    ]
    return targets.T, np.asarray(read)
