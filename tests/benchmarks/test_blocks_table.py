"""The table of what textbook blocks cost: figures from reports, and nothing where a report is
short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from models.evaluation import blocks

QUALITY: dict[str, Any] = {
    "facts": {"pictures": 144},
    "parameters": {"plain": 1_040_000, "textbook": 900_000},
    "rows": [
        {"method": name, "strength": s, "scores": {"ssim": 0.9 - s / 2, "style": 0.2 - s / 10}}
        for name in ("plain", "textbook")
        for s in (0.5, 1.0)
    ],
    "at_equal_style": {"ssim": {"methods": [{"name": "plain", "value": {"value": 0.7}}]}},
}


def bundle(folder: Path, lanes: tuple[str, ...] = ("fp32", "int8")) -> Path:
    (folder / "reports").mkdir(parents=True)
    times = [
        {
            "runtime": r,
            "precision": p,
            "tier": "d4-256px",
            "median_ms": 40.0 if p == "fp32" else 10.0,
        }
        for r in ("litert", "onnxruntime")
        for p in lanes
    ]
    kept = [
        {
            "runtime": r,
            "precision": "int8",
            "tier": "d4-256px",
            "psnr_db": {"mean": 42.0, "p5": 37.5},
            "drop": {"ssim_content": 0.004, "style_distance": -0.001},
        }
        for r in ("litert", "onnxruntime")
    ]
    (folder / "reports/benchmark.json").write_text(json.dumps({"rows": times}))
    (folder / "reports/verify.json").write_text(json.dumps({"rows": kept}))
    return folder


def test_the_table_shows_time_int8_and_quality_of_both(tmp_path: Path) -> None:
    quality = tmp_path / "q.json"
    quality.write_text(json.dumps(QUALITY))
    given = [f"--bundle={n}={bundle(tmp_path / n)}" for n in ("plain", "textbook")]
    blocks.main([*given, "--quality", str(quality), "--out", str(tmp_path / "made/blocks.md")])
    text = (tmp_path / "made/blocks.md").read_text()
    assert "| plain | LiteRT | 40.0 | 10.0 | 4.00 | 42.0, 37.5 | +0.40%, -0.10% |" in text
    assert "| plain | 1.04 M | 0.400 | 0.100 | 0.700 | does not reach it |" in text
    assert "| textbook | 0.90 M | 0.400 | 0.100 | does not reach it | does not reach it |" in text


def test_what_was_not_measured_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="build the bundle or judge the networks first"):
        blocks.main(
            ["--bundle=a=b", "--quality", str(tmp_path / "no.json"), "--out", str(tmp_path / "x")]
        )
    quality = tmp_path / "q.json"
    quality.write_text(json.dumps(QUALITY))
    short = bundle(tmp_path / "short", lanes=("fp32",))
    with pytest.raises(SystemExit, match="build the bundle with INT8 and with a benchmark"):
        blocks.main(
            [f"--bundle=plain={short}", "--quality", str(quality), "--out", str(tmp_path / "x")]
        )
    whole = bundle(tmp_path / "whole")
    with pytest.raises(SystemExit, match="--network other=WEIGHTS"):
        blocks.main(
            [f"--bundle=other={whole}", "--quality", str(quality), "--out", str(tmp_path / "x")]
        )
    assert not (tmp_path / "x").exists()
