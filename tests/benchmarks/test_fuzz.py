"""The fuzzer sees what it is there for, and every reader keeps its contract on a short run of
it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.trust.fuzz.__main__ import main, plan
from benchmarks.trust.fuzz.cases import (
    CRASH,
    EXIT_1,
    HANG,
    MEMORY,
    REFUSED,
    SILENT,
    TAKEN,
    Result,
    draw,
)
from benchmarks.trust.fuzz.examples import example
from benchmarks.trust.fuzz.pool import Case, Given, Limits, run_cases
from benchmarks.trust.fuzz.readers import READERS
from benchmarks.trust.fuzz.shrink import shrink
from benchmarks.trust.fuzz.text_readers import report_kinds

FOUND_ONCE = Path(__file__).parents[1] / "fuzz_cases"
PATIENT = Limits(seconds=120.0)
SHORT = 400


def told(found: Mapping[Any, Result]) -> list[str]:
    return [
        f"{task}: {result.outcome}: {result.where}"
        for task, result in found.items()
        if result.is_finding
    ]


def test_whatever_becomes_of_a_case_is_seen_and_the_next_one_runs() -> None:
    words = {
        "whole": TAKEN, "refused": REFUSED, "tool": REFUSED, "bug": EXIT_1, "no code": EXIT_1,
        "silent": SILENT, "crash": CRASH, "memory": MEMORY, "more memory than there is": EXIT_1,
    }  # fmt: skip
    tasks = [("probe", "whole", word.encode()) for word in words]
    found = {task[2].decode(): result for task, result in run_cases(tasks, 1, PATIENT)}
    assert {word: result.outcome for word, result in found.items()} == words
    assert found["crash"].where == "SIGSEGV" and found["bug"].where.startswith("KeyError")


def test_a_case_that_does_not_end_is_ended() -> None:
    tasks = [("probe", "whole", word) for word in (b"whole", b"hang", b"whole")]
    found = [result.outcome for _, result in run_cases(tasks, 1, Limits(seconds=2.0))]
    assert found == [TAKEN, HANG, TAKEN]


@pytest.mark.parametrize("reader", sorted(READERS))
def test_the_same_numbers_draw_the_same_damage(reader: str) -> None:
    drawn = [draw(reader, 3, i) for i in range(40)]
    assert drawn == [draw(reader, 3, i) for i in range(40)]
    assert len({data for _, data in drawn}) > 10


def test_cases_are_shared_by_weight_and_none_is_drawn_twice() -> None:
    planned = plan(list(READERS), 10_000, 1)
    assert len(planned) == len(set(planned)) == 10_000
    counts = {name: sum(case[0] == name for case in planned) for name in READERS}
    assert counts["report"] > counts["recipe"] > counts["packed-code"] > 0


def test_a_finding_is_made_small() -> None:
    assert shrink(b"aaaaXaaaYaaa", b"a" * 12, lambda data: b"X" in data) == b"aaaaXaaaaaaa"
    assert shrink(b"long and wrong", b"", lambda data: b"wr" in data) == b"wr"


def test_findings_become_files_and_exit_code_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.trust.fuzz import __main__ as fuzz

    results = [
        (("ranges", 1, 0), Result(EXIT_1, "KeyError in x.py:y", "a traceback")),
        (("ranges", 1, 1), Result(TAKEN)),
    ]
    monkeypatch.setattr(fuzz, "run_cases", lambda *given: iter(results))
    assert main(["--readers", "ranges", "--cases", "2", "--findings", str(tmp_path)]) == 1
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == ["000-ranges-exit-1--ranges.json", "000-ranges-exit-1--ranges.json.json"]
    assert (tmp_path / kept[0]).read_bytes() == draw("ranges", 1, 0)[1]


def test_examples_of_every_report_are_valid() -> None:
    import json

    for kind in report_kinds().values():
        kind.model_validate_json(json.dumps(example(kind)), strict=True)


def kept_cases() -> dict[Path, Given]:
    """What was found once, by its file `READER/WORDS--SEED`."""
    paths = sorted(path for path in FOUND_ONCE.glob("*/*") if path.is_file())
    return {
        path: (path.parent.name, path.name.split("--", 1)[1], path.read_bytes()) for path in paths
    }


@pytest.fixture(scope="module")
def results() -> dict[Case | Given, Result]:
    """A short run and all kept cases, by workers that import everything once."""
    return dict(run_cases([*plan(list(READERS), SHORT, 11), *kept_cases().values()], 2, PATIENT))


def test_every_reader_ends_in_a_result_or_an_error_of_ours(
    results: dict[Case | Given, Result],
) -> None:
    drawn = {task: result for task, result in results.items() if isinstance(task[2], int)}
    assert len(drawn) == SHORT and not told(drawn)


def test_what_was_found_once_stays_mended(results: dict[Case | Given, Result]) -> None:
    kept = kept_cases()
    assert len(kept) > 20 and {reader for reader, _, _ in kept.values()} <= set(READERS)
    broken = {str(path.relative_to(FOUND_ONCE)): results[task] for path, task in kept.items()}
    assert not told(broken)
