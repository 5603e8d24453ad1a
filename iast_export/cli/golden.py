"""`iast-export golden`: the golden pictures of a bundle, drawn again."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import TARGET
from iast_export.cli.verbs import Verb
from iast_export.specs import USUAL, Accelerator

if TYPE_CHECKING:
    from iast_export.lanes.golden_check import GoldenOutcome


@click.command(cls=Verb)
@options.folder
@click.option("--runtime", type=TARGET, default=USUAL, show_default=True)
@options.accelerator("gpu: LiteRT's delegate, all of the model or nothing")
@options.tiers
@options.as_json
def golden(
    folder: Path, runtime: str, accelerator: Accelerator, tiers: tuple[str, ...], as_json: bool
) -> None:
    """The golden pictures of a bundle, drawn again on this machine.

    By one runtime, on the CPU or a GPU; ONNX Runtime's file that dispatches draws them too. A
    model runs on the GPU whole or not at all; before that it is said what would overflow in FP16
    there. Exit code 5: a picture differs by more than the manifest allows.

    \b
    Example:
      iast-export golden dist/demo
      iast-export golden dist/demo --accelerator gpu --tier d3-256px
    """
    check(folder, accelerator, tiers, as_json, runtime)


def check(
    folder: Path,
    accelerator: Accelerator,
    tiers: tuple[str, ...],
    as_json: bool,
    runtime: str = USUAL,
) -> None:
    """Draws the pictures, prints how they compare and ends with the exit code."""
    from iast_export.lanes.golden_check import check_goldens, fp16_overflows
    from iast_export.runtimes.target import TARGETS

    risks = fp16_overflows(folder, tiers) if accelerator == "gpu" else {}
    for tier, overflows in risks.items() if not as_json else ():
        for one in overflows:
            console.say(f"note    {tier}: {one}")
    with console.progress_bar() as progress:
        found = check_goldens(folder, accelerator, tiers, progress, runtime)
    if as_json:
        goldens = [{**asdict(one), "passed": one.passed} for one in found]
        fp16 = {tier: [asdict(one) for one in overflows] for tier, overflows in risks.items()}
        console.emit_json({"goldens": goldens, "fp16_overflows": fp16})
    else:
        columns = ("tier", "precision", "file", "golden picture", "levels", "PSNR")
        title = f"{folder}: {TARGETS[runtime].label} on the {accelerator.upper()}"
        console.table(title, columns, [_row(one) for one in found])
    raise click.exceptions.Exit(0 if all(one.passed for one in found) else 5)


def _row(one: GoldenOutcome) -> tuple[str, ...]:
    levels = f"{one.worst_levels} of {one.tolerance_levels}"
    word = "pass" if one.passed else "fail"
    file = "dispatch" if one.role == "dispatch" else "tier"
    return one.tier, one.precision, file, word, levels, f"{one.psnr_db:.1f} dB"
