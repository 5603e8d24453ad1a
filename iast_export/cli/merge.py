"""`iast-export merge`: the shards of an evaluation as one."""

from __future__ import annotations

from pathlib import Path

import click

from iast_export.cli import options
from iast_export.cli.arguments import PATH
from iast_export.cli.evaluate import show
from iast_export.cli.verbs import Verb


@click.command(cls=Verb)
@click.argument("folders", metavar="FOLDER...", nargs=-1, required=True, type=PATH)
@click.option(
    "--out", required=True, metavar="FOLDER", type=PATH, help="plan, all rows and the report"
)
@options.as_json
def merge(folders: tuple[Path, ...], out: Path, as_json: bool) -> None:
    """The shards of an evaluation as one: all rows in their order, and the report over them.

    The result is the same, byte for byte, however the run was split and in whatever order its rows
    came. Intervals are over photographs and styles, drawn anew together. Exit code 7: a pair is not
    judged yet; 3 or 4: all are, but some failed, as `evaluate` says.

    \b
    Example:
      iast-export merge eval-1 eval-2 eval-3 --out eval
    """
    from iast_export.evaluate import failure_of, failures_of, merge_folders

    report = merge_folders(folders, out)
    show(report, as_json)
    if (error := failure_of(failures_of(report))) is not None:
        raise error
