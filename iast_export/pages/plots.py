"""Plots as inline SVG, colored by the page's CSS; the same bytes for the same figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

# Sizes of plots; chosen by eye.
_LABEL_PX, _VALUE_PX, _PLOT_PX = 190, 150, 420
_BAR_PX, _GAP_PX, _GROUP_PX, _AXIS_PX = 16, 6, 30, 26
# Times the median; chosen by eye, so that the near points keep most of the width.
_FAR = 3.0
_SCATTER_LEFT_PX, _SCATTER_TOP_PX, _SCATTER_PX, _SCATTER_LABEL_PX, _ROW_PX = 40, 44, 220, 350, 15


@dataclass(frozen=True)
class Bar:
    """One bar: where it ends, an optional interval drawn over it, and the text beside it.

    `style` is the CSS class that colors it.
    """

    label: str
    value: float
    text: str
    style: str
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class BarGroup:
    """Bars under one heading."""

    title: str
    bars: Sequence[Bar]


def bar_chart(
    groups: Sequence[BarGroup], unit: str, *, mark: float | None = None, start: float = 0.0
) -> str:
    """Horizontal bars by group, as an `<svg>` element.

    Args:
        groups: from top to bottom.
        unit: written at the axis.
        mark: a value to draw a dashed line at, such as 1 for "as fast as FP32".
        start: value at the left end of the bars.
    """
    bars = [bar for group in groups for bar in group.bars]
    if not bars:
        return ""
    ends = [max(bar.value, bar.high if bar.high is not None else bar.value) for bar in bars]
    step = _step(max([*ends, mark or 0.0]) - start)
    top = start + step * max(1, math.ceil((max([*ends, mark or 0.0]) - start) / step))
    scale = _PLOT_PX / (top - start)
    parts: list[str] = []
    y = 4
    for group in groups:
        parts.append(_text(0, y + 14, group.title, "group"))
        y += _GROUP_PX - 6
        for bar in group.bars:
            parts += _bar(bar, y, start, scale)
            y += _BAR_PX + _GAP_PX
        y += _GAP_PX
    axis = _axis(start, top, step, scale, y, unit)
    line = (
        []
        if mark is None
        else [_line(_x(mark, start, scale), 0, _x(mark, start, scale), y, "mark")]
    )
    width, height = _LABEL_PX + _PLOT_PX + _VALUE_PX, y + _AXIS_PX
    head = f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
    return "\n".join([head, *axis, *parts, *line, "</svg>"])


def _bar(bar: Bar, y: int, start: float, scale: float) -> list[str]:
    left, end = _LABEL_PX, _x(bar.value, start, scale)
    middle = y + _BAR_PX / 2
    width = max(end - left, 1.0)
    parts = [
        _text(_LABEL_PX - 8, y + 12, bar.label, "label end"),
        f'<rect class="bar {bar.style}" x="{left}" y="{y}" width="{width:.1f}" height="{_BAR_PX}" '
        'rx="2"/>',
    ]
    reach = end
    if bar.low is not None and bar.high is not None:
        low, high = _x(bar.low, start, scale), _x(bar.high, start, scale)
        parts.append(_line(low, middle, high, middle, "interval"))
        parts += [_line(x, middle - 4, x, middle + 4, "interval") for x in (low, high)]
        reach = max(end, high)
    parts.append(_text(reach + 7, y + 12, bar.text, "value"))
    return parts


def _axis(start: float, top: float, step: float, scale: float, y: int, unit: str) -> list[str]:
    parts = []
    for i in range(round((top - start) / step) + 1):
        x = _x(start + i * step, start, scale)
        parts.append(_line(x, 0, x, y, "grid"))
        parts.append(_text(x, y + 16, f"{start + i * step:g}", "tick middle"))
    parts.append(_text(_LABEL_PX + _PLOT_PX + 16, y + 16, unit, "tick"))
    return parts


def _step(span: float) -> float:
    """A round step that gives about five ticks."""
    rough = max(span, 1e-9) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough)


def _x(value: float, start: float, scale: float) -> float:
    return _LABEL_PX + max(0.0, value - start) * scale


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text, quote=False)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


@dataclass(frozen=True)
class Point:
    """One point of a scatter plot; `style` is the CSS class that colors it."""

    label: str
    x: float
    y: float
    style: str


@dataclass(frozen=True)
class Mark:
    """A vertical line of a scatter plot at `x`, with a label."""

    label: str
    x: float


def scatter_chart(
    title: str,
    points: Sequence[Point],
    front: Sequence[Point],
    x_unit: str,
    y_unit: str,
    marks: Sequence[Mark] = (),
) -> str:
    """Points, labels in a column at the right, a dashed line through `front`; an `<svg>`.

    Points beyond `_FAR` times the median are drawn at the right edge, so that one of them does not
    press all others together; their labels have the true figures.
    """
    if not points:
        return ""
    true_x = sorted(p.x for p in points)
    near = [x for x in true_x if x <= _FAR * true_x[len(true_x) // 2]]
    edge = near[-1] * (1.0 if len(near) == len(true_x) else 1.1)
    points = [replace(p, x=min(p.x, edge)) for p in points]
    front = [replace(p, x=min(p.x, edge)) for p in front]
    x_step, y_step = _step(edge), _step(max(p.y for p in points))
    x_top = x_step * max(1, math.ceil(edge / x_step))
    y_low = y_step * math.floor(min(p.y for p in points) / y_step)
    y_top = y_step * max(1, math.ceil(max(p.y for p in points) / y_step))
    y_top = y_top if y_top > y_low else y_low + y_step

    def at(point: Point) -> tuple[float, float]:
        x = _SCATTER_LEFT_PX + point.x / x_top * _PLOT_PX
        return x, _SCATTER_TOP_PX + (y_top - point.y) / (y_top - y_low) * _SCATTER_PX

    bottom, right = _SCATTER_TOP_PX + _SCATTER_PX, _SCATTER_LEFT_PX + _PLOT_PX
    parts = [_text(0, 14, title, "group")]
    for i in range(round(x_top / x_step) + 1):
        x = _SCATTER_LEFT_PX + i * x_step / x_top * _PLOT_PX
        parts += [_line(x, _SCATTER_TOP_PX, x, bottom, "grid")]
        parts += [_text(x, bottom + 16, f"{i * x_step:g}", "tick middle")]
    for i in range(round((y_top - y_low) / y_step) + 1):
        y = bottom - i * y_step / (y_top - y_low) * _SCATTER_PX
        parts += [_line(_SCATTER_LEFT_PX, y, right, y, "grid")]
        parts += [_text(_SCATTER_LEFT_PX - 6, y + 4, f"{y_low + i * y_step:g}", "tick end")]
    parts += [
        _text(right + 16, bottom + 16, x_unit, "tick"),
        _text(0, _SCATTER_TOP_PX - 12, y_unit, "tick"),
    ]
    parts += _vertical_marks(marks, x_top)
    parts += [
        _line(*at(one), *at(two), "mark") for one, two in zip(front[:-1], front[1:], strict=True)
    ]
    parts += _scatter_labels([(one, *at(one)) for one in points], right, bottom)
    width, height = right + _SCATTER_LABEL_PX, bottom + _AXIS_PX
    head = f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
    return "\n".join([head, *parts, "</svg>"])


def _vertical_marks(marks: Sequence[Mark], x_top: float) -> list[str]:
    """Lines from top to bottom; labels one below the other at the top, where points are few."""
    parts: list[str] = []
    bottom = _SCATTER_TOP_PX + _SCATTER_PX
    for i, mark in enumerate(marks):
        x = _SCATTER_LEFT_PX + min(mark.x / x_top, 1.0) * _PLOT_PX
        parts.append(_line(x, _SCATTER_TOP_PX, x, bottom, "interval"))
        parts.append(_text(x + 4, _SCATTER_TOP_PX + 2 * _ROW_PX + _ROW_PX * i, mark.label, "label"))
    return parts


def _scatter_labels(
    placed: Sequence[tuple[Point, float, float]], right: float, bottom: float
) -> list[str]:
    """Markers, and labels in a column, each a row apart from the next and none below the plot."""
    ordered = sorted(placed, key=lambda one: (one[2], one[1]))
    rows: list[float] = []
    for _, _, y in ordered:
        rows.append(max([y, *(row + _ROW_PX for row in rows[-1:])]))
    for i in range(len(rows)):
        rows[-1 - i] = min(rows[-1 - i], bottom - i * _ROW_PX)
    parts: list[str] = []
    for (point, x, y), row in zip(ordered, rows, strict=True):
        parts.append(_line(x, y, right + 12, row, "grid"))
        parts.append(_text(right + 16, row + 4, point.label, "value"))
        parts.append(
            f'<rect class="bar {point.style}" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" '
            'rx="4"/>'
        )
    return parts
