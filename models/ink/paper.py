"""Paper and ink: how much ink lies where, how it runs and dries, what color that is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]
Rgb = NDArray[np.uint8]  # [H, W, 3]

SIDE_PX = 640  # of a painting
# Chosen by eye: unbleached paper, and what a unit of ink lets through of red, green and blue.
_PAPER = np.array([241.0, 234.0, 217.0])
_ABSORBED = np.array([1.0, 0.985, 0.94])
_SEAL = np.array([186.0, 44.0, 36.0])
_DARKEST = 2.9  # of ink, in units of absorption: black ink on paper is not black


def clouds(side_px: int, cells: int, rng: np.random.Generator, octaves: int = 5) -> Field:
    """Soft noise in 0..1 [side, side], `cells` bumps across, finer ones at half the height each."""
    total = np.zeros((side_px, side_px), np.float32)
    height = 1.0
    for octave in range(octaves):
        count = min(cells * 2**octave, side_px)
        grid = rng.random((count + 3, count + 3)).astype(np.float32)
        grown = cv2.resize(grid, None, fx=side_px / count, fy=side_px / count, interpolation=2)
        total += height * grown[:side_px, :side_px]
        height *= 0.5
    low, high = float(total.min()), float(total.max())
    return np.asarray((total - low) / (high - low), np.float32)


def band(middle_px: float, half_px: float) -> Field:
    """1 at a height, falling off above and below it."""
    off = (np.arange(SIDE_PX) - middle_px) / half_px
    return np.asarray(np.exp(-(off**2))[:, None] * np.ones((1, SIDE_PX)), np.float32)


class Sheet:
    """A square of paper and the ink on it.

    Attributes:
        ink: absorption of each pixel, 0 where there is none.
        grain: height of the paper's fibers in 0..1; a dry brush touches the high ones alone.
        rng: what all is drawn by.
    """

    def __init__(self, side_px: int, rng: np.random.Generator) -> None:
        self.side_px, self.rng = side_px, rng
        self.ink = np.zeros((side_px, side_px), np.float32)
        self._seal = np.zeros((side_px, side_px), np.float32)
        self._tint = clouds(side_px, 3, rng)
        self.grain = self._fibers()

    def _fibers(self) -> Field:
        fine = self.rng.random((self.side_px, self.side_px)).astype(np.float32)
        along = cv2.GaussianBlur(fine, (0, 0), sigmaX=3.2, sigmaY=0.7)
        across = cv2.GaussianBlur(fine[::-1].copy(), (0, 0), sigmaX=0.7, sigmaY=2.4)
        mixed = along + across
        order = np.argsort(np.argsort(mixed, axis=None)).reshape(mixed.shape)
        return np.asarray(order / order.size, np.float32)

    def wash(self, mask: Field, edge: float = 0.35, run_px: float = 0.0) -> None:
        """Lays wet ink: it settles in the paper's hollows and darkens where it dries, at its edge.

        Args:
            mask: ink of each pixel.
            edge: how much darker the edge gets.
            run_px: how far it runs into wet paper, unevenly.
        """
        if run_px:
            mask = self._run(mask, run_px)
        soft = cv2.GaussianBlur(mask, (0, 0), 2.5)
        rim = np.clip(mask - soft, 0.0, None)
        settled = mask * (0.9 + 0.2 * (1.0 - self.grain))
        self.ink += np.asarray(settled + edge * rim, np.float32)

    def _run(self, mask: Field, run_px: float) -> Field:
        spread = cv2.GaussianBlur(mask, (0, 0), run_px)
        y, x = np.mgrid[: self.side_px, : self.side_px].astype(np.float32)
        off_x, off_y = (2 * clouds(self.side_px, 24, self.rng) - 1 for _ in range(2))
        moved = cv2.remap(
            spread,
            x + 2 * run_px * off_x,
            y + 2 * run_px * off_y,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )
        return np.asarray(0.5 * mask + 0.5 * moved, np.float32)

    def mist(self, mask: Field) -> None:
        """Takes ink away, all of it where the mask is 1."""
        self.ink *= np.asarray(1.0 - np.clip(mask, 0.0, 1.0), np.float32)

    def seal(self, left: int, top: int, side_px: int) -> None:
        """Stamps one seal: a red square with strokes left white, which are no characters."""
        stamp = np.zeros((side_px, side_px), np.float32)
        border = max(2, side_px // 12)
        cv2.rectangle(stamp, (0, 0), (side_px - 1, side_px - 1), 1.0, -1)
        inner = side_px - 4 * border
        for column in range(2):
            x = 2 * border + column * inner // 2 + border // 2
            for row in range(4):
                y = 2 * border + row * inner // 4 + border
                end = x + int(inner / 2 * self.rng.uniform(0.55, 0.85))
                cv2.line(stamp, (x, y), (end, y), 0.0, border)
            middle = x + int(inner / 4 * self.rng.uniform(0.5, 1.2))
            start, stop = (
                int(inner * share) + 2 * border for share in (0.05, self.rng.uniform(0.6, 0.95))
            )
            cv2.line(stamp, (middle, start), (middle, stop), 0.0, border)
        soft = cv2.GaussianBlur(stamp, (0, 0), 0.8)
        place = np.s_[top : top + side_px, left : left + side_px]
        worn = np.clip(1.25 - 0.8 * self.grain[place] ** 3, 0.0, 1.0)
        self._seal[place] = np.maximum(self._seal[place], soft * worn)

    def picture(self) -> Rgb:
        """What is seen: uint8 [side, side, 3]."""
        tint = 1.0 - 0.05 * self._tint - 0.035 * (self.grain - 0.5)
        paper = _PAPER * tint[:, :, None]
        absorbed = _DARKEST * (1.0 - np.exp(-self.ink / 1.1))
        seen = paper * np.exp(-absorbed[:, :, None] * _ABSORBED)
        share = self._seal[:, :, None]
        return np.asarray(np.clip(seen * (1 - share) + _SEAL * share, 0, 255), np.uint8)
