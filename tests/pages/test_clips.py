"""Clips in the report: a row and a bar per lane, beside what the clip itself shows."""

from __future__ import annotations

import re

from iast_export.pages.clips import COLUMNS, clips_chart, clips_table
from iast_export.reports.verify import ClipRow, ClipStep

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


def test_bars_stand_by_clip_and_begin_at_the_clips_own_error() -> None:
    fp32 = ROW.model_copy(update={"precision": "fp32"})
    svg = clips_chart([fp32, ROW, ROW.model_copy(update={"clip": "zoom"})])
    assert svg.count("pan.mp4 in cafe") == 1 and svg.count("zoom in cafe") == 1
    assert len(re.findall(r"7\.65 \(clip 2\.55\)", svg)) == 3


def test_without_clips_there_is_no_chart() -> None:
    assert clips_chart([]) == ""
