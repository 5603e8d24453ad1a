"""A brush of many hairs: pressure widens it, ink runs out of it, a dry one skips over the paper."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.ink.paper import Field, Sheet

Points = NDArray[np.float64]

_HAIRS_PX = 0.45  # between two hairs; less than a pixel, so that a wet brush leaves no gaps
_STEP_PX = 0.5


class Strokes:
    """Strokes that are laid at once: where they cross, the darker one is seen, not the sum."""

    def __init__(self, sheet: Sheet) -> None:
        self.sheet = sheet
        self.layer: Field = np.zeros_like(sheet.ink)

    def stroke(
        self,
        path: Sequence[tuple[float, float]] | Points,
        widths_px: Sequence[float],
        tone: float | Sequence[float] = 1.0,
        dry: float | Sequence[float] = 0.0,
    ) -> None:
        """One stroke along a path.

        Args:
            path: its bends, (x, y) in pixels, joined by a smooth line.
            widths_px: pressure from its start to its end, as many as one likes.
            tone: ink, likewise.
            dry: how dry the brush is, from 0 (wet) to 1 (nothing is left), likewise.
        """
        line = _smooth(np.asarray(path, np.float64))
        along = np.linspace(0.0, 1.0, len(line))
        widths, tones, dryness = (_along(along, one) for one in (widths_px, tone, dry))
        count = max(3, int(max(widths) / _HAIRS_PX))
        across = np.linspace(-1.0, 1.0, count)
        tangent = np.gradient(line, axis=0)
        tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-6)
        normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
        off = across[None, :, None] * normal[:, None, :] * widths[:, None, None] / 2
        xy = np.rint(line[:, None] + off).astype(int)
        inside = ((xy >= 0) & (xy < self.sheet.side_px)).all(2)
        values = tones[:, None] * self._carried(len(line), count, dryness, across)
        x, y = np.clip(xy, 0, self.sheet.side_px - 1).transpose(2, 0, 1)
        touched = self.sheet.grain[y, x] > 0.9 * dryness[:, None] - 0.2
        np.maximum.at(
            self.layer, (y[inside], x[inside]), (values * touched)[inside].astype(np.float32)
        )

    def _carried(self, steps: int, hairs: int, dryness: Points, across: Points) -> Points:
        """Ink of each hair on its way [steps, hairs]: uneven, and some run dry before others."""
        rng = self.sheet.rng
        load = rng.random(max(4, hairs // 2))
        load = np.interp(np.linspace(0, 1, hairs), np.linspace(0, 1, len(load)), load)
        rough = cv2.resize(rng.random((max(2, steps // 18), hairs)), (hairs, steps))
        full = np.clip(4.0 * (1.15 - dryness[:, None] - 0.55 * load - 0.45 * rough), 0.0, 1.0)
        rim = 1.0 - 0.25 * np.abs(across) ** 3
        wet = 0.82 + 0.18 * load
        return np.asarray(np.where(dryness[:, None] > 0, full, 1.0) * wet * rim)

    def lay(self, wet: float = 0.0) -> None:
        """Puts the strokes on the sheet; `wet` in pixels is how far their ink runs."""
        smooth = cv2.GaussianBlur(self.layer, (0, 0), 0.7)
        self.sheet.wash(np.asarray(smooth, np.float32), edge=0.5 if wet else 0.15, run_px=wet)
        self.layer = np.zeros_like(self.layer)


def _along(along: Points, values: float | Sequence[float]) -> Points:
    given = np.atleast_1d(np.asarray(values, np.float64))
    return np.interp(along, np.linspace(0.0, 1.0, len(given)), given)


def _smooth(bends: Points) -> Points:
    """Points half a pixel apart on a Catmull-Rom line through the bends."""
    if len(bends) == 2:
        bends = np.stack([bends[0], bends.mean(0), bends[1]])
    ends = np.concatenate([2 * bends[:1] - bends[1:2], bends, 2 * bends[-1:] - bends[-2:-1]])
    pieces = []
    for a, b, c, d in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        steps = max(2, int(np.linalg.norm(c - b) / _STEP_PX))
        t = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None]
        pieces.append(
            0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2)
            + 0.5 * (3 * b - a - 3 * c + d) * t**3
        )
    return np.concatenate([*pieces, bends[-1:]])
