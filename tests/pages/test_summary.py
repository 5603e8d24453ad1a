"""Lines of the terminal's summary that tell what a table of lanes does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from iast_export.files.artifacts import read_json, write_json
from iast_export.pages.summary import four_thirds_lines
from iast_export.reports.base import REPORT_PATHS
from tests.gate_cases import make_bundle, shaped


@pytest.mark.parametrize(
    ("share", "words"),
    [(1.5, "takes 1.50×"), (0.8, "takes 0.80×"), (1.08, None), (0.95, None)],
)
def test_a_4_3_picture_is_told_of_where_its_pixels_take_a_tenth_more_or_less(
    tmp_path: Path, share: float, words: str | None
) -> None:
    folder = make_bundle(tmp_path)
    assert four_thirds_lines(folder) == []
    path = folder / REPORT_PATHS["benchmark"]
    raw = read_json(path)
    row = next(r for r in raw["rows"] if (r["runtime"], r["precision"]) == ("litert", "int8"))
    row["four_thirds"] = shaped(row["samples_ms"], row["tier"], share)
    write_json(path, raw)
    lines = four_thirds_lines(folder)
    assert len(lines) == (words is not None)
    assert all(words in line and "LiteRT INT8 at d2-256px" in line for line in lines if words)
