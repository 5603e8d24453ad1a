"""What a compiler for NPUs told of a file is read, and silence is no answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import npu_partitions
from benchmarks.npu_partitions import Partition, ask, partitions_of, table
from iast_export.errors import InputError, ToolError
from tests.litert_cases import converted

TOLD = """INFO: [compiler_plugin.cc:524] Partition strategy: 0
INFO: [compiler_plugin.cc:742] Partitioned subgraph<0>, selected 9 ops, from a total of 12 ops. \
resulted in 2 partitions.
INFO: [compiler_plugin.cc:742] Partitioned subgraph<1>, selected 7 ops, from a total of 7 ops. \
resulted in 1 partitions.
"""


def test_each_subgraph_has_its_figures() -> None:
    assert partitions_of(TOLD) == [Partition(0, 9, 12, 2), Partition(1, 7, 7, 1)]


def test_a_compiler_that_tells_nothing_is_an_error_with_its_last_word() -> None:
    with pytest.raises(ToolError, match=r"told nothing.*libopenvino\.so: cannot open"):
        partitions_of("starting\nlibopenvino.so: cannot open shared object file\n\n")
    with pytest.raises(ToolError, match="no word"):
        partitions_of("")


def test_a_compiler_that_can_not_load_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "libs").mkdir()
    with pytest.raises(ToolError, match="told nothing"):
        ask(converted()[1], tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        ask(converted()[1], tmp_path / "elsewhere")


def test_a_row_is_named_by_its_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    model = converted()[1]
    monkeypatch.setattr(npu_partitions, "ask", lambda *_: [Partition(0, 9, 12, 2)])
    assert f"| `{model.name}` | `d2_32px` | 12 | 9 | 2 |" in table([model], Path())
