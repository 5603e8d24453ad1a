"""Cases of large pictures and clips for Python and the Android core: covers, bands, moving moments.

What integers decide is equal on both sides to the bit; what is a level at the end, to one level.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from iast_export.errors import InputError
from iast_export.pictures.resize import resize
from iast_export.stylize.cover import CoverAxis
from iast_export.stylize.moving import MovingMoments, is_cut

Case = dict[str, Any]
# Length, most of a tile, halo, multiple: one tile, few, many, padded, and tiles that are all halo.
_AXES = (
    (4032, 1024, 24, 4),
    (3024, 1024, 24, 4),
    (1025, 1024, 24, 4),
    (1024, 1024, 24, 4),
    (61, 64, 24, 4),
    (3, 64, 24, 4),
    (997, 64, 20, 4),
    (999, 130, 16, 8),
    (12_000, 1024, 48, 4),
    (500, 48, 24, 4),
)


def cover_cases() -> list[Case]:
    """How an axis is cut; None: refused."""
    found: list[Case] = []
    for length, largest, halo, multiple in _AXES:
        given = {
            "length_px": length,
            "largest_px": largest,
            "halo_px": halo,
            "multiple_px": multiple,
        }
        try:
            axis = CoverAxis(length, largest, halo, multiple)
        except InputError:
            found.append({**given, "expect": None})
            continue
        spans = [[span.start_px, span.first_px, span.last_px] for span in axis.spans]
        found.append({**given, "expect": {"side_px": axis.side_px, "spans": spans}})
    return found


def smooth(seed: int, height: int, width: int) -> np.ndarray:
    """A picture with broad tones and some grain, [H, W, 3]."""
    noise = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = [127 + 90 * np.sin(y / (3 + 2 * c) + seed) * np.cos(x / (4 + c) + c) for c in range(3)]
    grain = noise.integers(-12, 13, (height, width, 3))
    return np.clip(np.stack(waves, 2) + grain, 0, 255).astype(np.uint8)


def _shares(count: int, made: int) -> np.ndarray:
    """What each of `made` places takes of `count` centers, [made, count]."""
    center = np.clip((np.arange(made) + 0.5) * count / made - 0.5, 0, count - 1)
    return np.maximum(0, 1 - np.abs(center[:, None] - np.arange(count)))


def _enlarged(small: np.ndarray, height: int, width: int) -> np.ndarray:
    down, across = _shares(small.shape[0], height), _shares(small.shape[1], width)
    return np.einsum("yi,xj,ijk->yxk", down, across, small)


def _around(planes: np.ndarray, radius: int = 8) -> np.ndarray:
    """Means over windows of 17 px, the border repeated."""
    for axis in (0, 1):
        pads = [(radius, radius) if i == axis else (0, 0) for i in range(planes.ndim)]
        padded = np.pad(planes, pads, mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=axis)
        planes = windows.mean(-1)
    return planes


def _guided(photograph: np.ndarray, small: np.ndarray, preview: np.ndarray) -> np.ndarray:
    """By the definition: around each pixel the least squares fit of the preview, then its mean."""
    guide, wanted = small / 255, preview / 255
    mean_g, mean_w = _around(guide), _around(wanted)
    spread = _around(guide[..., :, None] * guide[..., None, :])
    spread = spread - mean_g[..., :, None] * mean_g[..., None, :] + 1e-3 * np.eye(3)
    shared = _around(guide[..., :, None] * wanted[..., None, :])
    gains = np.linalg.solve(spread, shared - mean_g[..., :, None] * mean_w[..., None, :])
    offsets = mean_w - np.einsum("yxgi,yxg->yxi", gains, mean_g)
    flat = _around(np.concatenate([gains.reshape(*small.shape[:2], 9), offsets], 2))
    map_ = _enlarged(flat, *photograph.shape[:2])
    gains = map_[..., :9].reshape(*photograph.shape, 3)
    return (np.einsum("yxgi,yxg->yxi", gains, photograph / 255) + map_[..., 9:]) * 255


def _levels(values: np.ndarray) -> list[Any]:
    made: list[Any] = np.clip(np.floor(values + 0.5), 0, 255).astype(int).tolist()
    return made


def band_cases() -> list[Case]:
    """A picture in bands under a preview's low frequencies, and a photograph along its painting."""
    found: list[Case] = []
    for seed, (height, width), (small_h, small_w), bands in (
        (1, (22, 30), (9, 13), (7, 8, 7)),
        (2, (12, 10), (12, 10), (12,)),
        (3, (40, 13), (13, 6), (1, 24, 15)),
    ):
        tiles, preview = smooth(seed, height, width), smooth(seed + 10, small_h, small_w)
        small = smooth(seed + 20, small_h, small_w)
        offset = preview - resize(tiles, small_h, small_w).astype(float)
        found.append(
            {
                "picture": tiles.tolist(),
                "bands": list(bands),
                "preview": preview.tolist(),
                "small": small.tolist(),
                "expect_preview": _levels(tiles + _enlarged(offset, height, width)),
                "expect_guided": _levels(_guided(tiles, small, preview)),
            }
        )
    return found


def moving_cases() -> list[Case]:
    """Frames, what is measured in each, what each is drawn with, and where scenes begin."""
    scene, other = smooth(5, 24, 36), smooth(77, 24, 36)[::-1, :, ::-1]
    light = np.clip(scene.astype(int) + 60, 0, 255).astype(np.uint8)
    night = (other // 6).astype(np.uint8)
    frames = [scene, np.roll(scene, 3, axis=1), light, night, other, smooth(6, 20, 10)[:18, :9]]
    clips = [frames[:5], [frames[5], np.roll(frames[5], 2, axis=0)]]
    found: list[Case] = []
    for clip in clips:
        moving, draw, rows = MovingMoments(), np.random.default_rng(8), []
        for frame in clip:
            own = draw.normal(0, 2, 3).astype(np.float32)
            drawn = moving.add(frame, {"moment_0": own})["moment_0"]
            rows.append(
                {
                    "frame": frame.tolist(),
                    "own_bits": own.view(np.int32).tolist(),
                    "expect_bits": drawn.view(np.int32).tolist(),
                }
            )
        cut = [is_cut(a, b) for a, b in zip(clip, clip[1:], strict=False)]
        found.append({"frames": rows, "cuts": cut})
    return found
