"""What a killed build may not have touched is planted, remembered and compared whole."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.trust.kills import DECOYS, TIMED, made, plant, state


def test_a_users_files_are_planted_with_modes_and_times_of_their_own(tmp_path: Path) -> None:
    planted = plant(tmp_path)
    assert set(planted) == set(DECOYS) and len(set(planted.values())) == len(DECOYS)
    assert planted == {name: state(tmp_path / name) for name in DECOYS}


def test_a_touch_of_any_kind_shows(tmp_path: Path) -> None:
    before = plant(tmp_path)["notes.txt"]
    path = tmp_path / "notes.txt"
    os.utime(path, (1, 1))
    assert state(path) != before
    os.utime(path, ns=(before[2], before[2]))
    assert state(path) == before
    path.chmod(0o777)
    assert state(path) != before
    path.unlink()
    assert state(path) == (b"", 0, 0)


def test_what_a_build_made_is_compared_but_for_its_timings(tmp_path: Path) -> None:
    for name in (*TIMED, "models/a.onnx"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    assert set(made(tmp_path)) == {"models/a.onnx"}
