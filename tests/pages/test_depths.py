"""Depths as plots and words: the front joined, the plan's ringed, why a depth is off."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from iast_export.pages.depths import depths_charts, depths_rows, off_front, size_words
from iast_export.pages.sections.depths import section
from iast_export.reports.depths import DepthRow, DepthsReport, SizeDepths


def estimate(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def row(depth: int, gains: list[dict[str, Any]], *, on_front: bool, **more: Any) -> dict[str, Any]:
    facts = {"depth": depth, "fp32_ms": 9.0 * depth, "int8_ms": 3.0 * depth, "shipped": depth > 1}
    facts |= {"style_distance": 0.1, "ssim": 0.6, "ssim_at_equal_style": estimate(0.6 + depth / 9)}
    return {**facts, "gains": gains, "on_front": on_front, **more}


def gain(beside: int, value: float) -> dict[str, Any]:
    return {"beside": beside, "measure": "ssim_at_equal_style", **estimate(value)}


def report(*rows: dict[str, Any], **more: Any) -> DepthsReport:
    sizes = [{"size_px": 256, "common_style": [0.128, 0.101], "rows": rows}]
    facts = {
        "machine": {},
        "versions": {},
        "threads": 1,
        "clock": "wall",
        "fp32_sha256": ["0" * 64],
    }
    pictures = {"name": "drawn", "sha256": "0" * 64, "images": 8}
    return DepthsReport.model_validate({**facts, "set": pictures, "sizes": sizes, **more})


THREE = report(
    row(1, [], on_front=True),
    row(2, [gain(1, 0.002)], on_front=False),
    row(3, [gain(1, 0.04), gain(2, 0.03)], on_front=True),
)


def test_a_plot_joins_the_front_rings_the_plan_and_names_every_depth() -> None:
    (plot,) = depths_charts(THREE)
    assert plot.svg.count("<circle") == 3 and plot.svg.count('class="mark"') == 1
    assert [point.is_default for point in plot.points] == [False, True, True]
    assert plot.points[2].label == "depth 3, 9 ms, 0.933, front" and plot.ringed == "in the plan"
    assert "SSIM at equal style against median of ONNX Runtime INT8, ms" in plot.svg


def test_a_depth_off_the_front_says_what_it_is_no_better_than() -> None:
    _, rows = depths_rows(THREE)
    assert [one[-1] for one in rows] == [
        "front",
        "in the plan, no better than depth 1: SSIM at equal style +0.002 (-0.008 to +0.012)",
        "in the plan, front",
    ]
    assert rows[0][:4] == ("256 px", "1", "3 ms", "9 ms")
    assert off_front(THREE) == ["d2-256px is in the plan and not on the front"]
    assert size_words(THREE.sizes[0]) == "256 px: mean at the style distances 0.128, 0.101"


def test_without_strength_and_int8_the_plot_has_style_distance_over_fp32() -> None:
    plain: dict[str, Any] = {"int8_ms": None, "ssim_at_equal_style": None}
    worse = [gain(1, -0.02) | {"measure": name} for name in ("style_distance", "ssim")]
    rows = row(1, [], on_front=True, **plain), row(2, worse, on_front=False, **plain)
    sizes = [{"size_px": 64, "common_style": [], "rows": rows}]
    found = report(no_int8="depth 1: it is refused", sizes=sizes)
    (plot,) = depths_charts(found)
    assert "style distance (lower is nearer) against median of ONNX Runtime FP32, ms" in plot.svg
    assert "no better than depth 1: style distance -0.020" in depths_rows(found)[1][1][-1]
    assert "has no strength" in size_words(found.sizes[0])


def section_of(found: DepthsReport | None) -> str:
    parts: Any = SimpleNamespace(depths=found)
    made = section(parts)
    return "" if made is None else str(made.body)


def test_a_section_says_how_depths_were_read_and_which_tier_is_needless() -> None:
    assert section_of(None) == ""
    body = section_of(THREE)
    assert "have the same style distance" in body and "no strength" not in body
    assert "d2-256px is in the plan and not on the front" in body
    plain: dict[str, Any] = {"int8_ms": None, "ssim_at_equal_style": None}
    rows = row(1, [], on_front=True, **plain), row(2, [], on_front=True, **plain)
    sizes = [{"size_px": 64, "common_style": [], "rows": rows}]
    body = section_of(report(no_int8="depth 1: it is refused", sizes=sizes))
    assert "The network has no" in body and "INT8 does not run: depth 1" in body


def test_rows_that_were_read_in_different_ways_are_refused() -> None:
    one, two = (DepthRow.model_validate(row(i, [], on_front=True)) for i in (1, 2))
    for other in ({"int8_ms": None}, {"ssim_at_equal_style": None}):
        rows = [one.model_dump(), two.model_dump() | other]
        with pytest.raises(ValidationError):
            SizeDepths.model_validate({"size_px": 64, "common_style": 0.1, "rows": rows})
