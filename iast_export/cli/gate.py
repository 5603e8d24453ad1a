"""`iast-export gate`: the verdict on a bundle."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import PATH
from iast_export.cli.verbs import Verb
from iast_export.files.artifacts import write_atomic
from iast_export.files.paths import check_not_overwriting

if TYPE_CHECKING:
    from iast_export.reports.verdict import Verdict


@click.command(cls=Verb)
@options.folder
@click.option("--baseline", metavar="FILE", type=PATH, help="JSON of accepted figures")
@click.option(
    "--rules", metavar="FILE", type=PATH, help="TOML of limits; default: the packaged ones"
)
@click.option("--junit", metavar="FILE", type=PATH, help="write the verdict as JUnit XML")
@click.option("--markdown", metavar="FILE", type=PATH, help="write the verdict as Markdown")
@click.option(
    "--public-key",
    metavar="FILE",
    type=PATH,
    help="PEM of who must have signed DIR; see `iast-export sign`",
)
@click.option(
    "--write-baseline",
    metavar="FILE",
    type=PATH,
    help="write DIR's figures as a baseline and stop",
)
@options.as_json
def gate(
    folder: Path,
    baseline: Path | None,
    rules: Path | None,
    public_key: Path | None,
    junit: Path | None,
    markdown: Path | None,
    write_baseline: Path | None,
    as_json: bool,
) -> None:
    """Judges a bundle by rules and a baseline; the exit code is the verdict.

    Needs no torch.

    \b
    Example:
      iast-export gate dist/demo --write-baseline baseline.json
      iast-export gate dist/demo --baseline baseline.json --junit gate.xml
    """
    from iast_export.bundle.claims import made_files
    from iast_export.gate import gate as judge
    from iast_export.gate import make_baseline
    from iast_export.pages import junit_xml, markdown_text

    results = [path for path in (junit, markdown, write_baseline) if path is not None]
    given = [path for path in (baseline, rules) if path is not None]
    check_not_overwriting(results, chain(given, made_files(folder)))
    if write_baseline is not None:
        make_baseline(folder, write_baseline)
        console.say(f"baseline {write_baseline}")
        return
    verdict = judge(folder, baseline, rules, public_key)
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
