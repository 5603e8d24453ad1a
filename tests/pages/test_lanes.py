"""Lanes as plots and tables: the front, the default, ceilings as lines, gaps said."""

from __future__ import annotations

from typing import Any

from iast_export.pages.lanes import ceiling_lines
from iast_export.pages.plots import Mark, Point, scatter_chart
from iast_export.reports.base import SetFacts
from iast_export.reports.benchmark import Ratio
from iast_export.reports.lanes import LaneRow, LanesReport
from iast_export.reports.verify import Spread

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


def ratio(value: float) -> dict[str, Ratio]:
    return {"ratio_to_fp32": Ratio(value=value, low=value, high=value)}


def test_the_distance_to_the_ceiling_is_said_and_a_slower_ceiling_too() -> None:
    def lines(ceiling: float) -> list[str]:
        rows = (
            row("int8", 3.0, 45.0, convolution_share=0.75, **ratio(3.6)),
            row("ceiling", 2.0, None, **ratio(ceiling)),
        )
        facts = SetFacts(name="drawn", sha256="0" * 64, images=4)
        return ceiling_lines(
            LanesReport(machine={}, threads=1, set=facts, rule="", fp32_sha256=(), rows=rows)
        )

    assert (
        "is at 90% of the ceiling" in lines(4.0)[0] and "4.80× were all else free" in lines(4.0)[0]
    )
    assert "is itself the ceiling" in lines(3.0)[0]


def test_a_plot_draws_ceilings_as_lines_and_far_lanes_at_the_edge() -> None:
    points = [
        Point("a", 10.0, 50.0, "int8"),
        Point("b", 12.0, 60.0, "fp16"),
        Point("far", 2000.0, 50.0, "int16x8"),
    ]
    chart = scatter_chart("tier", points, [], "ms", "dB", [Mark("ceiling of it", 8.0)])
    assert "ceiling of it" in chart and 'class="interval"' in chart and ">far<" in chart
    assert ">500<" not in chart
