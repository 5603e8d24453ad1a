"""Plots: axes as wide as the data, everything inside the frame, far points at the edge."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from iast_export.pages.plots import Mark, Plot, Point, bar, scatter_chart

NAMESPACE = "{http://www.w3.org/2000/svg}"
LEFT, TOP, WIDTH, HEIGHT = 46.0, 30.0, 420.0, 240.0


def texts(plot: Plot, style: str) -> list[str]:
    found = ElementTree.fromstring(plot.svg).iter(f"{NAMESPACE}text")
    return [one.text or "" for one in found if one.get("class") == style]


def points(*places: tuple[float, float]) -> list[Point]:
    return [Point(f"p{i}", x, y, "int8") for i, (x, y) in enumerate(places)]


def drawn(
    found: list[Point], front: list[Point] | None = None, marks: list[Mark] | None = None
) -> Plot:
    plot = scatter_chart("t", found, [front] if front else [], "ms", "dB", marks or [])
    assert plot is not None
    return plot


def markers(plot: Plot) -> list[tuple[float, float]]:
    found = ElementTree.fromstring(plot.svg).iter(f"{NAMESPACE}circle")
    return [(float(one.get("cx", 0)), float(one.get("cy", 0))) for one in found]


@pytest.mark.parametrize(
    ("least", "most", "ticks"),
    [
        (7.0, 26.0, ["10", "15", "20", "25"]),
        (0.021, 0.067, ["0.02", "0.04", "0.06"]),
        (3500.0, 12000.0, ["4000", "6000", "8000", "10000", "12000"]),
    ],
)
def test_ticks_are_round_and_begin_where_the_data_does(
    least: float, most: float, ticks: list[str]
) -> None:
    plot = drawn(points((least, 40.0), (0.5 * (least + most), 42.0), (most, 45.0)))
    assert [tick for tick in texts(plot, "tick middle") if tick != "ms"] == ticks


def test_points_fill_the_frame_and_stay_inside_it() -> None:
    found = markers(drawn(points((20.0, 30.0), (40.0, 45.0))))
    (left, low), (right, high) = sorted(found)
    assert LEFT < left < LEFT + 0.1 * WIDTH and LEFT + 0.9 * WIDTH < right < LEFT + WIDTH
    assert TOP < high < TOP + 0.1 * HEIGHT and TOP + 0.9 * HEIGHT < low < TOP + HEIGHT


def test_one_far_point_stands_at_the_edge_and_keeps_its_words() -> None:
    near = [(10.0, 40.0), (11.0, 41.0), (12.0, 42.0)]
    plot = drawn(points(*near, (900.0, 30.0)))
    ticks = [float(tick) for tick in texts(plot, "tick middle") if tick != "ms"]
    assert max(ticks) < 20.0
    assert [point.label for point in plot.points] == ["p0", "p1", "p2", "p3"]
    assert max(x for x, _ in markers(plot)) <= LEFT + WIDTH


def test_the_front_is_one_line_through_its_points() -> None:
    front = points((1.0, 30.0), (2.0, 35.0), (3.0, 36.0))
    plot = drawn([*front, Point("x", 3.0, 31.0, "fp32")], front)
    lines = ElementTree.fromstring(plot.svg).iter(f"{NAMESPACE}line")
    ends = [(one.get("x1"), one.get("x2")) for one in lines if one.get("class") == "mark"]
    assert len(ends) == 2 and ends[0][1] == ends[1][0]


def test_points_are_numbered_in_the_order_of_the_legend_and_numbers_keep_apart() -> None:
    plot = drawn([*points(*[(5.0, 40.0)] * 6), Point("slow", 9.0, 50.0, "fp32")])
    places = re.findall(r'<text class="number middle" x="(\S+)" y="(\S+)">(\d)', plot.svg)
    assert [number for *_, number in places] == list("1234567")
    assert len({place[:2] for place in places}) == 7
    assert plot.points[-1].label == "slow"


def test_marks_beyond_the_axis_stand_at_its_end() -> None:
    plot = drawn(points((2.0, 30.0)), marks=[Mark("far", 99.0)])
    lines = ElementTree.fromstring(plot.svg).iter(f"{NAMESPACE}line")
    (line,) = [one for one in lines if one.get("class") == "interval"]
    assert float(line.get("x1", 0)) == pytest.approx(LEFT + WIDTH)
    assert "far" in plot.svg


def test_words_of_a_lane_are_no_markup_and_the_plot_says_what_it_shows() -> None:
    plot = drawn([Point('<x> & "y"', 1.0, 2.0, "int8")])
    label = ElementTree.fromstring(plot.svg).get("aria-label") or ""
    assert label == 't: dB against ms. <x> & "y"'


@pytest.mark.parametrize("value", [0.0, 1e-12, 5.0])
def test_points_of_one_height_still_have_an_axis(value: float) -> None:
    plot = drawn(points((1.0, value), (2.0, value)))
    assert all(y == y for _, y in markers(plot)) and texts(plot, "tick end")


def test_a_plot_of_nothing_is_nothing() -> None:
    assert scatter_chart("t", [], [], "ms", "dB") is None


def rects(svg: str) -> list[dict[str, str]]:
    return [dict(one.attrib) for one in ElementTree.fromstring(svg).iter("rect")]


def test_a_bar_is_as_long_as_its_value_with_its_interval_over_it() -> None:
    value, mark, interval = rects(bar(2.0, 4.0, "int8", 1.0, 3.0, mark=1.0))
    assert value["width"] == "50.0" and mark["x"] == "25.0"
    assert (interval["x"], interval["width"]) == ("25.0", "50.0")


@pytest.mark.parametrize("value", [-1.0, 0.0, 9.0])
def test_a_bar_stays_in_its_cell(value: float) -> None:
    (found,) = rects(bar(value, 4.0, "int8"))
    assert 0.0 <= float(found["width"]) <= 100.0


@pytest.mark.parametrize(
    ("least", "most", "ticks"),
    [
        (7.0, 260.0, ["10", "20", "50", "100", "200"]),
        (7.0, 12.0, ["8", "10", "12"]),
    ],
)
def test_a_logarithmic_axis_gives_every_point_its_place(
    least: float, most: float, ticks: list[str]
) -> None:
    middle = (least * most) ** 0.5
    found = points((least, 40.0), (middle, 42.0), (most, 45.0))
    plot = scatter_chart("t", found, [], "ms", "dB", log_x=True)
    assert plot is not None
    assert [tick for tick in texts(plot, "tick middle") if tick != "ms"] == ticks
    left, half, right = (x for x, _ in markers(plot))
    assert half - left == pytest.approx(right - half, abs=0.2)


def test_each_front_is_a_line_of_its_own() -> None:
    fronts = [points((1.0, 30.0), (2.0, 35.0)), points((3.0, 36.0), (4.0, 37.0), (5.0, 38.0))]
    plot = scatter_chart("t", [*fronts[0], *fronts[1]], fronts, "ms", "dB")
    assert plot is not None
    lines = ElementTree.fromstring(plot.svg).iter(f"{NAMESPACE}line")
    assert len([one for one in lines if one.get("class") == "mark"]) == 1 + 2
