"""The zoo's command: each network in its own process, a failure is a row, rows are kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.zoo import __main__ as command
from benchmarks.zoo.catalog import ENTRIES
from benchmarks.zoo.child import TOO_LATE, Ran, run, sentence_of
from benchmarks.zoo.one import Asked, recipe_text
from benchmarks.zoo.table import finished, load, markdown, save
from iast_export.recipe import load_recipe


def lane(what: str, **told: Any) -> dict[str, Any]:
    row = {"what": what, "problem": None, "median_ms": 2.0, "ratio": [2.5, 2.4, 2.6]}
    return {**row, "psnr_db": [41.0, 38.0], "drops": {"ssim_content": 0.01}, "bytes": 9000} | told


def row(name: str, code: int = 0, **told: Any) -> dict[str, Any]:
    ended = {"code": code, "seconds": 3.0, "peak_bytes": 10**9, "sentence": None}
    lanes = [lane("FP32", ratio=None, psnr_db=None), lane("iast-export INT8")]
    runtime = {"default": "iast-export INT8", "rows": lanes}
    return {
        "name": name,
        "title": name.upper(),
        "width": "tiny",
        "sizes_px": [64],
        "commit": "abc",
        "date": "2026-01-01 00:00",
        "machine": "one",
        "load": 0.1,
        "weights": "seed",
        "plan": ended | {"code": 0},
        "build": ended,
        "measured": {"onnxruntime": runtime, "litert": runtime} if code == 0 else None,
    } | told


def test_a_child_tells_its_exit_code_its_memory_and_its_last_error() -> None:
    script = "import sys; b = bytearray(200_000_000); print('error: no\\n  → do', file=sys.stderr)"
    ran = run(["-c", f"{script}; sys.exit(3)"], 60.0)
    assert (ran.code, ran.sentence) == (3, "no → do")
    assert ran.peak_bytes > 150e6


def test_a_child_that_takes_too_long_is_ended_and_said() -> None:
    ran = run(["-c", "import time; time.sleep(60)"], 0.2)
    assert ran.code == TOO_LATE
    assert ran.sentence == "took longer than 0 s"


def test_a_traceback_is_told_by_its_last_line() -> None:
    assert sentence_of("Traceback\n  File x\n\x1b[31mKeyError: 'a'\x1b[0m\n") == "KeyError: 'a'"


@pytest.mark.parametrize("width", ["tiny", "real"])
def test_the_recipe_of_a_run_can_be_loaded(width: Any, tmp_path: Path) -> None:
    asked = Asked(width, [64, 128], tmp_path, None, tmp_path, 1.0)
    (tmp_path / "r.toml").write_text(recipe_text(asked))
    tiers = load_recipe(tmp_path / "r.toml").tiers
    assert [tier.max_side_px for tier in tiers] == [64, 128]


def test_rows_are_kept_and_a_failed_one_is_made_again(tmp_path: Path) -> None:
    save({"adain": row("adain"), "johnson": row("johnson", 4)}, tmp_path / "t.json")
    kept = load(tmp_path / "t.json")
    assert list(kept) == ["johnson", "adain"]
    assert finished(kept["adain"], "tiny", [64])
    assert not finished(kept["adain"], "tiny", [128])
    assert not finished(kept["johnson"], "tiny", [64])
    assert not finished(row("adain", measured={"problem": "no"}), "tiny", [64])


def test_the_page_says_lanes_and_failures() -> None:
    said = {"code": 4, "seconds": 1.0, "peak_bytes": 10**8, "sentence": "no | such operator"}
    page = markdown([row("adain"), row("sanet", 4, build=said)])
    assert "INT8: 2.50×, 41.0 dB" in page
    assert "**exit 4**, 1 s" in page
    assert "- SANET: no / such operator" in page
    assert "| adain | LiteRT | iast-export INT8, 2.0 ms | 2.50× (2.40 to 2.60) |" in page


@pytest.mark.parametrize(
    ("told", "held"),
    [
        ({}, True),
        ({"ratio": [1.49, 1.4, 1.6]}, False),
        ({"psnr_db": [32.9, 30.0]}, False),
        ({"drops": {"ssim_content": 0.021, "lpips_content": None}}, False),
        ({"ratio": None, "psnr_db": None}, False),
    ],
)
def test_the_page_counts_networks_that_gain_in_both_runtimes(
    told: dict[str, Any], held: bool
) -> None:
    good = {"default": "iast-export INT8", "rows": [lane("iast-export INT8")]}
    other = {"default": "iast-export INT8", "rows": [lane("iast-export INT8", **told)]}
    rows = [row("adain", measured={"onnxruntime": good, "litert": other}), row("sanet", 4)]
    said = "1 of 2 draw" if held else "0 of 2 draw"
    assert said in markdown(rows)


def test_a_network_that_fails_is_a_row_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = Ran(4, 1.0, 10**8, "not today")
    monkeypatch.setattr("benchmarks.zoo.one.run", lambda *_: failed)
    names = [entry.name for entry in ENTRIES][:2]
    only = [word for name in names for word in ("--only", name)]
    places = ["--work", str(tmp_path / "w"), "--out", str(tmp_path / "t.json")]
    monkeypatch.setattr(sys, "argv", ["zoo", "--width", "tiny", *only, *places])
    assert command.main() == 0
    rows = load(tmp_path / "t.json")
    assert [rows[name]["build"]["sentence"] for name in names] == ["not today"] * 2
