"""How a verdict is told: in a table, as JSON, in files for CI, and as the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from iast_export.cli import console
from iast_export.files.artifacts import write_atomic

if TYPE_CHECKING:
    from iast_export.reports.verdict import Verdict


def end_with(verdict: Verdict, junit: Path | None, markdown: Path | None, as_json: bool) -> None:
    """Writes and prints a verdict, and ends with its exit code."""
    from iast_export.pages import junit_xml, markdown_text

    if junit is not None:
        write_atomic(junit, junit_xml(verdict))
    if markdown is not None:
        write_atomic(markdown, markdown_text(verdict).encode())
    if as_json:
        console.emit_json({**verdict.model_dump(mode="json"), "exit_code": verdict.exit_code})
    else:
        _print(verdict)
    raise click.exceptions.Exit(verdict.exit_code)


def _print(verdict: Verdict) -> None:
    wrong = [check for check in verdict.checks if check.outcome != "pass"]
    if wrong:
        rows = [(c.name, c.outcome, c.measured, c.rule, c.remedy) for c in wrong]
        console.table("not passed", ("check", "outcome", "measured", "rule", "remedy"), rows)
    for note in verdict.notes:
        console.say(f"note: {note}")
    passed = len(verdict.checks) - len(wrong)
    console.say(f"{passed} of {len(verdict.checks)} checks passed, exit code {verdict.exit_code}")
