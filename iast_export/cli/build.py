"""`iast-export build`: the whole pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from iast_export.cli import console, options
from iast_export.cli.stages import run_stages
from iast_export.cli.verbs import Verb

if TYPE_CHECKING:
    from iast_export.build.request import Request


@click.command(cls=Verb)
@options.of_build()
def build(as_json: bool, **given: Any) -> None:
    """The whole pipeline: checkpoint to verified bundle.

    Without arguments but --out: the packaged checkpoint, recipe, calibration set and styles. A
    network of your own without --recipe gets the packaged depth plan in the depths that it has.
    Run again, it makes only what is stale. Lanes that are slower than FP32 or lose the picture are
    named at the end; they are never a default.

    \b
    Example:
      iast-export build --out dist/demo
      iast-export build my.safetensors --calibration photos/ --out dist/mine
      iast-export build --network my_net:factory --out dist/mine
    """
    from iast_export.environment import require_build

    require_build()
    request = options.request_of(**given)
    _tell_of_checkpoint(request)
    run_stages(request, None, as_json)
    if not as_json:
        _summary(request.out)
        note = styles_note(request)
        if note is not None:
            console.say(note)


def styles_note(request: Request) -> str | None:
    """A line where a built network was calibrated and judged on drawn styles, for want of artworks.

    None where artworks were given, or one style is trained in.
    """
    from iast_export.network.adapters import PACKAGED
    from iast_export.reports.manifest import load_manifest
    from iast_export.specs import style_codes_of

    own = request.network != PACKAGED or request.checkpoint is not None
    if not own or request.styles is not None:
        return None
    if not style_codes_of(load_manifest(request.out).network.code_shapes):
        return None
    return (
        "note    styles are drawn by the project, since --styles names no folder: INT8 is "
        "calibrated on pictures of more contrast than artworks have, and judged on some that are "
        "like artworks; give --styles FOLDER with those that you ship, for ranges of their own"
    )


def _tell_of_checkpoint(request: Request) -> None:
    """Says on stderr where a checkpoint of the IAST could be altered unseen."""
    from iast_export.network.adapters import PACKAGED

    if request.checkpoint is not None and request.network == PACKAGED:
        from iast_export.network.checkpoint import checkpoint_note

        if note := checkpoint_note(request.checkpoint):
            console.remark(note)


def _summary(folder: Path) -> None:
    from iast_export.lanes.default_lane import load_hops, load_overflows, load_warnings
    from iast_export.pages.summary import (
        calibration_line,
        fallback_lines,
        four_thirds_lines,
        statistics_lines,
        summary_rows,
    )

    columns, rows = summary_rows(folder)
    console.table(f"{folder}", columns, rows)
    console.say(calibration_line(folder))
    for line in statistics_lines(folder):
        console.say(f"lifted  {line}")
    notes = (four_thirds_lines, fallback_lines, load_warnings, load_hops, load_overflows)
    for line in (line for told in notes for line in told(folder)):
        console.say(f"note    {line}")
    console.say(f"bundle  {folder}")
    console.say(f"report  {folder / 'reports' / 'report.html'}")
