"""`iast-export search`: which operator groups can be INT8 within budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import MINUTES, PATH
from iast_export.cli.verbs import Verb
from iast_export.specs import Runtime


@click.command(cls=Verb)
@options.folder
@click.option("--tier", required=True, metavar="ID", help="such as d3-256px")
@options.runtime("onnxruntime")
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="RULE",
    help="NAME>=VALUE or NAME<=VALUE; may be repeated",
)
@click.option(
    "--minutes",
    metavar="N",
    type=MINUTES,
    default=10.0,
    show_default=True,
    help="time box of this run",
)
@options.threads
@click.option(
    "--out", metavar="FOLDER", type=PATH, help="folder of the results  [default: DIR/search/ID]"
)
@options.of_origin
def search(
    folder: Path,
    tier: str,
    runtime: Runtime,
    budgets: tuple[str, ...],
    minutes: float,
    threads: int,
    out: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Per operator group INT8 or FP32, the fastest within budgets.

    The least measured latency at which budgets hold, for one tier and runtime of a build or bundle
    DIR. Budgets: psnr_db, ssim (higher is better), drop.ssim_content, drop.style_distance,
    drop.lpips_content, drop.identity, latency_ms, bytes (lower). Each is judged by its 95 % bound.
    Run again, it goes on from what is measured. Exit code 5: no file was found that holds them, or
    only the FP32 one before the time was out; the best found is written all the same.

    \b
    Example:
      iast-export search dist/demo --tier d3-256px --budget 'psnr_db>=42' --budget 'latency_ms<=15'
      iast-export search dist/demo --tier d3-256px --runtime litert --budget 'psnr_db>=47'
    """
    from iast_export.build.request import Build
    from iast_export.build.searching import search_build
    from iast_export.lanes.timing import clock_of
    from iast_export.pages.search import search_tables, verdict_words
    from iast_export.search import Options, TimingOptions, parse_budgets

    wanted = parse_budgets(budgets)
    _, clock_ns = clock_of(threads)
    chosen = Options(minutes, TimingOptions(threads=threads, clock_ns=clock_ns))
    with console.progress_bar() as progress:
        build = Build(options.request_of(folder, **given), progress)
        report = search_build(build, tier, wanted, out, chosen, runtime)
    if as_json:
        console.emit_json(report.model_dump(mode="json"))
    else:
        for title, columns, rows in search_tables(report):
            console.table(title, columns, rows)
        result = (out or folder / "search" / tier) / report.file
        measured = f"{report.measured} files measured, {report.measured_now} in this run"
        words = verdict_words(report)
        console.say(f"{words}: {result} ({measured}, {report.seconds:.0f} s)")
    raise click.exceptions.Exit(0 if report.verdict == "met" else 5)
