"""Plots as inline SVG, colored by the page's CSS; the same bytes for the same figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

# Sizes of a scatter plot, in units that are pixels on a desk; chosen by eye, large enough that its
# words can be read at half the size, on a phone.
_LEFT, _TOP, _RIGHT, _BOTTOM = 46, 30, 22, 42
_WIDTH, _HEIGHT = 420, 240
_MARKER, _NUMBER, _ROW = 5, 16, 15
# Times the median; chosen by eye, so that the near points keep most of the width.
_FAR = 3.0
# Of the span of the data, left free on either side.
_PAD = 0.06


def bar(
    value: float,
    top: float,
    style: str,
    low: float | None = None,
    high: float | None = None,
    mark: float | None = None,
) -> str:
    """A bar for a cell of a table, as wide as its cell; the words beside it say the same.

    Args:
        value: where it ends.
        top: value at the right end, the same for a whole column.
        style: CSS class that colors it.
        low: one end of a line over it, such as an interval's.
        high: the other end.
        mark: a value to draw a thin line at, such as 1 for "as fast as FP32".
    """
    parts = [f'<rect class="{style}" width="{_share(value, top)}" height="8"/>']
    if mark is not None:
        parts.append(f'<rect class="mark" x="{_share(mark, top)}" width=".5" height="8"/>')
    if low is not None and high is not None:
        left, right = _share(low, top), _share(high, top)
        width = f"{max(float(right) - float(left), 0.5):.1f}"
        parts.append(f'<rect class="interval" x="{left}" y="3" width="{width}" height="2"/>')
    head = '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
    return "".join([head, *parts, "</svg>"])


def _share(value: float, top: float) -> str:
    return f"{100 * min(max(value / top, 0.0), 1.0):.1f}"


@dataclass(frozen=True)
class Point:
    """One point of a scatter plot; `style` is the CSS class that colors it."""

    label: str
    x: float
    y: float
    style: str
    is_default: bool = False


@dataclass(frozen=True)
class Mark:
    """A vertical line of a scatter plot at `x`, with a label."""

    label: str
    x: float


@dataclass(frozen=True)
class Plot:
    """A plot, and its points in the order of their numbers in it, for a legend beside it.

    `ringed` is what the legend calls those that are drawn with a ring.
    """

    title: str
    svg: str
    points: Sequence[Point]
    ringed: str = "default"


@dataclass(frozen=True)
class _Axis:
    """A range of values a little wider than the data, and where a value lies in the frame.

    `low` and `high` are logarithms where `log` is.
    """

    low: float
    high: float
    length: float
    log: bool = False

    def at(self, value: float) -> float:
        place = math.log10(value) if self.log else value
        return (place - self.low) / (self.high - self.low) * self.length

    def ticks(self) -> list[float]:
        """Round values, about five; on a wide logarithmic axis 1, 2 and 5 times powers of ten."""
        low, high = (10.0**self.low, 10.0**self.high) if self.log else (self.low, self.high)
        if self.log and high > 5 * low:
            powers = range(math.floor(self.low), math.ceil(self.high))
            values = [nice * 10.0**power for power in powers for nice in (1, 2, 5)]
            return [one for one in values if low <= one <= high]
        step = _step(high - low)
        first, last = math.ceil(low / step), math.floor(high / step)
        return [i * step for i in range(first, last + 1)]


def scatter_chart(
    title: str,
    points: Sequence[Point],
    fronts: Sequence[Sequence[Point]],
    x_unit: str,
    y_unit: str,
    marks: Sequence[Mark] = (),
    log_x: bool = False,
) -> Plot | None:
    """Numbered points and a dashed line through each of `fronts`, on axes as wide as the data;
    None: no points.

    Points beyond `_FAR` times the median are drawn at the right edge, so that one of them does not
    press all others together; their labels have the true figures. With `log_x` all have their place
    on a logarithmic axis.
    """
    if not points:
        return None
    true_x = sorted(p.x for p in points)
    near = [x for x in true_x if log_x or x <= _FAR * true_x[len(true_x) // 2]]
    edge = near[-1] * (1.0 if len(near) == len(true_x) else 1.1)
    x_axis = _axis([*near, edge, *(mark.x for mark in marks if mark.x <= edge)], _WIDTH, log_x)
    y_axis = _axis([p.y for p in points], _HEIGHT)

    def at(point: Point) -> tuple[float, float]:
        x = x_axis.at(min(point.x, edge))
        return _LEFT + x, _TOP + _HEIGHT - y_axis.at(point.y)

    ordered = sorted(points, key=lambda point: (point.x, -point.y))
    parts = [*_frame(x_axis, y_axis, x_unit, y_unit), *_vertical_marks(marks, x_axis)]
    for front in fronts:
        line = [at(one) for one in front]
        parts += [_line(*one, *two, "mark") for one, two in zip(line[:-1], line[1:], strict=True)]
    parts += _markers([(one, *at(one)) for one in ordered])
    width, height = _LEFT + _WIDTH + _RIGHT, _TOP + _HEIGHT + _BOTTOM
    said = f"{title}: {y_unit} against {x_unit}. " + "; ".join(one.label for one in ordered)
    head = (
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(said)}" xmlns="http://www.w3.org/2000/svg">'
    )
    return Plot(title, "\n".join([head, *parts, "</svg>"]), ordered)


def _axis(values: Sequence[float], length: float, log: bool = False) -> _Axis:
    """From a little below the least to a little above the largest."""
    places = [math.log10(one) for one in values] if log else values
    least, most = min(places), max(places)
    span = most - least or abs(most) * 0.2 or 1.0
    return _Axis(least - _PAD * span, most + _PAD * span, length, log)


def _step(span: float) -> float:
    """A round step that gives about five ticks."""
    rough = span / 5
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * nice for nice in (1, 2, 5, 10) if power * nice >= rough)


def _frame(x_axis: _Axis, y_axis: _Axis, x_unit: str, y_unit: str) -> list[str]:
    right, bottom = _LEFT + _WIDTH, _TOP + _HEIGHT
    parts: list[str] = []
    for tick in x_axis.ticks():
        x = _LEFT + x_axis.at(tick)
        parts += [
            _line(x, _TOP, x, bottom, "grid"),
            _text(x, bottom + 17, f"{tick:g}", "tick middle"),
        ]
    for tick in y_axis.ticks():
        y = bottom - y_axis.at(tick)
        parts += [
            _line(_LEFT, y, right, y, "grid"),
            _text(_LEFT - 7, y + 4, f"{tick:g}", "tick end"),
        ]
    parts.append(
        f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{_WIDTH}" height="{_HEIGHT}"/>'
    )
    parts.append(_text(_LEFT + _WIDTH / 2, bottom + 36, x_unit, "tick middle"))
    parts.append(_text(4, 16, y_unit, "tick"))
    return parts


def _vertical_marks(marks: Sequence[Mark], x_axis: _Axis) -> list[str]:
    """Lines from top to bottom; labels one below the other at the top, where points are few.

    A mark beyond the axis stands at its end.
    """
    parts: list[str] = []
    for i, mark in enumerate(marks):
        x = _LEFT + min(max(x_axis.at(mark.x), 0.0), _WIDTH)
        parts.append(_line(x, _TOP, x, _TOP + _HEIGHT, "interval"))
        side, shift = ("label end", -4) if x > _LEFT + _WIDTH / 2 else ("label", 4)
        parts.append(_text(x + shift, _TOP + _ROW * (i + 1), mark.label, side))
    return parts


def _markers(placed: Sequence[tuple[Point, float, float]]) -> list[str]:
    """Points, then their numbers beside them, where no other point or number is."""
    parts = [
        f'<circle class="{point.style}{" default" if point.is_default else ""}" cx="{x:.1f}" '
        f'cy="{y:.1f}" r="{_MARKER}"><title>{escape(point.label)}</title></circle>'
        for point, x, y in placed
    ]
    taken = [(x, y) for _, x, y in placed]
    for number, (_, x, y) in enumerate(placed, start=1):
        spot = next((one for one in _spots(x, y) if _is_free(one, taken)), (x, y - _NUMBER))
        taken.append(spot)
        parts.append(_text(spot[0], spot[1] + 4, str(number), "number middle"))
    return parts


def _spots(x: float, y: float) -> Iterator[tuple[float, float]]:
    """Middles for the number of a point: around it, then further away."""
    for away in (_NUMBER - 2, 1.6 * _NUMBER, 2.4 * _NUMBER):
        for right, down in ((0, -1), (0, 1), (1, -0.5), (-1, -0.5), (1, 0.5), (-1, 0.5)):
            yield x + right * away, y + down * away


def _is_free(spot: tuple[float, float], taken: Sequence[tuple[float, float]]) -> bool:
    return all(abs(spot[0] - x) >= _NUMBER - 4 or abs(spot[1] - y) >= _NUMBER - 4 for x, y in taken)


def _text(x: float, y: float, text: str, style: str) -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}">{escape(text, quote=False)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'
