"""Statistics that move along a clip: an average of the frames so far, begun anew at each cut.

A frame's own statistics breathe with what comes into view, and frozen ones answer a change of light
with a wrong picture; a moving average does neither.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from iast_export.pictures.images import Rgb
from iast_export.pictures.resize import resize
from iast_export.stylize.lifted import Moments

# Of what was: after 22 frames a tenth is left. Measured on clips (docs/large-pictures.md).
KEEP = 0.9
# A cut: pixels of a thumbnail change by so many levels in the mean, colors move to other bins (of
# 4 x 4 x 4), and what is light and dark no longer lies where it lay. All three, since a pan changes
# pixels and places, a flash pixels and colors. Tried on spliced photographs.
_CUT_LEVELS, _CUT_SHARE, _CUT_CORRELATION = 25.0, 0.35, 0.7
_THUMBNAIL_PX = (18, 32)
_BINS = 4


class MovingMoments:
    """The moments to draw each frame with, in the order of frames."""

    def __init__(self, keep: float = KEEP) -> None:
        self._keep = keep
        self._average: dict[str, NDArray[np.float32]] = {}
        self._seen: Rgb | None = None
        self.cuts: list[int] = []
        self._frame = 0

    def add(self, frame: Rgb, own: Moments) -> Moments:
        """The moments for a frame, from its own and those of the frames before."""
        small = _small(frame)
        begins = self._seen is None or is_cut(self._seen, small)
        if begins and self._seen is not None:
            self.cuts.append(self._frame)
        share = np.float32(0.0 if begins else self._keep)
        self._average = {
            name: values if begins else share * self._average[name] + (1 - share) * values
            for name, values in own.items()
        }
        self._seen, self._frame = small, self._frame + 1
        return dict(self._average)


def is_cut(before: Rgb, after: Rgb) -> bool:
    """Whether two frames, or thumbnails of one size, are of different scenes."""
    before, after = _small(before), _small(after)
    levels = float(np.mean(np.abs(after.astype(np.float32) - before)))
    if levels < _CUT_LEVELS or _moved_share(before, after) < _CUT_SHARE:
        return False
    return _correlation(before, after) < _CUT_CORRELATION


def _correlation(before: Rgb, after: Rgb) -> float:
    """Of brightness; 0 where a frame is flat."""
    first, second = (one.mean(axis=2) - one.mean() for one in (before, after))
    size = float(np.sqrt(np.sum(first**2) * np.sum(second**2)))
    return float(np.sum(first * second)) / size if size > 0 else 0.0


def _moved_share(before: Rgb, after: Rgb) -> float:
    """Share of pixels by which the histograms of colors differ."""
    counts = [
        cv2.calcHist([one], [0, 1, 2], None, [_BINS] * 3, [0, 256] * 3) for one in (before, after)
    ]
    pixels = before.shape[0] * before.shape[1]
    return float(np.sum(np.abs(counts[0] - counts[1]))) / float(2 * pixels)


def _small(frame: Rgb) -> Rgb:
    height, width = frame.shape[:2]
    rows, columns = _THUMBNAIL_PX if width >= height else _THUMBNAIL_PX[::-1]
    return resize(frame, min(rows, height), min(columns, width))
