"""docs/cli.md says what the command line says."""

from __future__ import annotations

from pathlib import Path

from iast_export.cli.main import SECTIONS
from tests.cli_page import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cli.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m tests.cli_page > docs/cli.md"


def test_every_verb_and_every_exit_code_is_on_it() -> None:
    text = page()
    for verb in (verb for section in SECTIONS.values() for verb in section):
        assert f"\n### iast-export {verb}\n" in text
    assert "### iast-export style remove" in text
    assert all(f"\n| {code} | " in text for code in range(8))
    assert max(map(len, text.splitlines())) <= 110  # an example is one line, however long
