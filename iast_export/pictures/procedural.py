"""Pictures that the project draws itself: style pictures for networks without ready-made codes.

Seeded, so that every machine draws the same bytes; six kinds of mark, twice each, in six palettes.
Marks have three to four times the fine contrast of artworks (standard deviation of the luminance
above an eighth of a cycle a pixel: 37 levels, of 12 artworks 10). INT8 that is calibrated on them
clips no artwork; what is judged in them is 5 dB worse than what artworks get. `softened` brings
contrast, its fine part and the fall of the spectrum to those of artworks, which is to judge by
(`python -m benchmarks.drawn_styles`).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from iast_export.pictures.images import Rgb

# The side that style encoders see (`specs.STYLE_ENCODER_SIDE_PX`).
SIDE_PX = 256
_BLURS_PX = (2, 6, 18)
_PALETTES = (
    ("#14213d", "#fca311", "#e5e5e5", "#8d0801"),
    ("#264653", "#2a9d8f", "#e9c46a", "#e76f51"),
    ("#f4f1de", "#3d405b", "#81b29a", "#e07a5f"),
    ("#0b132b", "#1c2541", "#5bc0be", "#f2f2f2"),
    ("#fefae0", "#606c38", "#283618", "#bc6c25"),
    ("#ffe8d6", "#cb997e", "#6b705c", "#3f4238"),
)


def style_pictures() -> list[tuple[str, Rgb]]:
    """Name and picture (256x256) of twelve drawn artworks."""
    pictures = []
    for i in range(2 * len(MARKS)):
        name = tuple(MARKS)[i % len(MARKS)]
        palette = [_rgb(color) for color in _PALETTES[(i + i // len(MARKS)) % len(_PALETTES)]]
        pictures.append(
            (f"{name}-{i // len(MARKS) + 1}", drawn(name, np.random.default_rng(100 + i), palette))
        )
    return pictures


def softened(rgb: Rgb) -> Rgb:
    """The mean of a picture [H, W, 3] and of it blurred by 2, 6 and 18 px, in integers."""
    layers = [rgb, *(cv2.GaussianBlur(rgb, (0, 0), sigma_px) for sigma_px in _BLURS_PX)]
    total = np.sum(np.stack(layers).astype(np.uint16), axis=0)
    return np.asarray(total // len(layers), np.uint8)


def drawn(mark: str, rng: np.random.Generator, palette: list[tuple[int, ...]]) -> Rgb:
    """A picture (256x256) of one kind of `MARKS`, on the first RGB color of `palette`."""
    canvas = np.full((SIDE_PX, SIDE_PX, 3), palette[0], np.uint8)
    MARKS[mark](canvas, rng, palette)
    return canvas


def _rgb(color: str) -> tuple[int, ...]:
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def _color(rng: np.random.Generator, palette: list[tuple[int, ...]]) -> tuple[int, ...]:
    base = np.array(palette[int(rng.integers(len(palette)))]) + rng.integers(-18, 19, 3)
    return tuple(int(v) for v in np.clip(base, 0, 255))


def _strokes(canvas: Rgb, rng: np.random.Generator, palette: list[tuple[int, ...]]) -> None:
    for _ in range(900):
        x, y = (int(v) for v in rng.integers(0, SIDE_PX, 2))
        angle = np.sin(x / 60) + np.cos(y / 45) + rng.normal(0, 0.2)
        length = rng.uniform(10, 30)
        end = (int(x + length * np.cos(angle)), int(y + length * np.sin(angle)))
        cv2.line(canvas, (x, y), end, _color(rng, palette), int(rng.integers(2, 7)), cv2.LINE_8)


def _dots(canvas: Rgb, rng: np.random.Generator, palette: list[tuple[int, ...]]) -> None:
    for _ in range(3500):
        x, y = (int(v) for v in rng.integers(0, SIDE_PX, 2))
        near = [
            palette[int((np.sin(x / 50) + np.cos(y / 70) + 2) / 4 * len(palette)) % len(palette)]
        ]
        cv2.circle(canvas, (x, y), int(rng.integers(1, 5)), _color(rng, near), -1)


def _shapes(canvas: Rgb, rng: np.random.Generator, palette: list[tuple[int, ...]]) -> None:
    for _ in range(45):
        center, reach = rng.uniform(0, SIDE_PX, 2), rng.uniform(15, 60)
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
        points = center + reach * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(canvas, [points.astype(np.int32)], _color(rng, palette))


def _ink_lines(canvas: Rgb, rng: np.random.Generator, palette: list[tuple[int, ...]]) -> None:
    canvas[:] = 244
    for _ in range(60):
        steps = np.cumsum(rng.normal(0, 5, (70, 2)) + rng.normal(0, 3, 2), 0) + rng.uniform(
            0, SIDE_PX, 2
        )
        ink = (20, 20, 28) if rng.random() < 0.8 else _color(rng, palette)
        cv2.polylines(canvas, [steps.astype(np.int32)], False, ink, int(rng.integers(1, 4)))


def _swirls(canvas: Rgb, rng: np.random.Generator, palette: list[tuple[int, ...]]) -> None:
    for _ in range(26):
        center = rng.uniform(0, SIDE_PX, 2)
        turns = np.linspace(0, rng.uniform(4, 10) * np.pi, 160)
        reach = turns * rng.uniform(1.0, 2.2)
        points = center + np.stack([reach * np.cos(turns), reach * np.sin(turns)], 1)
        cv2.polylines(
            canvas, [points.astype(np.int32)], False, _color(rng, palette), int(rng.integers(2, 6))
        )


def _weave(canvas: Rgb, rng: np.random.Generator, palette: list[tuple[int, ...]]) -> None:
    pitch = int(rng.integers(8, 16))
    for i, start in enumerate(range(0, SIDE_PX, pitch)):
        for j, other in enumerate(range(0, SIDE_PX, pitch)):
            wide = (i + j) % 2 == 0
            size = (pitch + 4, pitch - 3) if wide else (pitch - 3, pitch + 4)
            corner = (start + size[0], other + size[1])
            cv2.rectangle(canvas, (start, other), corner, _color(rng, palette), -1)


MARKS: dict[str, Callable[[Rgb, np.random.Generator, list[tuple[int, ...]]], None]] = {
    "strokes": _strokes,
    "dots": _dots,
    "shapes": _shapes,
    "ink-lines": _ink_lines,
    "swirls": _swirls,
    "weave": _weave,
}
