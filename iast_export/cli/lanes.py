"""`iast-export lanes`: every precision side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import BLOCKS
from iast_export.cli.verbs import Verb
from iast_export.specs import Accelerator


@click.command(cls=Verb)
@options.folder
@options.tiers
@options.threads
@click.option(
    "--blocks", metavar="N", type=BLOCKS, default=15, show_default=True, help="timing blocks a tier"
)
@options.accelerator("gpu: LiteRT's files of the bundle on its GPU delegate too")
@options.of_origin
def lanes(
    folder: Path,
    tiers: tuple[str, ...],
    threads: int,
    blocks: int,
    accelerator: Accelerator,
    as_json: bool,
    **given: Any,
) -> None:
    """Every precision side by side, timed and judged in one run.

    FP32, FP16, weight-only, dynamic and static INT8, 16x8 and searched, in both runtimes, on a
    build or bundle DIR. What the bundle lacks is made in DIR/lanes; the pictures calibrated
    nothing. A lane that does not run is a row that says why. The ceiling is everything in INT8 with
    the picture ignored, not for use. On a GPU fidelity is judged; a software driver has no times.
    The result is DIR/reports/lanes.json and a section of
    DIR/reports/report.html.

    \b
    Example:
      iast-export lanes dist/demo
      iast-export lanes dist/demo --tier d3-256px --json
    """
    from iast_export.build.compare import compare_build
    from iast_export.build.page import write_page
    from iast_export.build.request import Build
    from iast_export.lanes.compare import ComparisonOptions
    from iast_export.pages.lanes import ceiling_lines, gap_lines, lanes_rows
    from iast_export.reports.base import MANIFEST_NAME

    with console.progress_bar() as progress:
        build = Build(options.request_of(folder, **given), progress)
        timing = ComparisonOptions(threads=threads, blocks=blocks)
        report = compare_build(build, tiers, timing, accelerator)
    if (folder / MANIFEST_NAME).is_file():
        write_page(folder)
    if as_json:
        console.emit_json(report.model_dump(mode="json"))
        return
    console.table(
        f"{folder}: lanes, {threads} thread, {report.set.images} pictures", *lanes_rows(report)
    )
    for line in (*gap_lines(report), *ceiling_lines(report)):
        console.say(line)
    if report.gpu:
        console.say(f"GPU {report.gpu}")
    console.say(report.rule)
