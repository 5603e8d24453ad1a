"""A transfer network whose spatial statistics were lifted out: measured apart, then given.

What is left has no reduction over height and width, so it is local: a tile with its halo gives the
same numbers as the whole picture. Large pictures, video and sets of pictures rest on that alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

# By site name, as the graph's own shape, such as [1, C, 1, 1]; over parts of a picture they add up.
Moments = Mapping[str, NDArray[np.float32]]
Plane = NDArray[np.float32]


class Lifted(Protocol):
    """One tier of a network in two graphs over the same weights; one thread at a time uses it.

    Attributes:
        levels: passes that exact moments need, as later sites see what earlier ones made; 0: the
            network has no spatial reduction.
        multiple_px: sides and offsets of tiles are multiples of it.
        halo_px: how far from a pixel of the result the network looks, a multiple of `multiple_px`.
    """

    @property
    def levels(self) -> int:
        """See above."""
        ...

    @property
    def halo_px(self) -> int:
        """See above."""
        ...

    @property
    def multiple_px(self) -> int:
        """See above."""
        ...

    def measure(
        self, content: Plane, weight: Plane, codes: Moments, moments: Moments, level: int
    ) -> Moments:
        """The moments of the sites of one level.

        Args:
            content: [1, 3, H, W] in [0, 1].
            weight: [H, W], the share of all pictures' pixels that each pixel stands for: 1 / N
                where it counts, 0 elsewhere. Moments of a picture are the sum over its tiles.
            codes: of the style, and the strength, by name.
            moments: of all levels before.
            level: from 0.
        """
        ...

    def render(self, content: Plane, codes: Moments, moments: Moments) -> Plane:
        """The picture [1, 3, H, W] with given moments of all levels."""
        ...
