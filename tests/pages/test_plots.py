"""Plots: round axes, everything inside the frame, far points at the edge with their true words."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from iast_export.pages.plots import Bar, BarGroup, Mark, Point, bar_chart, scatter_chart

NAMESPACE = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def texts(svg: str, style: str) -> list[str]:
    found = parsed(svg).iter(f"{NAMESPACE}text")
    return [one.text or "" for one in found if one.get("class") == style]


def bars(*values: float) -> list[BarGroup]:
    return [
        BarGroup(
            "lane", [Bar(f"b{i}", value, f"{value:g}", "int8") for i, value in enumerate(values)]
        )
    ]


def points(*places: tuple[float, float]) -> list[Point]:
    return [Point(f"p{i}", x, y, "int8") for i, (x, y) in enumerate(places)]


def markers(svg: str) -> list[tuple[float, float]]:
    """The middles of the points."""
    found = parsed(svg).iter(f"{NAMESPACE}rect")
    return [(float(one.get("x", 0)) + 4, float(one.get("y", 0)) + 4) for one in found]


@pytest.mark.parametrize(
    ("top", "ticks"),
    [
        (3.3, ["0", "1", "2", "3", "4"]),
        (0.07, ["0", "0.02", "0.04", "0.06", "0.08"]),
        (100.0, ["0", "20", "40", "60", "80", "100"]),
        (1200.0, ["0", "500", "1000", "1500"]),
    ],
)
def test_ticks_are_round_and_reach_the_largest_value(top: float, ticks: list[str]) -> None:
    assert texts(bar_chart(bars(top / 2, top), "ms"), "tick middle") == ticks


def test_bars_are_as_long_as_their_values() -> None:
    svg = bar_chart(bars(1.0, 2.0, 4.0), "ms")
    widths = [float(one.get("width", 0)) for one in parsed(svg).iter(f"{NAMESPACE}rect")]
    assert widths[1] == pytest.approx(2 * widths[0], abs=0.2)
    assert widths[2] == pytest.approx(4 * widths[0], abs=0.2)


def test_a_bar_below_the_start_is_still_seen() -> None:
    svg = bar_chart(bars(10.0, 60.0), "dB", start=20.0)
    widths = [float(one.get("width", 0)) for one in parsed(svg).iter(f"{NAMESPACE}rect")]
    assert widths[0] == 1.0 and texts(svg, "tick middle")[0] == "20"


def test_an_interval_is_drawn_over_its_bar_and_the_text_keeps_clear_of_it() -> None:
    group = BarGroup("g", [Bar("b", 2.0, "2", "int8", low=1.5, high=3.0)])
    svg = bar_chart([group], "x")
    lines = [one for one in parsed(svg).iter(f"{NAMESPACE}line") if one.get("class") == "interval"]
    assert len(lines) == 3
    right = max(float(one.get("x2", 0)) for one in lines)
    value = next(one for one in parsed(svg).iter(f"{NAMESPACE}text") if one.get("class") == "value")
    assert float(value.get("x", 0)) > right


def test_words_of_a_lane_are_no_markup() -> None:
    svg = bar_chart([BarGroup("<a&b>", [Bar("<x>", 1.0, "&", "int8")])], "ms")
    assert texts(svg, "group") == ["<a&b>"] and texts(svg, "label end") == ["<x>"]


def test_a_plot_of_nothing_is_nothing() -> None:
    assert scatter_chart("t", [], [], "ms", "dB") == ""


def test_points_lie_inside_the_frame_to_the_right_and_upward() -> None:
    svg = scatter_chart("t", points((2.0, 30.0), (4.0, 45.0)), [], "ms", "dB")
    (left, low), (right, high) = sorted(markers(svg))
    assert left < right and high < low, "y grows downward"
    width, height = map(float, re.findall(r'viewBox="0 0 (\S+) (\S+)"', svg)[0])
    assert all(0 < x < width and 0 < y < height for x, y in markers(svg))


def test_one_far_point_stands_at_the_edge_and_keeps_its_words() -> None:
    near = [(10.0, 40.0), (11.0, 41.0), (12.0, 42.0)]
    svg = scatter_chart("t", points(*near, (900.0, 30.0)), [], "ms", "dB")
    ticks = [float(tick) for tick in texts(svg, "tick middle")]
    assert max(ticks) < 20.0
    assert set(texts(svg, "value")) == {"p0", "p1", "p2", "p3"}
    assert max(x for x, _ in markers(svg)) <= 40 + 420


def test_the_front_is_one_line_through_its_points() -> None:
    front = points((1.0, 30.0), (2.0, 35.0), (3.0, 36.0))
    svg = scatter_chart("t", [*front, Point("x", 3.0, 31.0, "fp32")], front, "ms", "dB")
    dashed = [one for one in parsed(svg).iter(f"{NAMESPACE}line") if one.get("class") == "mark"]
    ends = [(one.get("x1"), one.get("x2")) for one in dashed]
    assert len(ends) == 2 and ends[0][1] == ends[1][0]


def test_labels_of_equal_points_do_not_cover_one_another() -> None:
    svg = scatter_chart("t", points(*[(5.0, 40.0)] * 12), [], "ms", "dB")
    rows = [
        float(one.get("y", 0))
        for one in parsed(svg).iter(f"{NAMESPACE}text")
        if one.get("class") == "value"
    ]
    gaps = [b - a for a, b in zip(sorted(rows), sorted(rows)[1:], strict=False)]
    assert len(rows) == 12 and min(gaps) >= 15


def test_marks_beyond_the_axis_stand_at_its_end() -> None:
    svg = scatter_chart("t", points((2.0, 30.0)), [], "ms", "dB", [Mark("far", 99.0)])
    line = next(
        one for one in parsed(svg).iter(f"{NAMESPACE}line") if one.get("class") == "interval"
    )
    assert float(line.get("x1", 0)) == pytest.approx(40 + 420)
    assert "far" in texts(svg, "label")


@pytest.mark.parametrize("value", [0.0, 1e-12, 5.0])
def test_points_of_one_height_still_have_an_axis(value: float) -> None:
    svg = scatter_chart("t", points((1.0, value), (2.0, value)), [], "ms", "dB")
    assert all(y == y for _, y in markers(svg)) and texts(svg, "tick end")
