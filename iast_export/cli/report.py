"""`iast-export report`: the page of a bundle, drawn anew."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import PATH
from iast_export.cli.verbs import Verb
from iast_export.files.paths import check_not_overwriting


@click.command(cls=Verb)
@options.folder
@click.option(
    "--against",
    metavar="DIR",
    type=PATH,
    help="another bundle, such as the previous one, to stand beside it",
)
@click.option(
    "--baseline",
    metavar="FILE",
    type=PATH,
    help="JSON of accepted figures; default: judged by rules alone",
)
@options.rules
@click.option(
    "--out",
    metavar="FILE",
    type=PATH,
    help="where to write the page; default: DIR/reports/report.html",
)
def report(
    folder: Path,
    against: Path | None,
    baseline: Path | None,
    rules: Path | None,
    out: Path | None,
) -> None:
    """The page of a finished bundle: pictures, verdict, figures.

    Made from the bundle's reports, with the gate's verdict of today; the exit code is not the
    verdict's. One file that asks the network for nothing, to be opened in any browser. `build`,
    `lanes`, `ladder` and `device import` write it too; the pictures in it were drawn by `build`.

    \b
    Example:
      iast-export report dist/demo
      iast-export report dist/demo --against dist/before --baseline baseline.json --out report.html
    """
    from iast_export.build.page import write_page
    from iast_export.bundle.claims import made_files

    given = [path for path in (baseline, rules) if path is not None]
    if out is not None:
        bundles = [one for one in (folder, against) if one is not None]
        check_not_overwriting([out], chain(given, *map(made_files, bundles)))
    page = write_page(folder, baseline=baseline, rules=rules, against=against, out=out)
    console.say(f"report  {page}")
