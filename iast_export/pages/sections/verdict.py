"""The gate's verdict, the command that built the bundle, and when."""

from __future__ import annotations

from collections.abc import Sequence

from iast_export.pages import format as fmt
from iast_export.pages.parts import ReportParts
from iast_export.pages.rendering import render
from iast_export.pages.sections.section import Section


def section(parts: ReportParts) -> Section:
    """The verdict with what did not pass, and the headline figures."""
    body = render("sections/verdict.html.j2", parts=parts, cards=_cards(parts))
    return Section("verdict", "Verdict", body)


def _cards(parts: ReportParts) -> list[tuple[str, str, str]]:
    """Headline figures (title, value, remark): what INT8 reaches, worst to best tier."""
    cards = []
    for runtime in dict.fromkeys(row.runtime for row in parts.benchmark.rows):
        rows = [
            row for row in parts.benchmark.rows if (row.runtime, row.precision) == (runtime, "int8")
        ]
        ratios = sorted(row.ratio_to_fp32.value for row in rows if row.ratio_to_fp32)
        if ratios:
            title = f"{fmt.runtime_name(runtime)} INT8 speed"
            cards.append((title, _span(ratios, "×", 1), "of FP32, over the tiers"))
    for runtime in dict.fromkeys(row.runtime for row in parts.verify.rows):
        found = [
            row for row in parts.verify.rows if (row.runtime, row.precision) == (runtime, "int8")
        ]
        means = sorted(row.psnr_db.mean for row in found)
        if means:
            worst = min(row.psnr_db.p5 for row in found)
            title = f"{fmt.runtime_name(runtime)} INT8 fidelity"
            remark = f"mean PSNR to FP32; p5 from {worst:.0f} dB"
            cards.append((title, _span(means, " dB", 0), remark))
    return cards


def _span(ordered: Sequence[float], unit: str, digits: int) -> str:
    low, high = f"{ordered[0]:.{digits}f}", f"{ordered[-1]:.{digits}f}"
    return f"{low}{unit}" if low == high else f"{low} – {high}{unit}"
