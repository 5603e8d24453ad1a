"""What is painted: mountains in mist, bamboo, a plum branch before the moon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from models.ink.bamboo import bamboo
from models.ink.mountains import mountains
from models.ink.paper import SIDE_PX, Rgb, Sheet
from models.ink.plum import plum

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


# Each by its name, which its picture and its style take.
SCENES: Mapping[str, Callable[[Sheet], None]] = MappingProxyType(
    {"ink-mountains": mountains, "ink-bamboo": bamboo, "ink-plum": plum}
)
