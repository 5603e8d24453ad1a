"""What a GPU's FP16 would not hold, said behind a plan and behind `verify`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from iast_export.cli import console

if TYPE_CHECKING:
    from iast_export.reports.half import HalfRow


def say_halves(rows: Sequence[HalfRow] | None) -> None:
    """A line per tier, and a table where something would overflow."""
    from iast_export.pages.half import half_table, half_words

    for line in half_words(rows):
        console.say(line)
    title, columns, cells = half_table(rows or ())
    if cells:
        console.wide_table(title, columns, cells)
