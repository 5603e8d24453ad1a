"""`iast-export check`: files written by hand, before a build."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iast_export.cli import console, options, streams
from iast_export.cli.arguments import PATH
from iast_export.cli.verbs import Verb

if TYPE_CHECKING:
    from iast_export.checking import SettingsKind


@click.command(cls=Verb)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=PATH)
@click.option(
    "--as", "kind", type=click.Choice(("recipe", "rules", "set")), help="default: by content"
)
@options.as_json
def check(files: tuple[Path, ...], kind: SettingsKind | None, as_json: bool) -> None:
    """Whether recipes, gate rules and picture sets can be used. Needs no torch.

    Pictures that a set names are not opened. Exit code 2: a file can't be used; 3: one is missing.

    \b
    Example:
      iast-export check recipe.toml rules.toml
    """
    from iast_export.checking import check_files, exit_code

    found = check_files(files, kind)
    if as_json:
        console.emit_json([asdict(one) for one in found])
    else:
        for one in found:
            if one.exit_code:
                streams.complain(f"{one.message}\n  → {one.remedy}")
            else:
                console.say(f"{one.path}: can be used ({one.kind})")
    raise click.exceptions.Exit(exit_code(found))
