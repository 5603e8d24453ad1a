"""Curves of preservation against style, compared at equal style, with bootstrap intervals.

Doing nothing keeps the photograph whole, so no preservation score means anything without the style
distance beside it: methods are compared where their style distances are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError
from iast_export.metrics.bootstrap import Interval, Resampling, central_interval
from iast_export.metrics.equal_style import at_style
from models.evaluation.judges import HIGHER_IS_BETTER
from models.evaluation.run import Judged

# The same draws for every method, as gains are differences of two. Half as many as elsewhere, since
# each draw interpolates the curve of every method; the seed is that of the published tables.
RESAMPLING = Resampling(2000, seed=20261121)
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """Mean score over artworks per photograph and strength: [photographs, strengths] each."""

    name: str
    strengths: tuple[float, ...]
    style: Array
    score: Array


def curve(judged: Judged, score: str, photographs: Sequence[str]) -> Curve:
    """The method's curve on the named photographs.

    Raises:
        InputError: a photograph was not judged on this score.
    """
    rows = []
    for name in photographs:
        row = []
        for strength in judged.strengths:
            found = [s for key, s in judged.scores[strength].items() if key.split("+")[0] == name]
            if not found or any(score not in s or "style" not in s for s in found):
                raise InputError(
                    f"{judged.name} has no {score} on {name}", "judge it on the same pictures first"
                )
            row.append([np.mean([s["style"] for s in found]), np.mean([s[score] for s in found])])
        rows.append(row)
    values = np.asarray(rows, np.float64)
    return Curve(judged.name, judged.strengths, values[:, :, 0], values[:, :, 1])


@dataclass(frozen=True)
class Matched:
    """A method's score at the reference's style distance; None: it does not get there.

    Attributes:
        gain: ours minus this one, positive is better for ours.
        at_weakest: its weakest setting already has more of the style, so that a weaker one would
            keep more.
    """

    name: str
    score: str
    value: Interval | None
    gain: Interval | None
    pictures: int
    at_weakest: bool = False


def matched(
    ours: Curve, others: Sequence[Curve], reference: Curve, score: str
) -> tuple[Interval, list[Matched]]:
    """Scores of all methods at the style distance of the reference's strongest setting.

    The style distance is taken anew in each resample of the photographs, so the interval holds its
    uncertainty too. Returns that distance, and a row per method, ours first.
    """
    draws = RESAMPLING.draws(len(ours.style))
    target = float(reference.style[:, -1].mean())
    targets = reference.style[:, -1][draws].mean(1)
    sign = 1.0 if HIGHER_IS_BETTER[score] else -1.0

    def values(found: Curve) -> tuple[float, Array]:
        once = at_style(found.style.mean(0), found.score.mean(0), target)
        many = [
            at_style(found.style[d].mean(0), found.score[d].mean(0), t)
            for d, t in zip(draws, targets, strict=True)
        ]
        return once, np.asarray(many)

    own_once, own_many = values(ours)
    rows = []
    for found in (ours, *others):
        once, many = (own_once, own_many) if found is ours else values(found)
        reached = np.isfinite(many)
        if not np.isfinite(once) or reached.mean() < 0.95:
            rows.append(Matched(found.name, score, None, None, len(found.style)))
            continue
        gains = sign * (own_many - many)
        both = np.isfinite(gains)
        compared = found is not ours and both.mean() >= 0.95
        gain = central_interval(gains[both], sign * (own_once - once)) if compared else None
        weakest = bool(found.style.mean(0)[0] < target)
        value = central_interval(many[reached], once)
        rows.append(Matched(found.name, score, value, gain, len(found.style), weakest))
    return central_interval(targets, target), rows


def gain_at(ours: Curve, other: Curve, score: str, target: float) -> Interval | None:
    """How much better one curve is than another where both come to a style distance.

    Positive is better; over resampled photographs. None: one of them doesn't come to it.
    """
    sign = 1.0 if HIGHER_IS_BETTER[score] else -1.0

    def gain(style: Array, own: Array, beside: Array, theirs: Array) -> float:
        return sign * (at_style(style, own, target) - at_style(beside, theirs, target))

    once = gain(*(x.mean(0) for x in (ours.style, ours.score, other.style, other.score)))
    draws = RESAMPLING.draws(len(ours.style))
    many = np.array(
        [
            gain(*(x[d].mean(0) for x in (ours.style, ours.score, other.style, other.score)))
            for d in draws
        ]
    )
    reached = np.isfinite(many)
    if not np.isfinite(once) or reached.mean() < 0.95:
        return None
    return central_interval(many[reached], once)


def dominates(ours: Curve, other: Curve, score: str, points: int = 9) -> float | None:
    """Share of the style distances that both reach at which ours keeps more; 1 is dominance."""
    low = max(ours.style.mean(0).min(), other.style.mean(0).min())
    high = min(ours.style.mean(0).max(), other.style.mean(0).max())
    if not low < high:
        return None
    sign = 1.0 if HIGHER_IS_BETTER[score] else -1.0
    wins = []
    for target in np.linspace(low, high, points):
        one, two = (at_style(c.style.mean(0), c.score.mean(0), target) for c in (ours, other))
        if np.isfinite(one) and np.isfinite(two):
            wins.append(sign * (one - two) > 0)
    return float(np.mean(wins)) if wins else None


def relative(first: Judged, second: Judged, score: str, strength: float) -> Interval | None:
    """How much worse the second is, as a share of the first, at a strength.

    None: not judged, or the first may be zero. Positive is worse. Resampled over photographs, on
    the pairs that both have.
    """
    if strength not in first.scores or strength not in second.scores:
        return None
    both = [
        (key.split("+")[0], s[score], second.scores[strength][key][score])
        for key, s in first.scores[strength].items()
        if score in s and score in second.scores[strength].get(key, {})
    ]
    names = sorted({name for name, _, _ in both})
    if len(names) < 2:
        return None
    means = np.asarray([np.mean([(a, b) for n, a, b in both if n == name], 0) for name in names])
    sign = 1.0 if HIGHER_IS_BETTER[score] else -1.0

    def loss(rows: Array) -> Array:
        return np.asarray(sign * (rows[..., 0] - rows[..., 1]) / np.abs(rows[..., 0]))

    drawn = means[RESAMPLING.draws(len(names))].mean(1)
    if not np.all(drawn[:, 0]):
        return None
    return central_interval(loss(drawn), float(loss(means.mean(0))))
