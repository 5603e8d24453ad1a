"""Lanes as plots and tables: the front, the default, ceilings as lines, gaps said."""

from __future__ import annotations

from iast_export.lanes.figures import Fidelity, LaneFigures, Speed
from iast_export.pages.lanes import (
    ceiling_lines,
    comparison_charts,
    gap_lines,
    lane_charts,
    lanes_rows,
    remark,
)
from iast_export.pages.plots import Mark, Point, scatter_chart
from iast_export.reports.base import SetFacts
from iast_export.reports.benchmark import Ratio
from iast_export.reports.lanes import LaneRow, LanesReport
from tests.lane_rows import TIER, row


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
    plot = scatter_chart("tier", points, [], "ms", "dB", [Mark("ceiling of it", 8.0)])
    assert plot and "ceiling of it" in plot.svg and 'class="interval"' in plot.svg
    assert plot.points[-1].label == "far" and ">500<" not in plot.svg


def report(*rows: LaneRow) -> LanesReport:
    facts = SetFacts(name="drawn", sha256="0" * 64, images=4)
    return LanesReport(machine={}, threads=1, set=facts, rule="", fp32_sha256=(), rows=rows)


def silent(lane: str) -> LaneRow:
    return LaneRow.model_validate(
        {
            "runtime": "litert",
            "tier": TIER,
            "lane": lane,
            "shipped": False,
            "not_run": "it is refused",
        }
    )


def test_a_plot_joins_the_front_names_the_default_and_draws_a_ceiling_as_a_line() -> None:
    figures = [
        LaneFigures("litert", "fp32", TIER, Speed(9.0), Fidelity(90.0)),
        LaneFigures("litert", "int8", TIER, Speed(3.0), Fidelity(45.0)),
        LaneFigures("litert", "int16x8", TIER, Speed(10.0), Fidelity(50.0)),
        LaneFigures("litert", "ceiling", TIER, Speed(2.0)),
        LaneFigures("litert", "mixed", TIER),
    ]
    (plot,) = lane_charts(figures, {("litert", "int8", TIER)})
    assert plot.svg.count("<circle") == 3 and plot.svg.count('class="mark"') == 1
    defaults = [point.label for point in plot.points if point.is_default]
    assert defaults == ["LiteRT INT8, 3 ms, 45.0 dB"]
    assert 'class="interval"' in plot.svg and "LiteRT ceiling, 2 ms" in plot.svg


def test_each_tier_has_a_plot_and_one_of_ceilings_alone_has_none() -> None:
    figures = [
        LaneFigures("litert", "fp32", "d4-32px", Speed(9.0), Fidelity(90.0)),
        LaneFigures("litert", "fp32", "d1-64px", Speed(20.0), Fidelity(80.0)),
        LaneFigures("litert", "ceiling", "d9-9px", Speed(1.0)),
    ]
    assert [plot.title for plot in lane_charts(figures, ())] == ["d4-32px", "d1-64px"]
    assert lane_charts([], ()) == []


def test_what_lanes_reported_is_drawn_with_its_own_default() -> None:
    rows = (
        row("fp32", 9.0, 90.0, shipped=True),
        row("int8", 3.0, 45.0, shipped=True, is_default=True),
        silent("mixed"),
    )
    (plot,) = comparison_charts(report(*rows))
    assert [point.is_default for point in plot.points] == [True, False]
    assert "mixed" not in plot.svg


def test_a_table_of_lanes_has_dashes_where_there_are_no_figures_and_says_why_apart() -> None:
    rows = (row("weight_only_int8", 3.0, 45.0, **ratio(2.0)), silent("mixed"))
    columns, found = lanes_rows(report(*rows))
    assert all(len(one) == len(columns) for one in found)
    assert found[0][:5] == (
        TIER, "LiteRT weight-only INT8", "3 ms", "2.00× (2.00 to 2.00)", "45.0, 45.0 dB",
    )  # fmt: skip
    assert found[1][2:] == ("–", "–", "–", "–", "–", "no figures")
    assert gap_lines(report(*rows)) == [f"{TIER}, LiteRT searched mixed: it is refused"]


def test_a_lane_stands_out_by_what_it_is() -> None:
    assert remark(row("int8", 3.0, 45.0, shipped=True, is_default=True, on_front=True)) == (
        "default, front"
    )
    assert remark(row("ceiling", 3.0, None)) == "ceiling, not for use"
    assert remark(row("fp16", 3.0, 50.0)) == ""
