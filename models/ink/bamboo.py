"""Bamboo: stalks in joints, leaves in groups, near and far."""

from __future__ import annotations

import numpy as np

from models.ink.brush import Strokes
from models.ink.paper import SIDE_PX, Sheet, band, clouds


def bamboo(sheet: Sheet) -> None:
    """Stalks near and far, leaves in groups of three to five, all in single strokes."""
    rng = sheet.rng
    for wet, tone, count in ((4.0, 0.22, 3), (0.0, 0.85, 2)):
        stalks, leaves = Strokes(sheet), Strokes(sheet)
        for _ in range(count):
            _stalk(stalks, leaves, tone, near=not wet, at=rng.uniform(0.12, 0.72))
        stalks.lay(wet / 2)
        leaves.lay(wet)
    ground = band(SIDE_PX * 0.97, 26.0) * clouds(SIDE_PX, 5, rng) * 0.35
    sheet.wash(np.asarray(ground, np.float32), run_px=6.0)
    sheet.seal(556, 548, 40)


def _stalk(stalks: Strokes, leaves: Strokes, tone: float, *, near: bool, at: float) -> None:
    rng = stalks.sheet.rng
    x, y, lean = SIDE_PX * at, SIDE_PX + 20.0, rng.normal(0.03, 0.09)
    width = rng.uniform(15, 20) if near else rng.uniform(9, 14)
    while y > -20:
        length = rng.uniform(72, 108)
        end_x, end_y = x + lean * length, y - length
        dry = [0.05, rng.uniform(0.25, 0.55), 0.1] if near else 0.0
        stalks.stroke(
            [(x, y), ((x + end_x) / 2 + 1.0, (y + end_y) / 2), (end_x, end_y)],
            [width * 1.12, width, width * 0.94, width, width * 1.1],
            [tone, 0.7 * tone, tone],
            dry,
        )
        joint = end_y - 3.0
        half = 0.62 * width
        stalks.stroke(
            [(end_x - half, joint - 2), (end_x, joint + 1.5), (end_x + half, joint - 3)],
            [2.0, 3.0, 2.0],
            1.35 * tone,
        )
        if rng.random() < 0.75 and end_y < 0.75 * SIDE_PX:
            _twig(leaves, end_x, joint, tone, side=float(rng.choice([-1.0, 1.0])))
        x, y, width, lean = end_x, end_y - 7.0, 0.97 * width, lean + rng.normal(0, 0.02)


def _twig(leaves: Strokes, x: float, y: float, tone: float, side: float) -> None:
    rng = leaves.sheet.rng
    for _ in range(int(rng.integers(1, 4))):
        reach, rise = rng.uniform(40, 110), rng.uniform(10, 60)
        tip = (x + side * reach, y - rise)
        middle = (x + side * 0.5 * reach, y - 0.75 * rise)
        leaves.stroke([(x, y), middle, tip], [2.4, 1.6, 1.0], tone)
        for root in (tip, middle):
            spread = rng.normal(0.25, 0.12)
            for k in range(int(rng.integers(3, 6))):
                turn = spread + 0.42 * (k - 1.5) + rng.normal(0, 0.1)
                _leaf(leaves, root, np.pi / 2 - side * (turn + 0.5), tone)


def _leaf(leaves: Strokes, root: tuple[float, float], angle: float, tone: float) -> None:
    """One press and lift of the brush: a thin start, a belly, a long point."""
    rng = leaves.sheet.rng
    length, bend = rng.uniform(46, 88), rng.normal(0, 0.16)
    bends = [
        (
            root[0] + s * length * np.cos(angle + s * bend),
            root[1] + s * length * np.sin(angle + s * bend),
        )
        for s in (0.0, 0.35, 0.7, 1.0)
    ]
    belly = rng.uniform(7.5, 11.5)
    widths = [1.2, 0.8 * belly, belly, 0.75 * belly, 0.4 * belly, 0.4]
    shade = tone * rng.uniform(0.75, 1.25)
    leaves.stroke(bends, widths, [0.9 * shade, 1.1 * shade, shade], [0.0, 0.0, 0.3])
