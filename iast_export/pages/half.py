"""What a GPU's FP16 would not hold, as words and tables."""

from __future__ import annotations

from collections.abc import Sequence

from iast_export.pages.format import Table
from iast_export.reports.half import LARGEST, HalfOverflow, HalfRow

COLUMNS = ("operator", "tier", "at most", "of", "fp16 file")


def half_table(rows: Sequence[HalfRow]) -> Table:
    """Title, columns and rows: every place of some tiers that FP16 may not hold."""
    title = f"LiteRT on a GPU in FP16: beyond {LARGEST:,.0f} by calibrated ranges"
    return title, COLUMNS, [_cells(row.tier, one) for row in rows for one in row.overflows]


def _cells(tier: str, one: HalfOverflow) -> tuple[str, ...]:
    what = "a sum on the way" if one.of_sum else "values"
    held = "holds it" if one.held else "does not hold it"
    return f"{one.operator} {one.tensor}", tier, f"{one.peak:,.0f}", what, held


def half_words(rows: Sequence[HalfRow] | None) -> list[str]:
    """Tier by tier what the ranges say, and of how much they say it; None: nothing was told."""
    if rows is None:
        return ["LiteRT on a GPU in FP16: told by ranges, once a build in --out is calibrated"]
    return [
        f"{row.tier} on a GPU in FP16: {_count(row)}, by the ranges of {row.judged} of "
        f"{row.results} tensors"
        for row in rows
    ]


def _count(row: HalfRow) -> str:
    if not row.overflows:
        return f"nothing reaches {LARGEST:,.0f}"
    places = len(row.overflows)
    return f"{places} place{'s' if places > 1 else ''} may pass {LARGEST:,.0f}"
