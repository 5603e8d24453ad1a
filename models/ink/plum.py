"""A plum branch in bloom before the moon."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.ink.brush import Strokes
from models.ink.paper import SIDE_PX, Sheet, clouds


def plum(sheet: Sheet) -> None:
    """An old branch in dry ink, blossoms in pale rings, the moon left white in a wash of night."""
    rng = sheet.rng
    y, x = np.mgrid[:SIDE_PX, :SIDE_PX].astype(np.float32)
    away = np.hypot(x - 430, y - 190) - 96
    night = 0.34 * np.exp(-np.clip(away, 0, None) / 120) * np.clip(away / 4, 0, 1)
    sheet.wash(np.asarray(night * (0.5 + 0.8 * clouds(SIDE_PX, 5, rng)), np.float32), run_px=5.0)
    wood, flowers = Strokes(sheet), Strokes(sheet)
    _bough(wood, flowers, (-20.0, 590.0), -0.55, 34.0, 2)
    wood.lay()
    flowers.lay(0.8)
    sheet.seal(60, 66, 40)


def _bough(
    wood: Strokes,
    flowers: Strokes,
    root: tuple[float, float],
    angle: float,
    width: float,
    left: int,
) -> None:
    """A bent piece of wood, and what grows from it; `left`: how often it divides again."""
    rng = wood.sheet.rng
    bends = [root]
    for _ in range(3 + (width > 20)):
        angle += rng.normal(0, 0.3)
        length = rng.uniform(0.8, 1.2) * (52 + 3.4 * width)
        bends.append((bends[-1][0] + length * np.cos(angle), bends[-1][1] + length * np.sin(angle)))
    ends = [width, 0.85 * width, 0.95 * width, 0.6 * width, 0.4 * width]
    wood.stroke(bends, ends, [1.1, 0.8, 1.2], [0.2, 0.5, 0.35, 0.5] if width > 8 else [0.0, 0.3])
    if width > 8:
        _bark(wood, bends, width)
    if left == 0:
        _in_bloom(flowers, bends)
        return
    for i, (px, py) in enumerate(bends[1:]):
        side = 1.0 if i % 2 else -1.0
        turn = angle + side * rng.uniform(0.45, 0.95)
        _bough(wood, flowers, (px, py), turn, (0.5 if left > 1 else 0.4) * width, left - 1)


def _bark(wood: Strokes, bends: Sequence[tuple[float, float]], width: float) -> None:
    """The dark, wet side of old wood, and its knots."""
    rng = wood.sheet.rng
    lower = [(x + 0.12 * width, y + 0.34 * width) for x, y in bends]
    wood.stroke(lower, [2.0, 0.3 * width, 2.0, 0.28 * width, 1.5], 1.3, [0.1, 0.45])
    for x, y in bends[1:-1]:
        for _ in range(3):
            dot = (x + rng.normal(0, 0.6 * width), y - 0.42 * width + rng.normal(0, 3))
            wood.stroke([dot, (dot[0] + 4, dot[1] + 1.5)], [2.0, 5.0, 2.0], 1.3)


def _in_bloom(flowers: Strokes, bends: Sequence[tuple[float, float]]) -> None:
    """Blossoms and buds along a twig."""
    rng = flowers.sheet.rng
    for one, two in zip(bends, bends[1:], strict=False):
        for share in rng.uniform(0.2, 1.0, int(rng.integers(1, 3))):
            x, y = (a + share * (b - a) + rng.normal(0, 5) for a, b in zip(one, two, strict=True))
            _blossom(flowers, x, y, rng.uniform(8.0, 12.5))


def _blossom(flowers: Strokes, x: float, y: float, size: float) -> None:
    """Five petals in one pale line each, darker stamens."""
    rng = flowers.sheet.rng
    turn, shut = rng.uniform(0, 2 * np.pi), rng.random() < 0.3
    for k in range(2 if shut else 5):
        angle = turn + 2 * np.pi * k / 5
        middle = (x + 0.62 * size * np.cos(angle), y + 0.62 * size * np.sin(angle))
        ring = [
            (middle[0] + 0.55 * size * np.cos(a), middle[1] + 0.55 * size * np.sin(a))
            for a in angle + np.linspace(-2.3, 2.3, 6)
        ]
        flowers.stroke(ring, [1.2, 2.0, 1.4], 0.55 * rng.uniform(0.7, 1.2))
    for k in range(0 if shut else 7):
        angle = turn + 2 * np.pi * k / 7
        tip = (x + 0.6 * size * np.cos(angle), y + 0.6 * size * np.sin(angle))
        flowers.stroke([(x, y), tip], [0.8, 0.8, 2.4], 1.0)
