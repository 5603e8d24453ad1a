"""Rows of lanes as the reports hold them."""

from __future__ import annotations

from typing import Any

from iast_export.reports.lanes import LaneRow
from iast_export.reports.verify import Spread

TIER = "d4-32px"


def row(lane: str, median_ms: float, psnr_db: float | None, **more: Any) -> LaneRow:
    """A row of a LiteRT lane; without a PSNR it was not judged."""
    facts = {
        "runtime": "litert",
        "tier": TIER,
        "lane": lane,
        "shipped": False,
        "median_ms": median_ms,
    }
    spread = Spread(mean=psnr_db, p5=psnr_db) if psnr_db else None
    return LaneRow.model_validate({**facts, "psnr_db": spread, **more})
