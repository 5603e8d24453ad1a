"""What is painted: mountains in mist, bamboo, a plum branch before the moon."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from models.ink.brush import Points, Strokes
from models.ink.paper import Field, Rgb, Sheet, clouds

SIDE_PX = 640
DRAWN = "drawn/"  # how the names of paintings to train on begin
_SEED = 20261126


def painted(scene: str, variant: int = 0) -> Rgb:
    """A scene of `SCENES`, uint8 [640, 640, 3]; the same on every call.

    Args:
        scene: its name.
        variant: another number is the same scene painted once more; 0 is never trained on.
    """
    place = tuple(SCENES).index(scene)
    sheet = Sheet(SIDE_PX, np.random.default_rng([_SEED + place, variant]))
    SCENES[scene](sheet)
    return sheet.picture()


def paintings(count: int) -> dict[str, Rgb]:
    """`count` variants of every scene to train on, by a name that says who drew them."""
    return {
        f"{DRAWN}{scene}-{variant}": painted(scene, variant)
        for scene in SCENES
        for variant in range(1, count + 1)
    }


def mountains(sheet: Sheet) -> None:
    """Five ridges, paler as they are farther, mist between them, a boat below."""
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
        sheet.mist(0.85 * _band(SIDE_PX * (base[i] + 0.045), 30.0) * clouds(SIDE_PX, 4, sheet.rng))
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


def bamboo(sheet: Sheet) -> None:
    """Stalks near and far, leaves in groups of three to five, all in single strokes."""
    rng = sheet.rng
    for wet, tone, count in ((4.0, 0.22, 3), (0.0, 0.85, 2)):
        stalks, leaves = Strokes(sheet), Strokes(sheet)
        for _ in range(count):
            _stalk(stalks, leaves, tone, near=not wet, at=rng.uniform(0.12, 0.72))
        stalks.lay(wet / 2)
        leaves.lay(wet)
    ground = _band(SIDE_PX * 0.97, 26.0) * clouds(SIDE_PX, 5, rng) * 0.35
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


def _band(middle_px: float, half_px: float) -> Field:
    """1 at a height, falling off above and below it."""
    off = (np.arange(SIDE_PX) - middle_px) / half_px
    return np.asarray(np.exp(-(off**2))[:, None] * np.ones((1, SIDE_PX)), np.float32)


# Each by its name, which its picture and its style take.
SCENES: Mapping[str, Callable[[Sheet], None]] = MappingProxyType(
    {"ink-mountains": mountains, "ink-bamboo": bamboo, "ink-plum": plum}
)
