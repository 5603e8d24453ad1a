"""The page's table of operators: whole, and nothing in it that the code would not promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gpu_operators import MARKS, PAGE, Operator, ask, table, write
from iast_export.runtimes.gpu_operators import TAKEN
from tests.gpu_driver import use_software_gpu
from tests.litert_cases import converted, foreign, operators


def rows() -> dict[str, list[str]]:
    between = PAGE.read_text(encoding="utf-8").split(MARKS[0])[1].split(MARKS[1])[0]
    cells = [line.strip("|").split("|") for line in between.strip().splitlines()[2:]]
    return {name.strip(): [one.strip() for one in rest] for name, *rest in cells}


def test_every_operator_on_the_page_is_taken_and_promised() -> None:
    assert all(cells[-2] == "taken" for cells in rows().values())
    assert set(rows()) <= TAKEN, "a list that promises less than the page says"


def test_the_tests_own_networks_have_no_operator_that_is_not_promised() -> None:
    tiny = operators(converted()[1], "d2_32px"), operators(foreign()[1], "d1_32px")
    assert {name for counts in tiny for name in counts} <= TAKEN


def test_the_delegate_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    use_software_gpu(monkeypatch)
    found = ask({"foreign": foreign()[1]})
    assert found["CONV_2D"].counts["foreign"] > 1
    assert not any(one.refusals for one in found.values())


def test_the_table_is_written_between_the_marks_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    found = {"ROLL": Operator({"one": 2}, {"no such kernel"}), "ADD": Operator({"two": 1})}
    write(page, table(found, ["one", "two"]))
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "| ROLL | 2 |  | no such kernel |  |" in text and "| ADD |  | 1 | taken |  |" in text
