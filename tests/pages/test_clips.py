"""Clips in the report: a row and a bar per lane, beside what the clip itself shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from iast_export.pages.clips import COLUMNS, clips_table
from iast_export.pages.parts import load_parts
from iast_export.pages.sections.clips import section
from iast_export.reports.verify import ClipRow, ClipStep
from tests.gate_cases import make_bundle

ROW = ClipRow(
    runtime="litert",
    precision="int8",
    tier="d4-256px",
    sha256="0" * 64,
    clip="pan.mp4",
    clip_sha256="0" * 64,
    style="cafe",
    style_sha256="0" * 64,
    width_px=96,
    height_px=64,
    noise_gain=1.25,
    exposure_levels=1.5,
    steps=(ClipStep(error=0.03, clip_error=0.01, tone=0.002, judged=0.9),),
)


def test_a_row_tells_all_that_was_judged_of_a_lane() -> None:
    _, columns, (cells,) = clips_table([ROW])
    assert columns == COLUMNS and len(cells) == len(COLUMNS)
    assert cells[:2] == ("pan.mp4 in cafe", "LiteRT INT8 d4-256px")
    assert cells[2:] == ("7.65 levels", "2.55 levels", "0.20 %", "1.25 times", "1.5 levels")


def test_lanes_stand_under_their_clip_with_a_line_from_the_clips_own_error(tmp_path: Path) -> None:
    parts = load_parts(make_bundle(tmp_path))
    assert section(parts) is None
    rows = (ROW.model_copy(update={"precision": "fp32"}), ROW, ROW.model_copy(update={"clip": "z"}))
    verify = parts.verify.model_copy(update={"video": rows})
    found = section(replace(parts, verify=verify))
    assert found is not None
    body = str(found.body)
    assert body.count("pan.mp4 in cafe") == 1 and body.count("z in cafe") == 1
    assert body.count("7.65 levels") == body.count("2.55 levels") == 3
    assert body.count('class="interval" x="33.3" y="3" width="66.7"') == 3
