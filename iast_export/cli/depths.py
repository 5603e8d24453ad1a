"""`iast-export depths`: what each depth of a network costs and buys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import BLOCKS
from iast_export.cli.verbs import Verb


@click.command(cls=Verb)
@options.folder
@options.tiers
@options.threads
@click.option(
    "--blocks", metavar="N", type=BLOCKS, default=15, show_default=True, help="timing blocks a size"
)
@click.option(
    "--pictures",
    metavar="SET",
    help="judge on up to 48 of a set, set file or folder; default: the recipe's evaluation set",
)
@options.of_origin
def depths(
    folder: Path,
    tiers: tuple[str, ...],
    threads: int,
    blocks: int,
    pictures: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Every depth of the network at every size of the plan: time against quality, the front.

    On a build or bundle DIR of a network with several depths, also of those that its plan leaves
    out. All depths of a size are timed in turn (ONNX Runtime) and judged on pictures that
    calibrated nothing: SSIM to the photograph where all have the same style, over the strengths.
    Without a strength to make styles equal, style distance and SSIM as they are. A depth is on the
    front where it is better than every faster one by a 95 % interval over photographs; the more of
    them, the smaller a gain that is seen. The result
    is DIR/reports/depths.json and a section of DIR/reports/report.html.

    \b
    Example:
      iast-export depths dist/demo
      iast-export depths dist/demo --tier d3-256px --pictures photographs --json
    """
    from iast_export.build.depths import compare_build_depths
    from iast_export.build.page import write_page
    from iast_export.build.request import Build
    from iast_export.lanes.compare import ComparisonOptions
    from iast_export.pages.depths import depths_rows, off_front, size_words
    from iast_export.reports.base import MANIFEST_NAME

    with console.progress_bar() as progress:
        build = Build(options.request_of(folder, **given), progress)
        timing = ComparisonOptions(threads=threads, blocks=blocks)
        report = compare_build_depths(build, tiers, timing, pictures)
    if (folder / MANIFEST_NAME).is_file():
        write_page(folder)
    if as_json:
        console.emit_json(report.model_dump(mode="json"))
        return
    title = f"{folder}: depths, {threads} thread, {report.set.images} pictures"
    console.table(title, *depths_rows(report))
    for size in report.sizes:
        console.say(size_words(size))
    if report.no_int8:
        console.say(f"INT8 does not run: {report.no_int8}")
    for line in off_front(report):
        console.remark(line)
