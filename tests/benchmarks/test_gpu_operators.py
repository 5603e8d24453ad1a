"""The page's table of operators: whole, and nothing in it that the code would not promise."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.gpu_operators import MARKS, PAGE, Network, Operator, ask, tables, write
from benchmarks.zoo.catalog import ENTRIES
from iast_export.errors import ToolError
from iast_export.runtimes.gpu_operators import TAKEN
from tests.gpu_driver import use_software_gpu
from tests.litert_cases import converted, foreign, operators


def rows(table: int) -> dict[str, list[str]]:
    between = PAGE.read_text(encoding="utf-8").split(MARKS[0])[1].split(MARKS[1])[0]
    lines = between.strip().split("\n\n")[table].splitlines()[2:]
    cells = [line.strip("|").split(" | ") for line in lines]
    return {name.strip(): [one.strip() for one in rest] for name, *rest in cells}


def test_an_operator_is_promised_if_and_only_if_the_page_says_that_it_is_taken() -> None:
    told = {name: cells[-2] for name, cells in rows(1).items()}
    taken = {name for name, words in told.items() if words.startswith("taken")}
    unseen = {name for name, words in told.items() if words == str(Operator({"a": 1}))}
    assert taken <= TAKEN, "a list that promises less than the page says"
    assert not TAKEN & (set(told) - taken - unseen), "a list that promises what is refused"


def test_every_known_network_is_on_the_page() -> None:
    names = {entry.title for entry in ENTRIES} | {"packaged", "AdaIN fixture", "its style encoder"}
    assert set(rows(0)) == names
    assert all(rows(0)[name][-1] == "whole" for name in ("packaged", "AdaIN fixture"))


def test_the_tests_own_networks_have_no_operator_that_is_not_promised() -> None:
    tiny = operators(converted()[1], "d2_32px"), operators(foreign()[1], "d1_32px")
    assert {name for counts in tiny for name in counts} <= TAKEN


def test_the_delegate_is_asked_and_what_does_not_convert_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_software_gpu(monkeypatch)

    def fails(path: Path) -> None:
        raise ToolError("no kernel for it: and more", "leave it out")

    makers = {"foreign": lambda path: shutil.copy(foreign()[1], path), "other": fails}
    networks, kinds = ask(makers, tmp_path)
    assert str(networks["foreign"]) == "whole" and networks["foreign"].operators > 10
    assert str(networks["other"]) == "not converted: no kernel for it"
    assert kinds["CONV_2D"].counts["foreign"] > 1 and kinds["CONV_2D"].ran


def test_the_tables_are_written_between_the_marks_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n")
    kinds = {
        "ROLL": Operator({"one": 2}, {"one": "no such kernel"}),
        "ADD": Operator({"two": 1}, ran=True),
    }
    refused = Counter({("ROLL", "no such kernel"): 2})
    write(page, tables({"one": Network(2, refused), "two": Network(1)}, kinds))
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "| one | 2 | no: 2 ROLL (no such kernel) |" in text and "| two | 1 | whole |" in text
    assert "| ROLL | 2 |  | 1 | no such kernel |  |" in text
    assert "| ADD |  | 1 | 1 | taken |  |" in text
    assert str(Operator({"a": 1})) == "not refused, but in no network that runs whole"
    assert str(Operator({"a": 1, "b": 1}, {"a": "why"})) == "taken in 1 of 2, else: why"
