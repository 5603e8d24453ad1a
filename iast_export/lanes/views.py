"""What a tier is judged on: two thirds of the pictures as its square, a third in their own shape.

The one mechanism of `verify`, `lanes`, `search` and the ladder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from iast_export.lanes.lane import Feeds
from iast_export.metrics.identity import FaceBox
from iast_export.metrics.style import MIN_SIDE_PX as SMALLEST_STYLE_PX
from iast_export.pictures.images import Rgb, center_square, fit_longest_side
from iast_export.specs import Tier


@dataclass(frozen=True)
class EvaluationPair:
    """A photograph and a style to judge on; neither set any calibration range.

    Attributes:
        content: id of the photograph.
        style: id of the style.
        rgb: the photograph, uint8 [H, W, 3], any size.
        feeds: every style input of the cut network, by name.
        statistics: of the artwork, from `metrics.style_statistics`.
        face_box: of one face, in shares of the photograph's centered square.
    """

    content: str
    style: str
    rgb: Rgb
    feeds: Feeds
    statistics: NDArray[np.float64]
    face_box: FaceBox | None = None


@dataclass(frozen=True)
class View:
    """A pair as a tier sees it: `content` is its photograph at the tier's size."""

    pair: EvaluationPair
    content: Rgb


def seen_at(rgb: Rgb, tier: Tier, *, own_shape: bool) -> Rgb:
    """A photograph as a tier sees it: its longest side the tier's, or cut to the tier's square."""
    if own_shape:
        return fit_longest_side(rgb, tier.max_side_px)
    return center_square(rgb, tier.max_side_px)


def is_square(rgb: Rgb) -> bool:
    """Whether no runtime pads it at its tier."""
    return bool(rgb.shape[0] == rgb.shape[1])


def squares(pairs: Sequence[EvaluationPair], tier: Tier) -> list[View]:
    """Pairs cut to a tier's square, which no runtime pads."""
    return [View(pair, seen_at(pair.rgb, tier, own_shape=False)) for pair in pairs]


def views_of(
    pairs: Sequence[EvaluationPair], shaped: Sequence[EvaluationPair], tier: Tier
) -> list[View]:
    """Pairs as squares, then `shaped`, of `own_shape_pairs`, as they are."""
    own = [View(pair, seen_at(pair.rgb, tier, own_shape=True)) for pair in shaped]
    return [*squares(pairs, tier), *own]


def own_shape_places(rgbs: Sequence[Rgb], smallest_px: int) -> list[int]:
    """Which photographs can be judged in their own shape, the longest first.

    Args:
        rgbs: what to choose from.
        smallest_px: side of the smallest tier; photographs that are too narrow there to be judged
            are left out, as squares are.
    """

    def is_judged(rgb: Rgb) -> bool:
        short, long = sorted(rgb.shape[:2])
        return bool(short < long and short * smallest_px >= SMALLEST_STYLE_PX * long)

    found = [i for i, rgb in enumerate(rgbs) if is_judged(rgb)]
    return sorted(found, key=lambda i: min(rgbs[i].shape[:2]) / max(rgbs[i].shape[:2]))


def own_shape_pairs(pairs: Sequence[EvaluationPair], smallest_px: int) -> list[EvaluationPair]:
    """Half as many pairs again, of the photographs that are not square; none where all are.

    The longest come first. Where they are fewer, they come again in the styles of other pairs.

    Args:
        pairs: what to choose from.
        smallest_px: see `own_shape_places`.
    """
    shaped = own_shape_places([pair.rgb for pair in pairs], smallest_px)
    made: dict[tuple[str, str], EvaluationPair] = {}
    for turn in range(len(pairs) if shaped else 0):
        for i in shaped:
            other = pairs[(i + turn) % len(pairs)]
            key = pairs[i].content, other.style
            if key not in made and 2 * len(made) < len(pairs):
                made[key] = replace(
                    pairs[i],
                    style=other.style,
                    feeds=other.feeds,
                    statistics=other.statistics,
                    face_box=None,
                )
    return list(made.values())
