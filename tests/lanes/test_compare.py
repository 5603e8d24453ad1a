"""Lanes side by side: those far slower are timed apart, a ceiling is never chosen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from iast_export.lanes.compare import hopeless, mark
from iast_export.lanes.lane import Lane
from iast_export.reports.lanes import LaneRow
from iast_export.reports.verify import Spread
from iast_export.specs import AnyPrecision, Tier

TIER = "d4-32px"


def row(lane: str, median_ms: float, psnr_db: float | None, **more: Any) -> LaneRow:
    facts = {
        "runtime": "litert",
        "tier": TIER,
        "lane": lane,
        "shipped": False,
        "median_ms": median_ms,
    }
    spread = Spread(mean=psnr_db, p5=psnr_db) if psnr_db else None
    return LaneRow.model_validate({**facts, "psnr_db": spread, **more})


def test_a_ceiling_is_on_no_front_and_no_default_however_fast() -> None:
    rows = [
        row("fp32", 9.0, 90.0),
        row("int8", 3.0, 45.0),
        row("int16x8", 10.0, 50.0),
        row("ceiling", 1.0, None),
    ]
    assert [one.on_front for one in mark(rows)] == [True, True, False, False]
    for claim in ("is_default", "on_front"):
        with pytest.raises(ValidationError, match="ceiling"):
            row("ceiling", 1.0, None, shipped=True, **{claim: True})
    with pytest.raises(ValidationError, match="one of the bundle"):
        row("int16x8", 1.0, 50.0, is_default=True)
    with pytest.raises(ValidationError, match="figures, or a reason"):
        LaneRow.model_validate({"runtime": "litert", "tier": TIER, "lane": "int8", "shipped": True})


def test_a_lane_far_slower_than_fp32_is_timed_apart() -> None:
    clock = {"ns": 0}
    spends: Mapping[AnyPrecision, int] = {"fp32": 10, "int8": 3, "int16x8": 200}
    lanes = {name: Lane("litert", name, Tier(4, 32), Path(name)) for name in spends}
    calls: Counter[str] = Counter()

    def running(name: AnyPrecision) -> Any:
        def go() -> None:
            calls[name] += 1
            first_is_slow = 100 if name == "int8" and calls[name] == 1 else 0
            clock["ns"] += spends[name] + first_is_slow

        return go

    runs = {lane: running(name) for name, lane in lanes.items()}
    bases = dict.fromkeys(lanes.values(), lanes["fp32"])
    assert hopeless(runs, bases, lambda: clock["ns"]) == [lanes["int16x8"]]
