"""Small pictures that a network is tried on before it is exported: photographs, light and dark."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
from torch import Tensor

from iast_export.pictures.images import Rgb, to_tensor
from iast_export.pictures.imagesets import load_set
from iast_export.pictures.procedural import style_pictures
from iast_export.pictures.resize import resize

_SET = "evaluation"  # the packaged photographs
_PHOTOGRAPHS = 2
# Shares of a photograph's light that are left, or what is added: its darkest and brightest form.
_DARK, _BRIGHT = 0.08, 0.92


@cache
def _photographs() -> tuple[Rgb, ...]:
    found = load_set(_SET)
    return tuple(found[i] for i in range(_PHOTOGRAPHS))


def photographs(height_px: int, width_px: int) -> dict[str, Tensor]:
    """Photographs by what they are, float [1, 3, H, W] in [0, 1], the first of them plain.

    Raises:
        InputError: the packaged set can't be read.
    """
    scaled = [
        torch.from_numpy(to_tensor(np.ascontiguousarray(resize(rgb, height_px, width_px))))
        for rgb in _photographs()
    ]
    return {
        "a photograph": scaled[0],
        "another photograph": scaled[1],
        "a dark photograph": scaled[0] * _DARK,
        "a bright photograph": scaled[1] * (1 - _BRIGHT) + _BRIGHT,
    }


def flat_pictures(height_px: int, width_px: int) -> Mapping[str, Tensor]:
    """Pictures of one level: black, gray and white."""
    levels = {"a black picture": 0.0, "a gray picture": 0.5, "a white picture": 1.0}
    return {name: torch.full((1, 3, height_px, width_px), level) for name, level in levels.items()}


def artworks() -> list[Tensor]:
    """Two drawn artworks in the size that style encoders see, float [1, 3, H, W] in [0, 1]."""
    return [torch.from_numpy(to_tensor(rgb)) for _, rgb in style_pictures()[:2]]
