"""`iast-export doctor`: what this installation and machine can do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from iast_export.cli import console, options
from iast_export.cli.verbs import Verb

if TYPE_CHECKING:
    from iast_export.environment import Check


@click.command(cls=Verb)
@options.as_json
def doctor(as_json: bool) -> None:
    """What is installed and missing, what this processor and GPU can do.

    \b
    Example:
      iast-export doctor
    """
    from iast_export.environment import doctor as examine

    checks = [*examine(), *_gpu()]
    if as_json:
        console.emit_json([asdict(one) for one in checks])
    else:
        rows = [(c.name, c.status, c.detail, c.remedy) for c in checks]
        console.table("doctor", ("what", "status", "found", "remedy"), rows)


def _gpu() -> list[Check]:
    """The line on the GPU; none where what asks it is missing, which has a line of its own."""
    try:
        from iast_export.runtimes.gpu import check_gpu
    except ModuleNotFoundError:
        return []
    return [check_gpu()]
