"""What a 4:3 picture costs beside the square: photographs are that, and a tier's figures are not.

Its area is the tier's, so that the time of a pixel tells whether another shape makes a lane slow.
"""

from __future__ import annotations

import math

from iast_export.lanes.timing import Samples, ratio_interval
from iast_export.reports.benchmark import LEAST_ASPECT, MOST_ASPECT, FourThirds, Ratio
from iast_export.specs import Precision, Tier

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
# Beyond it a difference is told: twice what the same picture differs by from run to run (5 %).
TOLD_SHARE = 0.1


def four_thirds_of(tier: Tier, multiple_px: int) -> tuple[int, int] | None:
    """Height and width of a tier's 4:3 picture; None where the multiple is too coarse for one."""
    area = math.prod(tier.shape_px)
    height, width = (
        max(1, round(math.sqrt(area * share) / multiple_px)) * multiple_px
        for share in (3 / 4, 4 / 3)
    )
    return (height, width) if LEAST_ASPECT <= width / height <= MOST_ASPECT else None


def four_thirds(square: Samples, wide: Samples, tier: Tier, size: tuple[int, int]) -> FourThirds:
    """The figures of a 4:3 picture.

    Args:
        square: of the tier's square.
        wide: of the picture, from the first of the same blocks.
        tier: that was timed.
        size: the picture's height and width.
    """
    height, width = size
    return FourThirds(
        width_px=width,
        height_px=height,
        samples_ms=wide.samples_ms,
        per_pixel=per_pixel(square, wide, math.prod(tier.shape_px) / (height * width)),
    )


def per_pixel(square: Samples, wide: Samples, square_share: float) -> Ratio:
    """How many times as long as in the square a pixel takes, over the blocks that timed both.

    Args:
        square, wide: see `four_thirds`.
        square_share: pixels of the square over those of the picture.
    """
    same = Samples((), square.blocks_ms[: len(wide.blocks_ms)])
    found = ratio_interval(wide, same)
    return Ratio(
        value=found.value * square_share,
        low=found.low * square_share,
        high=found.high * square_share,
    )
