"""Mountains in mist: ridges, trees on them, water below."""

from __future__ import annotations

import numpy as np

from models.ink.brush import Points, Strokes
from models.ink.paper import SIDE_PX, Sheet, band, clouds


def mountains(sheet: Sheet) -> None:
    """Four ridges, paler as they are farther, mist between them, a boat below."""
    base = (0.36, 0.46, 0.59, 0.74)
    height = (0.18, 0.27, 0.22, 0.13)
    tone = (0.16, 0.34, 0.62, 1.0)
    for i in range(len(base)):
        crest = SIDE_PX * (base[i] - height[i] * _profile(sheet, 3 + i))
        _slope(sheet, crest, tone[i], SIDE_PX * (0.11 - 0.01 * i))
        if i:
            _creases(sheet, crest, tone[i], 60 + 70 * i)
        if i > 1:
            _trees(sheet, crest, tone[i])
        sheet.mist(0.85 * band(SIDE_PX * (base[i] + 0.045), 30.0) * clouds(SIDE_PX, 4, sheet.rng))
    _water(sheet)
    _birds(sheet)
    sheet.seal(560, 60, 38)


def _profile(sheet: Sheet, cells: int) -> Points:
    """A ridge line in 0..1 over x: a few peaks, broken by smaller ones."""
    rough = 1.0 - np.abs(2.0 * clouds(SIDE_PX, cells, sheet.rng, 6)[SIDE_PX // 2] - 1.0)
    low, high = rough.min(), rough.max()
    peaks = np.asarray(((rough - low) / (high - low)) ** 1.3, np.float64)
    return np.convolve(np.pad(peaks, 3, mode="edge"), np.ones(7) / 7, mode="valid")


def _slope(sheet: Sheet, crest: Points, tone: float, fade_px: float) -> None:
    rows = np.arange(SIDE_PX)[:, None]
    below = rows - crest[None, :]
    # The foot knows little of each peak above it, or every peak would draw a stripe down.
    wide = np.convolve(np.pad(crest, 45, mode="edge"), np.ones(91) / 91, mode="valid")
    foot = np.clip(rows - (0.45 * crest + 0.55 * wide)[None, :], 0.0, None)
    uneven = 0.55 + 0.75 * clouds(SIDE_PX, 9, sheet.rng)
    mask = np.clip(below / 1.5, 0.0, 1.0) * np.exp(-foot / fade_px)
    sheet.wash(np.asarray(0.8 * tone * mask * uneven, np.float32), edge=0.5)


def _creases(sheet: Sheet, crest: Points, tone: float, count: int) -> None:
    """Dry strokes that fall from a ridge, as hemp fibers do."""
    rng, brush = sheet.rng, Strokes(sheet)
    steep = np.gradient(crest)
    for x in rng.uniform(0, SIDE_PX - 1, count):
        start = float(crest[int(x)] + rng.exponential(14.0))
        lean = float(np.clip(steep[int(x)], -1.4, 1.4))
        length = rng.uniform(18, 62)
        way = np.sign(lean) if abs(lean) > 0.25 else rng.choice([-1.0, 1.0])
        bends = [
            (x, start),
            (x + way * 0.28 * length + rng.normal(0, 2), start + 0.45 * length),
            (x + way * 0.45 * length + rng.normal(0, 4), start + length),
        ]
        width = rng.uniform(1.5, 4.5)
        brush.stroke(bends, [width, width * 1.3, 0.8], tone * rng.uniform(0.5, 1.0), [0.2, 0.75])
    brush.lay()


def _trees(sheet: Sheet, crest: Points, tone: float) -> None:
    """Groves: trunks and dabs of the tip of the brush, wet among dry."""
    rng = sheet.rng
    for wet, share in ((3.0, 0.55), (0.0, 1.0)):
        brush = Strokes(sheet)
        for _ in range(5):
            middle = rng.uniform(30, SIDE_PX - 30)
            for _ in range(int(rng.integers(5, 11))):
                x = float(np.clip(middle + rng.normal(0, 26), 4, SIDE_PX - 5))
                foot = float(crest[int(x)] + rng.uniform(2, 16))
                height = rng.uniform(10, 24) * (0.6 + 0.5 * tone)
                top = (x + rng.normal(0, 2), foot - height)
                brush.stroke([(x, foot), top], [2.2, 1.0], tone * share)
                for _ in range(9):
                    dab_x = top[0] + rng.normal(0, 0.28 * height)
                    dab_y = top[1] + abs(rng.normal(0, 0.3 * height)) - 2
                    end = (dab_x + rng.normal(4, 1.5), dab_y + rng.normal(0.6, 0.6))
                    ink = share * tone * rng.uniform(0.6, 1.1)
                    brush.stroke([(dab_x, dab_y), end], [1.2, 3.6, 1.4], ink)
        brush.lay(wet)


def _water(sheet: Sheet) -> None:
    rng, brush = sheet.rng, Strokes(sheet)
    for _ in range(16):
        x, y = rng.uniform(20, 560), SIDE_PX * rng.uniform(0.86, 0.97)
        length = rng.uniform(30, 110)
        bends = [(x, y), (x + length / 2, y + rng.normal(0, 1.5)), (x + length, y)]
        brush.stroke(bends, [0.8, 1.8, 0.8], 0.35 * rng.uniform(0.5, 1.0), [0.1, 0.6])
    x, y = 250.0, 566.0
    brush.stroke([(x, y), (x + 26, y + 7), (x + 58, y - 3)], [1.5, 6.0, 1.5], 1.1)
    brush.stroke([(x + 18, y), (x + 28, y - 12), (x + 40, y - 1)], [2.0, 3.0, 2.0], 0.6)
    brush.stroke([(x + 50, y - 2), (x + 49, y - 15)], [2.6, 1.6], 1.0)
    brush.stroke([(x + 52, y - 12), (x + 76, y + 8)], [0.8, 1.0], 0.7)
    brush.lay()


def _birds(sheet: Sheet) -> None:
    brush = Strokes(sheet)
    for x, y, size in ((150, 96, 9), (178, 84, 7), (205, 103, 8), (228, 78, 5)):
        left = [(x - size, y - 0.4 * size), (x - 0.4 * size, y - 0.5 * size), (x, y)]
        right = [(x, y), (x + 0.5 * size, y - 0.6 * size), (x + 1.1 * size, y - 0.3 * size)]
        brush.stroke(left, [0.6, 1.8, 1.0], 0.7)
        brush.stroke(right, [1.0, 1.8, 0.6], 0.7)
    brush.lay()
