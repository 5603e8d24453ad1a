"""`iast-export plan`: what INT8 would do to a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from iast_export.cli import console, options
from iast_export.cli.halves import say_halves
from iast_export.cli.verbs import Verb
from iast_export.errors import UsageError

if TYPE_CHECKING:
    from iast_export.reports.plan import PlanReport


@click.command(cls=Verb)
@options.of_build(out_required=False)
@click.option("--tier", metavar="ID", help="such as d3-256px  [default: the first]")
@options.threads
@click.option(
    "--measure",
    type=click.Choice(("cached", "again")),
    default="cached",
    show_default=True,
    help="what the cache lacks, or everything",
)
@click.option("--no-measure", is_flag=True, help="no times: only what INT8 would run as")
def plan(
    as_json: bool,
    tier: str | None,
    threads: int,
    measure: str,
    no_measure: bool,
    **given: Any,
) -> None:
    """What INT8 would do to the network, before anything is calibrated.

    Parameters and multiply-adds of every tier; then, for one tier and both runtimes, every operator
    group: what it is, whether INT8 has a kernel for it, its time in FP32 and INT8 on this machine,
    what the exporter does with it and why. A row is flagged where the measured cost speaks against
    that. Then which means over the whole picture can be lifted out of the tier's files, so that
    large pictures and clips are exact, and which can't. Where --out holds a calibrated build, its
    ranges say what a GPU's FP16 would not hold.
    Measurements are kept in the user's cache folder (XDG_CACHE_HOME); FP32 files of --out are
    used where they are fresh. Nothing else is written.

    \b
    Example:
      iast-export plan
      iast-export plan --out dist/demo --tier d1-1024px --json
      iast-export plan --network my_net:factory --recipe my.toml --measure again
    """
    from iast_export.build.request import Build
    from iast_export.plan import MeasureOptions, cache, plan_tier

    if no_measure and measure == "again":
        raise UsageError("--no-measure and --measure again exclude each other", "give one of them")
    if kept := cache.fallback():
        console.remark(f"{kept}: measurements are kept in {cache.cache_dir()}; set XDG_CACHE_HOME")
    chosen = MeasureOptions(
        "no" if no_measure else "again" if measure == "again" else "cached", threads
    )
    request = options.request_of(given.pop("out") or Path("dist"), **given)
    with console.progress_bar() as progress:
        report = plan_tier(Build(request, progress), tier, chosen)
    if as_json:
        console.emit_json(report.model_dump(mode="json"))
    else:
        _print(report)


def _print(report: PlanReport) -> None:
    from iast_export.pages import plan as words

    console.table(*words.tiers_table(report.tiers))
    for runtime in report.runtimes:
        console.wide_table(*words.runtime_table(report, runtime))
        notes = [*words.rewrite_words(runtime), *words.refusals(runtime)]
        for line in (*notes, words.conversion_words(runtime), words.total_words(runtime)):
            console.say(line)
    for line in words.statistics_of(report):
        console.say(f"lifted  {line}")
    say_halves(None if report.half is None else [report.half])
