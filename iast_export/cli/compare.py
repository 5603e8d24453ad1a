"""`iast-export compare`: two bundles side by side."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import MINUTES, PATH, PICTURES
from iast_export.cli.verbs import Verb
from iast_export.cli.verdicts import end_with
from iast_export.files.paths import check_not_overwriting

if TYPE_CHECKING:
    from iast_export.gate.rules import ComparisonRules
    from iast_export.reports.comparison import ComparisonReport


@click.command(cls=Verb)
@click.argument("base", metavar="BASE", type=PATH)
@click.argument("head", metavar="HEAD", type=PATH)
@click.option("--out", metavar="FILE", type=PATH, help="write what was measured, for `gate`")
@options.rules
@click.option(
    "--pictures",
    metavar="SET",
    default="evaluation",
    show_default=True,
    help="set name, set file or folder of photographs that calibrated neither",
)
@click.option(
    "--images",
    metavar="N",
    type=PICTURES,
    default=32,
    show_default=True,
    help="photographs at most",
)
@click.option(
    "--styles", metavar="N", type=PICTURES, default=12, show_default=True, help="styles at most"
)
@options.tiers
@options.threads
@click.option(
    "--minutes", metavar="N", type=MINUTES, default=10, show_default=True, help="the time box"
)
@click.option(
    "--time-same-files",
    is_flag=True,
    help="time files of equal bytes too, to learn what this machine can tell",
)
@options.verdict_files
@options.as_json
def compare(
    base: Path,
    head: Path,
    out: Path | None,
    rules: Path | None,
    pictures: str,
    images: int,
    styles: int,
    tiers: tuple[str, ...],
    threads: int,
    minutes: float,
    time_same_files: bool,
    junit: Path | None,
    markdown: Path | None,
    as_json: bool,
) -> None:
    """Two bundles side by side: is HEAD better or worse than BASE?

    Both are drawn and timed in turn in one run (A B B A, each round in a fresh process), so any
    machine will do. Each lane's time, its pictures against its own FP32 and against BASE's, and
    each style are better, worse, without a difference of the size that [comparison] of the rules
    asks for, or can't be judged; no verdict of a run is wrong with the confidence asked. Measuring
    goes on until all are decided or the time box ends. Files with the same bytes are not measured.
    The exit code is the gate's: 0, or 5, 6 or 7.

    \b
    Example:
      iast-export compare dist/main dist/new --out comparison.json
      iast-export compare dist/main dist/new --tier d3-256px --minutes 5 --markdown comparison.md
    """
    from iast_export.bundle.claims import made_files
    from iast_export.compare import CompareOptions
    from iast_export.compare import compare as run
    from iast_export.gate import load_rules
    from iast_export.gate.comparison import check_comparison
    from iast_export.reports.verdict import Verdict

    results = [path for path in (out, junit, markdown) if path is not None]
    given = [rules] if rules is not None else []
    check_not_overwriting(results, chain(given, made_files(base), made_files(head)))
    asked = load_rules(rules).comparison
    how = CompareOptions(pictures, images, styles, tiers, threads, 60.0 * minutes, time_same_files)
    with console.progress_bar() as progress:
        report = run(base, head, asked, how, progress)
    if out is not None:
        report.save(out)
    if not as_json:
        _print(report, asked)
    checks = tuple(check_comparison(report, asked))
    notes = tuple(f"{one} is new in HEAD, and was not compared" for one in report.adds)
    end_with(Verdict(bundle=head.name, checks=checks, notes=notes), junit, markdown, as_json)


def _print(report: ComparisonReport, rules: ComparisonRules) -> None:
    from iast_export.gate.comparison import answers, told

    rows = [(of, what, told(what, answer)) for (what, of), answer in answers(report, rules).items()]
    if rows:
        console.table(
            "HEAD against BASE; above 0 is worse, slower or further off",
            ("lane", "of", "verdict"),
            rows,
        )
