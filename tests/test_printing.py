"""Who prints: the command line of the package, and the commands of models and benchmarks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def printing_functions(path: Path) -> Iterator[str]:
    """Names of the outermost functions in which a module prints; `` for its own level."""
    for node in ast.parse(path.read_text()).body:
        name = node.name if isinstance(node, ast.FunctionDef | ast.ClassDef) else ""
        for one in ast.walk(node):
            if isinstance(one, ast.Call) and getattr(one.func, "id", "") == "print":
                yield name


@pytest.mark.parametrize("package", ["iast_export", "models", "benchmarks"])
def test_nothing_prints_but_a_command(package: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        if path.name != "__main__.py"
        for name in printing_functions(path)
        if name != "main" or package == "iast_export"
    }
    assert found == set()
