"""How still a stylized clip is: warping error, breathing of tones, answers to noise and exposure.

All by motion of the clip itself: what the clip shows of movement, the result may show too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from iast_export.errors import InputError
from iast_export.pictures.images import Rgb

Flow = NDArray[np.float32]
Mask = NDArray[np.bool_]
# A pixel is judged where its flow and the way back differ by at most this; chosen as 0.5 + 1 % of
# the squared lengths (Sundaram, Brox and Keutzer, ECCV 2010, equation 6).
_SLACK_PX2, _SLACK_SHARE = 0.5, 0.01
# Noise of a phone's video, in levels, and a step of exposure; chosen.
NOISE_LEVELS, EXPOSURE_GAIN = 2.0, 1.05
_SEED = 20261126
# Of pixels that have to be judged; fewer say nothing.
_LEAST_SHARE = 0.05


@dataclass(frozen=True)
class Step:
    """From one frame to the next, over the pixels whose motion is known.

    Attributes:
        error: RMS difference of the result to its last frame moved along, levels / 255.
        clip_error: the same of the clip itself.
        tone: log of the ratio of the result's means, after the clip's own.
        judged: share of pixels.
    """

    error: float
    clip_error: float
    tone: float
    judged: float


def motion(before: Rgb, after: Rgb) -> tuple[Flow, Mask]:
    """Where each pixel of `after` was in `before` (dx, dy), and where that can be believed.

    Dense inverse search (Kroeger et al., ECCV 2016), there and back.
    """
    gray = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (before, after)]
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    none = np.zeros((*gray[0].shape, 2), np.float32)
    back, forth = (
        np.asarray(finder.calc(*pair, none.copy()), np.float32)
        for pair in ((gray[1], gray[0]), (gray[0], gray[1]))
    )
    return back, consistent(back, forth)


def consistent(back: Flow, forth: Flow) -> Mask:
    """Where the way back and forth ends where it began, inside the picture."""
    moved, inside = _moved(forth, back)
    lengths = np.square(back).sum(2) + np.square(moved).sum(2)
    apart = np.square(back + moved).sum(2)
    return np.asarray(inside & (apart <= _SLACK_PX2 + _SLACK_SHARE * lengths))


def judge_step(
    clip: tuple[Rgb, Rgb], result: tuple[Rgb, Rgb], known: tuple[Flow, Mask] | None = None
) -> Step:
    """Two frames of a clip and of its result.

    Args:
        clip: the frame before, and this one, [H, W, 3]; result likewise.
        known: the motion as `motion` returns it, where it is exact; None: found in the clip.

    Raises:
        InputError: frames of unlike sizes, or too little whose motion is known.
    """
    if len({one.shape for one in (*clip, *result)}) != 1:
        raise InputError("frames of unlike sizes can't be compared", "give one clip's frames")
    flow, mask = motion(*clip) if known is None else known
    judged = float(mask.mean())
    if judged < _LEAST_SHARE:
        raise InputError(
            f"the motion of {judged:.1%} of a frame is known, too little to judge flicker by",
            "leave cuts out, or take a clip with slower motion",
        )
    # A little blur, since a warped picture is interpolated and the other is not.
    pairs = [
        (cv2.GaussianBlur(_moved(a.astype(np.float32), flow)[0], (3, 3), 0), _blurred(b))
        for a, b in (clip, result)
    ]
    errors = [float(np.sqrt(np.mean(np.square(a[mask] - b[mask])))) / 255 for a, b in pairs]
    tones = [float(np.log((1 + b[mask].mean()) / (1 + a[mask].mean()))) for a, b in pairs]
    return Step(errors[1], errors[0], tones[1] - tones[0], judged)


def noise_gain(draw: Callable[[Rgb], Rgb], rgb: Rgb) -> float:
    """RMS change of the result over that of the photograph, when noise is added to it."""
    noise = np.random.default_rng(_SEED).normal(0, NOISE_LEVELS, rgb.shape)
    noisy = np.clip(np.rint(rgb + noise), 0, 255).astype(np.uint8)
    return _rms(draw(noisy), draw(rgb)) / max(_rms(noisy, rgb), 1e-6)


def exposure_levels(draw: Callable[[Rgb], Rgb], rgb: Rgb) -> float:
    """Mean absolute change of the result, in levels, to 5 % more exposure."""
    brighter = np.clip(np.rint(rgb * EXPOSURE_GAIN), 0, 255).astype(np.uint8)
    return float(np.mean(np.abs(draw(brighter).astype(np.float64) - draw(rgb))))


def _rms(a: Rgb, b: Rgb) -> float:
    return float(np.sqrt(np.mean(np.square(a.astype(np.float64) - b))))


def _blurred(rgb: Rgb) -> Flow:
    return np.asarray(cv2.GaussianBlur(rgb.astype(np.float32), (3, 3), 0), np.float32)


def _moved(planes: Flow, flow: Flow) -> tuple[Flow, Mask]:
    """Planes [H, W, K] read where `flow` points, and where that is inside."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    across, down = x + flow[..., 0], y + flow[..., 1]
    read = cv2.remap(planes, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = (across >= 0) & (across <= x.max()) & (down >= 0) & (down <= y.max())
    return np.asarray(read, np.float32), np.asarray(inside)
