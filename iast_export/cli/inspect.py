"""`iast-export inspect`: what is in a model or a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import PATH
from iast_export.cli.verbs import Verb


@click.command(cls=Verb)
@click.argument("target", metavar="FILE|DIR", type=PATH)
@options.as_json
def inspect(target: Path, as_json: bool) -> None:
    """What is in a model or a bundle: tiers, shared bytes, operators.

    Needs no torch.

    \b
    Example:
      iast-export inspect dist/demo/models/iast-int8.tflite
    """
    from iast_export.bundle import inspection

    found = (
        inspection.inspect_bundle(target) if target.is_dir() else inspection.inspect_apart(target)
    )
    if as_json:
        console.emit_json(found)
        return
    from iast_export.pages.summary import inspection_tables

    for title, columns, rows in inspection_tables(found):
        console.table(title, columns, rows)
