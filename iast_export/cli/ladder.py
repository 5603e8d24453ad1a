"""`iast-export ladder`: PyTorch to INT8 step by step."""

from __future__ import annotations

from pathlib import Path

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import PATH, PICTURES
from iast_export.cli.verbs import Verb
from iast_export.specs import Accelerator


@click.command(cls=Verb)
@options.folder
@options.tiers
@click.option(
    "--pictures", metavar="N", type=PICTURES, default=2, show_default=True, help="how many"
)
@click.option(
    "--recipe",
    metavar="FILE",
    type=PATH,
    help="whose [verify] set the pictures are of; default: the packaged one",
)
@options.accelerator("gpu: FP16 on LiteRT's GPU delegate too, simulated and real")
@options.checkpoint
@options.network
@options.as_json
def ladder(
    folder: Path,
    tiers: tuple[str, ...],
    pictures: int,
    recipe: Path | None,
    accelerator: Accelerator,
    checkpoint: Path | None,
    network: str | None,
    as_json: bool,
) -> None:
    """PyTorch to INT8 step by step, and what each step changes.

    The same pictures of a bundle DIR through PyTorch, ONNX FP32, ONNX INT8 with optimizations off
    and on, LiteRT FP32, LiteRT INT8 with reference kernels and with XNNPACK, each step compared
    with the one before. The result is a section of DIR/reports/report.html. Exit code 5: a step
    that should not change the picture does; 7: a step could not run.

    \b
    Example:
      iast-export ladder dist/demo
      iast-export ladder dist/demo --tier d3-256px --pictures 4 --json
      iast-export ladder dist/demo --accelerator gpu
    """
    climb(folder, tiers, pictures, recipe, checkpoint, network, as_json, accelerator)


def climb(
    folder: Path,
    tiers: tuple[str, ...],
    pictures: int,
    recipe: Path | None,
    checkpoint: Path | None,
    network: str | None,
    as_json: bool,
    accelerator: Accelerator = "cpu",
) -> None:
    """Runs the ladder, prints it and ends with its exit code."""
    from iast_export.build.page import write_page
    from iast_export.ladder import climb as run
    from iast_export.pages.ladder import ladder_table
    from iast_export.recipe import load_recipe

    with console.progress_bar() as progress:
        report = run(
            folder,
            load_recipe(recipe).verify.set,
            pictures,
            network=network,
            checkpoint=checkpoint,
            tiers=tiers,
            accelerator=accelerator,
            progress=progress,
        )
    write_page(folder)
    if as_json:
        console.emit_json(report.model_dump(mode="json"))
    else:
        console.table(f"{folder}: parity ladder", *ladder_table(report))
        processor = report.processor
        lacks = ", ".join(processor.lacks) or "nothing"
        console.say(f"processor {processor.cpu}: lacks {lacks}; {processor.remark}")
        if report.gpu:
            console.say(f"GPU {report.gpu}")
        for row in (*report.gaps, *report.anomalies):
            console.say(f"{row.tier}: {row.step}: {row.not_run or row.anomaly}")
    raise click.exceptions.Exit(7 if report.gaps else 5 if report.anomalies else 0)
