"""The benchmark of `evaluate`: every way of splitting, on a few pairs, to the same bytes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 600  # half a minute on a quiet machine


def test_few_pairs_come_to_the_same_bytes_in_every_way_and_are_not_judged_again(
    small_bundle: Path, tmp_path: Path
) -> None:
    asked = [str(small_bundle), "--out", str(tmp_path), "--tier", "d4-32px"]
    counts = ["--contents", "6", "--styles", "2", "--shards", "1", "3"]

    def said() -> str:
        # In a process of its own, since workers are killed.
        command = [sys.executable, "-m", "benchmarks.evaluate", *asked, *counts]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    first = said()
    assert "The same bytes: yes" in first and "dask, 2 killed" in first
    assert said() == first
