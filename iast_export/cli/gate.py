"""`iast-export gate`: the verdict on a bundle."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import PATH
from iast_export.cli.verbs import Verb
from iast_export.cli.verdicts import end_with
from iast_export.files.paths import check_not_overwriting


@click.command(cls=Verb)
@options.folder
@click.option("--baseline", metavar="FILE", type=PATH, help="JSON of accepted figures")
@click.option(
    "--comparison",
    metavar="FILE",
    type=PATH,
    help="what `compare BASE DIR --out FILE` measured, beside or instead of a baseline",
)
@options.rules
@options.verdict_files
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
    comparison: Path | None,
    rules: Path | None,
    junit: Path | None,
    markdown: Path | None,
    public_key: Path | None,
    write_baseline: Path | None,
    as_json: bool,
) -> None:
    """Judges a bundle by rules and a baseline; the exit code is the verdict.

    Needs no torch.

    \b
    Example:
      iast-export gate dist/demo --write-baseline baseline.json
      iast-export gate dist/demo --baseline baseline.json --junit gate.xml
      iast-export gate dist/new --comparison comparison.json
    """
    from iast_export.bundle.claims import made_files
    from iast_export.gate import gate as judge
    from iast_export.gate import make_baseline

    results = [path for path in (junit, markdown, write_baseline) if path is not None]
    given = [path for path in (baseline, comparison, rules) if path is not None]
    check_not_overwriting(results, chain(given, made_files(folder)))
    if write_baseline is not None:
        make_baseline(folder, write_baseline)
        console.say(f"baseline {write_baseline}")
        return
    verdict = judge(folder, baseline, rules, public_key, comparison)
    end_with(verdict, junit, markdown, as_json)
