"""`iast-export device`: results of phones."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import PATH, SECONDS
from iast_export.cli.verbs import VerbGroup
from iast_export.specs import PRECISIONS, Accelerator


@click.group(cls=VerbGroup)
def device() -> None:
    """Results of phones: run the demo's checks over adb, or take in a file.

    \b
    Example:
      iast-export device bench dist/demo
      iast-export device import selftest.json --bundle dist/demo
    """


@device.command("import")
@click.argument("result", metavar="RESULT.json", type=PATH)
@click.option(
    "--bundle",
    "folder",
    metavar="DIR",
    type=PATH,
    required=True,
    help="the bundle that the app carried",
)
@options.as_json
def device_import(result: Path, folder: Path, as_json: bool) -> None:
    """Validates a phone's self-test or benchmark and adds it to the bundle's report.

    A self-test that did not pass is added too, and ends with exit code 5.

    \b
    Example:
      iast-export device import selftest.json --bundle dist/demo
    """
    from iast_export.device import import_result

    _tell(import_result(result, folder), folder, as_json)


@device.command("bench")
@options.folder
@click.option("--selftest", is_flag=True, help="the self-test instead of the benchmark")
@click.option("--serial", metavar="ID", help="of the phone, where several are connected")
@click.option("--core-mask", metavar="HEX", help="cores the app may use, such as f0 for 4 to 7")
@click.option(
    "--samples",
    metavar="N",
    type=click.IntRange(1, 1000),
    default=30,
    show_default=True,
    help="timed runs per lane and tier; a 90th percentile needs 29",
)
@click.option(
    "--accelerator",
    "accelerators",
    multiple=True,
    type=click.Choice(get_args(Accelerator)),
    help="alone, may be given again  [default: all]",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(PRECISIONS),
    help="alone, may be given again  [default: all]",
)
@click.option(
    "--files",
    multiple=True,
    type=click.Choice(("tiers", "dispatch")),
    help="a file per tier, or ONNX Runtime's that dispatches  [default: both]",
)
@click.option(
    "--timeout-s",
    metavar="N",
    type=SECONDS,
    default=1800,
    show_default=True,
    help="seconds to wait for the app",
)
@click.option("--out", metavar="FILE", type=PATH, help="also keep the phone's own file here")
@options.as_json
def device_bench(
    folder: Path,
    selftest: bool,
    serial: str | None,
    core_mask: str | None,
    samples: int,
    accelerators: tuple[str, ...],
    precisions: tuple[str, ...],
    files: tuple[str, ...],
    timeout_s: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Runs the installed app on a phone over adb and adds its result to the bundle's report.

    Lane by lane, one model at a time, each where it is asked to compute and nowhere else. A lane
    that the phone can't open is a row with its words.

    \b
    Example:
      iast-export device bench dist/demo
      iast-export device bench dist/demo --selftest --accelerator gpu
      iast-export device bench dist/demo --serial R58N --core-mask f0 --out pixel.json
    """
    from iast_export.device import BenchOptions, bench

    chosen = BenchOptions(
        kind="selftest" if selftest else "benchmark",
        serial=serial,
        core_mask=core_mask,
        samples=samples,
        accelerators=accelerators,
        precisions=precisions,
        files=files,
        timeout_s=float(timeout_s),
    )
    with console.progress_bar() as progress:
        path = bench(folder, chosen, out, progress)
    _tell(path, folder, as_json)


def _tell(path: Path, folder: Path, as_json: bool) -> None:
    from iast_export.device.importing import describe

    if as_json:
        console.emit_json(describe(path))
        return
    console.say(f"result  {path}")
    console.say(f"report  {folder / 'reports' / 'report.html'}")
