"""Numbers as people read them; the reports themselves keep raw values."""

from __future__ import annotations

from collections.abc import Sequence

from iast_export.families import FAMILIES
from iast_export.reports.benchmark import Ratio
from iast_export.specs import PRECISION_LABELS

Row = tuple[str, ...]
# Title, columns and rows.
Table = tuple[str, Row, Sequence[Row]]


def milliseconds(value: float | None) -> str:
    """Three digits and the unit; a dash where there is no value."""
    return "–" if value is None else f"{value:.3g} ms" if value < 1000 else f"{value:,.0f} ms"


def size(count: int | None) -> str:
    """Bytes as kB or MB with three digits; a dash where there is no value."""
    if count is None:
        return "–"
    return f"{count / 1e6:.3g} MB" if count >= 1e6 else f"{count / 1e3:.3g} kB"


def ratio(value: Ratio | None) -> str:
    """A ratio and its interval, as `3.3× (3.1 to 3.4)`; a dash where there is no value."""
    return "–" if value is None else f"{value.value:.2f}× ({value.low:.2f} to {value.high:.2f})"


def decibels(value: float) -> str:
    """One decimal and the unit."""
    return f"{value:.1f} dB"


def percent(share: float | None) -> str:
    """A signed share in percent, two decimals; a dash where there is no value."""
    return "–" if share is None else f"{100 * share:+.2f} %"


def score(value: float) -> str:
    """Four decimals."""
    return f"{value:.4f}"


def runtime_name(runtime: str) -> str:
    """The runtime as its makers write it."""
    labels: dict[str, str] = {name: family.label for name, family in FAMILIES.items()}
    return labels.get(runtime, runtime)


def precision_name(precision: str) -> str:
    """The precision as people write it."""
    return PRECISION_LABELS.get(precision, precision)


def lane_name(runtime: str, precision: str) -> str:
    """For example `LiteRT INT8`."""
    return f"{runtime_name(runtime)} {precision_name(precision)}"
