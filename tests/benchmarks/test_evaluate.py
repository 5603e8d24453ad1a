"""The benchmark of `evaluate`: every way of splitting, on a few pairs, to the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import evaluate


def test_few_pairs_come_to_the_same_bytes_in_every_way_and_are_not_judged_again(
    small_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = [str(small_bundle), "--out", str(tmp_path), "--tier", "d4-32px"]
    counts = ["--contents", "6", "--styles", "2", "--shards", "1", "3"]
    monkeypatch.setattr("sys.argv", ["evaluate", *asked, *counts])
    evaluate.main()
    first = capsys.readouterr().out
    assert "The same bytes: yes" in first and "dask, 2 killed" in first
    evaluate.main()
    assert capsys.readouterr().out == first
