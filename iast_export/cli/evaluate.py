"""`iast-export evaluate`: a bundle over many photographs and styles, on any workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import PATH, WORKERS
from iast_export.cli.verbs import Verb
from iast_export.errors import UsageError

if TYPE_CHECKING:
    from iast_export.evaluate import Failures
    from iast_export.evaluate.engines import Engine
    from iast_export.reports.evaluation import Estimate, EvaluationReport


@click.command(cls=Verb)
@options.folder
@click.option(
    "--contents", required=True, metavar="SET", help="set name, set file or folder of photographs"
)
@click.option(
    "--styles", metavar="SET", help="the same of artworks; default: the styles of the bundle"
)
@click.option("--out", required=True, metavar="FOLDER", type=PATH, help="plan, rows and report")
@options.tiers
@click.option(
    "--own-shape", is_flag=True, help="keep each photograph's shape; else its middle square"
)
@click.option("--shard", metavar="I/N", help="judge the I-th of N parts alone, for `merge`")
@click.option(
    "--workers", metavar="N", type=WORKERS, help="processes at once; default: one for each core"
)
@click.option("--scheduler", metavar="ADDRESS", help="of a Dask cluster, such as tcp://host:8786")
@options.as_json
def evaluate(
    folder: Path,
    contents: str,
    styles: str | None,
    out: Path,
    tiers: tuple[str, ...],
    own_shape: bool,
    shard: str | None,
    workers: int | None,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Every photograph in every style by every lane, each judged once, as `verify` judges.

    Rows are added to FOLDER as they come: stopped or killed, run it again and it goes on. Shards
    may run anywhere, and `merge` makes the same report of them as of one run. A picture that can't
    be read or drawn is a row too, is tried again in the next run, and ends this one with exit code
    3, or 4 where a runtime failed. Workers of a Dask cluster (extra `cluster`) must see DIR and the
    pictures at the same paths.

    \b
    Example:
      iast-export evaluate dist/demo --contents photos --styles art --out eval
      iast-export evaluate dist/demo --contents photos --out eval-2 --shard 2/7
      iast-export evaluate dist/demo --contents photos --out eval --scheduler tcp://host:8786
    """
    from iast_export.evaluate import WHOLE, failure_of, sum_up
    from iast_export.evaluate import evaluate as run
    from iast_export.evaluate.plan import parse_shard, plan_run

    if workers is not None and scheduler is not None:
        raise UsageError(
            "--workers and --scheduler exclude each other", "a cluster has workers of its own"
        )
    part = WHOLE if shard is None else parse_shard(shard)
    with _engine(workers, scheduler) as engine:
        planned = plan_run(folder, contents, styles, tiers, own_shape)
        for name, reason in planned.plan.left_out.items():
            console.remark(f"{name} is left out: {reason}")
        with console.progress_bar() as progress:
            failures = run(planned, out, engine, part, progress)
    if part == WHOLE:
        show(sum_up(out), as_json)
    else:
        _show_part(part.name, failures, as_json)
    if (error := failure_of(failures)) is not None:
        raise error


@contextmanager
def _engine(workers: int | None, scheduler: str | None) -> Iterator[Engine]:
    from iast_export.environment import usable_cores
    from iast_export.evaluate.engines import dask, processes

    if scheduler is None:
        yield processes(workers or usable_cores())
        return
    with dask(scheduler) as engine:
        yield engine


def _show_part(name: str, failures: Failures, as_json: bool) -> None:
    failed = sum(failures.values())
    if as_json:
        console.emit_json({"shard": name, "failed": failed})
    else:
        console.say(f"shard {name} is judged, {failed} rows failed; `iast-export merge` sums up")


def show(report: EvaluationReport, as_json: bool) -> None:
    """A whole run, as JSON or as a table."""
    if as_json:
        console.emit_json(report.model_dump(mode="json"))
        return
    columns = ("lane", "pairs", "failed", "PSNR, dB", "p5", "SSIM", "drop, worst")
    rows = [
        (
            lane.label,
            str(lane.pairs),
            str(lane.failed),
            _words(lane.psnr_db, 1.0, 2),
            "" if lane.psnr_p5_db is None else f"{lane.psnr_p5_db:.2f}",
            _words(lane.ssim, 1.0, 4),
            _words(max(lane.drop.values(), key=lambda one: one.value, default=None), 100.0, 2, "%"),
        )
        for lane in report.lanes
    ]
    title = f"{report.contents} photographs in {report.styles} styles (95 % over both)"
    console.table(title, columns, rows)
    for one in report.failures:
        console.say(f"{one.rows} rows failed: {one.kind}: {one.message}")


def _words(found: Estimate | None, factor: float, digits: int, unit: str = "") -> str:
    if found is None:
        return ""
    value = f"{factor * found.value:.{digits}f}{unit}"
    if found.low is None or found.high is None:
        return value
    low, high = factor * found.low, factor * found.high
    return f"{value} ({low:.{digits}f} to {high:.{digits}f})"
