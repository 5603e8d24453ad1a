"""Rows on the disk, whole after a kill."""

from __future__ import annotations

from pathlib import Path

import pytest

from iast_export.errors import InputError, UsageError
from iast_export.evaluate.rows import read_rows, writing
from iast_export.evaluate.worker import line_of
from tests.evaluate_cases import failed_row, row

ROWS = [row("c0", "s0"), failed_row("c0", "s1", "no ü, no \N{SNOWMAN}")]
LINES = [line_of(one) for one in ROWS]


def test_rows_come_back_as_they_were_added(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for line in LINES:
        with writing(path) as file:
            file.add([line])
    assert list(read_rows([path])) == ROWS


@pytest.mark.parametrize("kept", [1, 40, len(LINES[1]) - 1])
def test_a_line_that_a_kill_cut_is_no_row_and_goes_before_the_next(
    tmp_path: Path, kept: int
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(LINES[0] + LINES[1][:kept])
    assert list(read_rows([path])) == ROWS[:1]
    with writing(path) as file:
        file.add(LINES[1:])
    assert path.read_text() == "".join(LINES)


def test_a_first_line_that_was_cut_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("x" * 200_000)
    with writing(path) as file:
        file.add(LINES)
    assert path.read_text() == "".join(LINES)


def test_two_processes_do_not_add_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with writing(path), pytest.raises(UsageError, match="another iast-export"), writing(path):
        pass


@pytest.mark.parametrize(
    "bad", ["{}", '{"content": 1}', "no JSON", LINES[0][:-1].replace("40.0", "NaN")]
)
def test_a_line_that_was_altered_is_refused_with_its_place(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(LINES[0] + bad + "\n")
    with pytest.raises(InputError, match=r"rows\.jsonl:2 is no row"):
        list(read_rows([path]))
