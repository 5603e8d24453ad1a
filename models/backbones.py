"""Frozen encoders by name: what the teacher sees photographs and artworks through.

Each is a module `forward(x [N, 3, H, W] in [0, 1]) -> Features` with `levels`, shallow to deep, whose
strides double. Weights come from a path; `resnet50` and `vgg19` also from torch.hub's cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from torch import Tensor

Features = Mapping[str, Tensor]


class Level(NamedTuple):
    """One feature map of an encoder: its name, channels, stride in pixels and usual root mean square."""

    name: str
    channels: int
    stride: int
    rms: float = 1.0


class Backbone(Protocol):
    """A frozen encoder with the levels it offers, shallow to deep."""

    levels: tuple[Level, ...]

    def __call__(self, x: Tensor) -> Features: ...


# Root mean squares over photographs: features are divided by them before anything is learned.
DISTILLED_VGG_LEVELS = (
    Level("1_1", 16, 1, 7.9),
    Level("2_1", 32, 2, 12.9),
    Level("3_1", 64, 4, 6.9),
    Level("4_1", 128, 8, 3.2),
    Level("5_1", 128, 16, 5.4),
)
