"""Templates and tables of the page; whatever is not markup of ours is escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, Protocol, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from iast_export.pages import format as fmt

# A number, flush right; words that may be broken; a word that is the row's name.
Kind = Literal["number", "text"]
Cell = str | Markup


@dataclass(frozen=True)
class Column:
    """A column of a table; on a phone its label stands before each cell."""

    label: str
    kind: Kind = "text"


@dataclass(frozen=True)
class Group:
    """Rows under a heading, such as the lanes of a tier; no heading: rows alone."""

    rows: Sequence[Sequence[Cell]]
    heading: str = ""


class _OfTier(Protocol):
    @property
    def tier(self) -> str: ...


_Row = TypeVar("_Row", bound=_OfTier)


def by_tier(rows: Sequence[_Row], cells: Callable[[_Row], Sequence[Cell]]) -> list[Group]:
    """A group per tier, in the order of their first rows."""
    return [
        Group([cells(row) for row in rows if row.tier == tier], tier)
        for tier in dict.fromkeys(row.tier for row in rows)
    ]


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows.

    Attributes:
        caption: what it holds, for who hears the page.
        columns: as many as each row has cells.
        groups: from top to bottom.
    """

    caption: str
    columns: Sequence[Column]
    groups: Sequence[Group] = field(default_factory=tuple)


def numbers(*labels: str) -> list[Column]:
    """Columns of numbers."""
    return [Column(label, "number") for label in labels]


def texts(*labels: str) -> list[Column]:
    """Columns of words."""
    return [Column(label) for label in labels]


def render(template: str, **values: Any) -> Markup:
    """A template of `pages/templates` with its values."""
    return Markup(_environment().get_template(template).render(values))


@cache
def source(name: str) -> str:
    """A file of `pages/templates` as it is."""
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("iast_export.pages", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"fmt": fmt, "markup": Markup}
    return environment
