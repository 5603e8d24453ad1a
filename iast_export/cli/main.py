"""The command line: the only place that prints and that turns errors into exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from iast_export import __version__
from iast_export.cli import console, mishaps
from iast_export.cli.arguments import BLOCKS, MINUTES, PATH, PICTURES, SECONDS, STRENGTH, THREADS
from iast_export.errors import IastExportError, InputError, UsageError
from iast_export.files.artifacts import write_atomic
from iast_export.files.paths import check_not_overwriting
from iast_export.files.temporary import scratch
from iast_export.reports.verdict import Verdict
from iast_export.specs import RUNTIMES, Accelerator, Precision, Runtime

F = TypeVar("F", bound=Callable[..., Any])
_VERBOSE = click.option(
    "-v", "--verbose", is_flag=True, help="say every step, also where output is no terminal"
)
_RUNS = "its code is run, so name only code that you trust [default: the packaged IAST]"
_JSON = click.option("--json", "as_json", is_flag=True, help="report as JSON on stdout")
EXIT_CODES = """\b
Exit codes: 0 pass, 1 a bug of ours, 2 usage or recipe, 3 input or artifact missing,
unreadable or altered, 4 a wrapped tool failed, 5 accuracy below the rule, 6 slower or
larger than the rule, 7 cannot judge."""


@click.group(
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="iast-export")
def app() -> None:
    """From a trained style-transfer network to a verified mobile bundle: ONNX and TFLite, INT8,
    subnetworks chosen by resolution, measured against FP32.

    \b
    Example:
      iast-export build --out dist/demo
      iast-export stylize dist/demo --content photo.jpg --style cafe --out pictures
    """


def main() -> None:
    """As `iast-export`, in a process of its own: `__main__` calls it."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command line and returns its exit code; only a bug of ours raises."""
    code = _outcome(arguments)
    lost = console.finish()
    if lost is None or code:
        return code
    return _told(mishaps.of_output(lost))


def _outcome(arguments: list[str]) -> int:
    try:
        with scratch(), console.notes():
            result = _invoked(arguments)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        console.explain(error.ctx.get_help())
        return 2
    except click.ClickException as error:
        return _told_of_usage(error)
    except (click.Abort, KeyboardInterrupt):
        return _stopped()
    except SystemExit as error:
        return _told(mishaps.of_exit(error))
    except Exception as error:
        if isinstance(error, BrokenPipeError) and console.is_unread():
            return 0
        known = mishaps.known(error)
        if known is None:
            raise
        return _told(known)
    return result if isinstance(result, int) else 0


def _invoked(arguments: list[str]) -> object:
    """Parses and runs; unlike `app.main`, it turns no broken pipe into an exit code of its own."""
    if "_IAST_EXPORT_COMPLETE" in os.environ:  # the shell asks for completions
        return app.main(arguments, prog_name="iast-export", standalone_mode=False)
    with app.make_context("iast-export", arguments) as context:
        return app.invoke(context)


def _told(error: IastExportError) -> int:
    console.complain(str(error))
    return error.exit_code


def _told_of_usage(error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    if context is not None:
        console.explain(f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n")
    console.complain(error.format_message())
    return 2


def _stopped() -> int:
    console.explain("stopped; what is finished stays, and the next run goes on from there")
    console.finish()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGINT)
    return 130  # where the signal is blocked


def _build_options(command: F) -> F:
    return _with_options(command, out_required=True)


def _with_options(command: F, *, out_required: bool) -> F:
    options = [
        click.argument("checkpoint", required=False, type=PATH),
        click.option("--out", required=out_required, type=PATH, help="the bundle's folder"),
        click.option(
            "--recipe", type=PATH, help="TOML with every choice; default: the packaged one"
        ),
        click.option(
            "--calibration", metavar="SET", help="set name, set file or folder of photographs"
        ),
        click.option(
            "--styles", type=PATH, help="folder of style pictures; default: the packaged styles"
        ),
        click.option("--network", metavar="MODULE:FACTORY", help=f"a network of your own; {_RUNS}"),
        _VERBOSE,
        _JSON,
    ]
    return _with(command, options)


def _with_origin(command: F) -> F:
    """Options of a verb on a finished DIR: what it was built with, if not the defaults."""
    options = [
        click.option(
            "--recipe", type=PATH, help="that DIR was built with; default: the packaged one"
        ),
        click.option("--checkpoint", type=PATH, help="that DIR was built from"),
        click.option("--calibration", metavar="SET", help="that DIR was built with"),
        click.option("--styles", type=PATH, help="that DIR was built with"),
        click.option(
            "--network", metavar="MODULE:FACTORY", help=f"that DIR was built from; {_RUNS}"
        ),
        _VERBOSE,
        _JSON,
    ]
    return _with(command, options)


def _with(command: F, options: Sequence[Callable[[F], F]]) -> F:
    """Adds options so that help shows them in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def _request(**options: Any) -> Any:
    from iast_export.build.pipeline import Request

    out = options["out"]
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file, a folder is needed", "choose another --out")
    return Request.of_options(**options)


def _run_stages(request: Any, only: str | None, verbose: bool, as_json: bool) -> None:
    from iast_export.build.pipeline import Build, run_stages

    with console.progress_bar(verbose) as progress:
        results = run_stages(Build(request, progress), only)
    if as_json:
        console.emit_json(
            {
                r.stage: {
                    "ran": r.ran,
                    "seconds": round(r.seconds, 1),
                    "outputs": [p.relative_to(request.out).as_posix() for p in r.outputs],
                }
                for r in results
            }
        )
        return
    rows = [
        (r.stage, "made" if r.ran else "fresh", str(len(r.outputs)), f"{r.seconds:.1f} s")
        for r in results
    ]
    console.table(f"{request.out}", ("stage", "", "files", "time"), rows)


@app.command()
@_build_options
def build(verbose: bool, as_json: bool, **options: Any) -> None:
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
    request = _request(**options)
    _tell_of_checkpoint(request)
    _run_stages(request, None, verbose, as_json)
    if not as_json:
        _summary(request.out)


def _tell_of_checkpoint(request: Any) -> None:
    """Says on stderr where a checkpoint of the IAST could be altered unseen."""
    from iast_export.network.adapters import PACKAGED

    if request.checkpoint is not None and request.network == PACKAGED:
        from iast_export.network.checkpoint import checkpoint_note

        if note := checkpoint_note(request.checkpoint):
            console.explain(f"note: {note}")


def _summary(folder: Path) -> None:
    from iast_export.lanes.default_lane import load_hops, load_warnings
    from iast_export.pages.summary import calibration_line, summary_rows

    columns, rows = summary_rows(folder)
    console.table(f"{folder}", columns, rows)
    console.say(calibration_line(folder))
    for line in [*load_warnings(folder), *load_hops(folder)]:
        console.say(f"note    {line}")
    console.say(f"bundle  {folder}")
    console.say(f"report  {folder / 'reports' / 'report.html'}")


_STAGE_HELP = {
    "export": "ONNX FP32: one model per tier, the dispatching model, the style encoder.",
    "convert": "TFLite FP32: one file, one fixed-shape signature per tier, weights shared.",
    "prepare": "The FP32 files that INT8 is made of: channels that share a scale are made alike.",
    "calibrate": "Activation ranges per tier and runtime, from photographs x styles.",
    "learn": "Weights rounded for the least error of each layer; biases, where asked.",
    "quantize": "INT8 in both runtimes, and FP16 and dynamic INT8 in LiteRT.",
    "bench": "Latency against FP32 of the same runtime, interleaved; memory; size.",
    "bundle": "Styles, golden pictures, manifest and HTML report.",
}


def _stage_command(name: str, text: str) -> None:
    def command(verbose: bool, as_json: bool, **options: Any) -> None:
        _run_stages(_request(**options), name, verbose, as_json)

    command.__doc__ = f"""{text}

    One stage alone, on the artifacts of the earlier ones in --out.

    \b
    Example:
      iast-export {name} --out dist/demo
    """
    app.command(name)(_build_options(command))


for _name, _text in _STAGE_HELP.items():
    _stage_command(_name, _text)


def verify(
    verbose: bool,
    as_json: bool,
    as_ladder: bool,
    accelerator: Accelerator | None,
    tiers: tuple[str, ...],
    pictures: int | None,
    **options: Any,
) -> None:
    """Fidelity and task scores against FP32, on pictures that calibrated nothing.

    One stage alone, on the artifacts of the earlier ones in --out. With --ladder a finished bundle
    DIR
    instead: the same pictures through PyTorch, ONNX FP32, ONNX INT8 with optimizations off and on,
    LiteRT FP32, LiteRT INT8 with reference kernels and with XNNPACK, each step's error to the step
    before. Exit code 5: a step that should not change the picture does; 7: a step could not run.
    With --accelerator: the golden pictures of a finished bundle DIR drawn again by LiteRT there, on
    a GPU whole or not at all. Exit code 5: one differs by more than the manifest allows.

    \b
    Example:
      iast-export verify --out dist/demo
      iast-export verify dist/demo --ladder --tier d4-256px --json
      iast-export verify dist/demo --accelerator gpu
    """
    if accelerator is not None:
        if as_ladder or pictures:
            raise UsageError(
                "--accelerator checks the golden pictures", "leave --ladder and --pictures out"
            )
        _check_goldens(options, accelerator, tiers, verbose, as_json)
        return
    if as_ladder:
        _climb(options, tiers, pictures or 2, as_json)
        return
    if options["out"] is None:
        raise UsageError(
            "Missing option '--out'", "give the bundle's folder, or --ladder with a bundle"
        )
    if tiers or pictures:
        raise UsageError("--tier and --pictures need --ladder", "add --ladder, or leave them out")
    _run_stages(_request(**options), "verify", verbose, as_json)


_LADDER_OPTIONS = (
    click.option(
        "--ladder", "as_ladder", is_flag=True, help="PyTorch to INT8 step by step, of a bundle DIR"
    ),
    click.option(
        "--accelerator",
        type=click.Choice(get_args(Accelerator)),
        help="the golden pictures of a bundle DIR, by LiteRT there",
    ),
    click.option(
        "--tier", "tiers", multiple=True, help="with those two: this tier alone; may be repeated"
    ),
    click.option("--pictures", type=PICTURES, help="with --ladder: how many  [default: 2]"),
)
_verify = _with_options(verify, out_required=False)
for _option in _LADDER_OPTIONS:
    _verify = _option(_verify)
app.command("verify")(_verify)


def _check_goldens(
    options: dict[str, Any],
    accelerator: Accelerator,
    tiers: tuple[str, ...],
    verbose: bool,
    as_json: bool,
) -> None:
    from dataclasses import asdict

    from iast_export.lanes.golden_check import check_goldens, fp16_overflows

    folder = options["out"] or options["checkpoint"]
    if folder is None:
        raise UsageError(
            "--accelerator needs a bundle",
            f"write `iast-export verify DIR --accelerator {accelerator}`",
        )
    risks = fp16_overflows(folder, tiers) if accelerator == "gpu" else {}
    for tier, overflows in risks.items() if not as_json else ():
        for one in overflows:
            console.say(f"note    {tier}: {one}")
    with console.progress_bar(verbose) as progress:
        found = check_goldens(folder, accelerator, tiers, progress)
    if as_json:
        goldens = [{**asdict(one), "passed": one.passed} for one in found]
        fp16 = {tier: [asdict(one) for one in overflows] for tier, overflows in risks.items()}
        console.emit_json({"goldens": goldens, "fp16_overflows": fp16})
    else:
        rows = [
            (
                one.tier,
                one.precision,
                "pass" if one.passed else "fail",
                f"{one.worst_levels} of {one.tolerance_levels}",
                f"{one.psnr_db:.1f} dB",
            )
            for one in found
        ]
        columns = ("tier", "precision", "golden picture", "levels", "PSNR")
        console.table(f"{folder}: LiteRT on the {accelerator.upper()}", columns, rows)
    raise click.exceptions.Exit(0 if all(one.passed for one in found) else 5)


def _climb(options: dict[str, Any], tiers: tuple[str, ...], pictures: int, as_json: bool) -> None:
    from iast_export.ladder import climb
    from iast_export.pages import write_html
    from iast_export.pages.ladder import ladder_table
    from iast_export.recipe import load_recipe

    given, out = options["checkpoint"], options["out"]
    folder, checkpoint = (out, given) if out is not None else (given, None)
    if folder is None:
        raise UsageError("--ladder needs a bundle", "write `iast-export verify DIR --ladder`")
    if options["calibration"] or options["styles"]:
        raise UsageError("--ladder takes no --calibration and no --styles", "leave them out")
    with console.progress_bar() as progress:
        report = climb(
            folder,
            load_recipe(options["recipe"]).verify.set,
            pictures,
            network=options["network"],
            checkpoint=checkpoint,
            tiers=tiers,
            progress=progress,
        )
    write_html(folder)
    if as_json:
        console.emit_json(report.model_dump(mode="json"))
    else:
        console.table(f"{folder}: parity ladder", *ladder_table(report))
        processor = report.processor
        lacks = ", ".join(processor.lacks) or "nothing"
        console.say(f"processor {processor.cpu}: lacks {lacks}; {processor.remark}")
        for row in (*report.gaps, *report.anomalies):
            console.say(f"{row.tier}: {row.step}: {row.not_run or row.anomaly}")
    raise click.exceptions.Exit(7 if report.gaps else 5 if report.anomalies else 0)


def plan(
    verbose: bool,
    as_json: bool,
    tier: str | None,
    threads: int,
    measure: str,
    no_measure: bool,
    **options: Any,
) -> None:
    """Before anything is calibrated: what the network's operators are, and what INT8 would do to
    them.

    Parameters and multiply-adds of every tier; then, for one tier and both runtimes, every operator
    group: what it is, whether INT8 has a kernel for it, its time in FP32 and INT8 on this machine,
    what the exporter does with it and why. A row is flagged where the measured cost speaks against
    that. Measurements are kept in the user's cache folder (XDG_CACHE_HOME); FP32 files of --out are
    used where they are fresh. Nothing else is written.

    \b
    Example:
      iast-export plan
      iast-export plan --out dist/demo --tier d1-1024px --json
      iast-export plan --network my_net:factory --recipe my.toml --measure again
    """
    from iast_export.build.pipeline import Build
    from iast_export.pages.plan import (
        conversion_words,
        refusals,
        rewrite_words,
        runtime_table,
        tiers_table,
        total_words,
    )
    from iast_export.plan import MeasureOptions, cache, plan_tier

    if no_measure and measure == "again":
        raise UsageError("--no-measure and --measure again exclude each other", "give one of them")
    if kept := cache.fallback():
        console.explain(
            f"note: {kept}: measurements are kept in {cache.cache_dir()}; set XDG_CACHE_HOME"
        )
    chosen = MeasureOptions(
        "no" if no_measure else "again" if measure == "again" else "cached", threads
    )
    folder = options.pop("out") or Path("dist")
    with console.progress_bar(verbose) as progress:
        report = plan_tier(Build(_request(out=folder, **options), progress), tier, chosen)
    if as_json:
        console.emit_json(report.model_dump(mode="json"))
        return
    console.table(*tiers_table(report.tiers))
    for runtime in report.runtimes:
        console.wide_table(*runtime_table(report, runtime))
        notes = [*rewrite_words(runtime), *refusals(runtime)]
        for line in (*notes, conversion_words(runtime), total_words(runtime)):
            console.say(line)


_PLAN_OPTIONS = (
    click.option("--tier", metavar="ID", help="such as d4-256px  [default: the first]"),
    click.option("--threads", type=THREADS, default=1, show_default=True),
    click.option(
        "--measure",
        type=click.Choice(("cached", "again")),
        default="cached",
        show_default=True,
        help="what the cache lacks, or everything",
    ),
    click.option("--no-measure", is_flag=True, help="no times: only what INT8 would run as"),
)
_plan = _with_options(plan, out_required=False)
for _option in _PLAN_OPTIONS:
    _plan = _option(_plan)
app.command("plan")(_plan)


@app.command()
@click.argument("folder", metavar="DIR", type=PATH)
@click.option("--tier", required=True, metavar="ID", help="such as d4-256px")
@click.option("--runtime", type=click.Choice(RUNTIMES), default="onnxruntime", show_default=True)
@click.option(
    "--budget", "budgets", multiple=True, help="NAME>=VALUE or NAME<=VALUE; may be repeated"
)
@click.option(
    "--minutes",
    type=MINUTES,
    default=10.0,
    show_default=True,
    help="time box of this run",
)
@click.option("--threads", type=THREADS, default=1, show_default=True)
@click.option("--out", type=PATH, help="folder of the results  [default: DIR/search/ID]")
@_with_origin
def search(
    folder: Path,
    tier: str,
    runtime: Runtime,
    budgets: tuple[str, ...],
    minutes: float,
    threads: int,
    out: Path | None,
    verbose: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Per operator group INT8 or FP32, so that budgets hold at the least measured latency.

    For one tier and runtime of a build or bundle DIR. Budgets: psnr_db, ssim (higher is better),
    drop.ssim_content, drop.style_distance, drop.lpips_content, drop.identity, latency_ms, bytes
    (lower). Each is judged by its 95 % bound. Run again, it goes on from what is measured. Exit
    code 5: no file was found that holds them, or only the FP32 one before the time was out; the
    best found is written all the same.

    \b
    Example:
      iast-export search dist/demo --tier d4-256px --budget 'psnr_db>=42' --budget 'latency_ms<=15'
      iast-export search dist/demo --tier d4-256px --runtime litert --budget 'psnr_db>=47'
    """
    from iast_export.build.pipeline import Build
    from iast_export.pages.search import search_tables, verdict_words
    from iast_export.search import Options, TimingOptions, parse_budgets
    from iast_export.search.of_build import search_build

    wanted = parse_budgets(budgets)
    chosen = Options(minutes, TimingOptions(threads=threads))
    with console.progress_bar(verbose) as progress:
        build = Build(_request(out=folder, **options), progress)
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


@app.command()
@click.argument("folder", metavar="DIR", type=PATH)
@click.option(
    "--tier", "tiers", multiple=True, metavar="ID", help="this tier alone; may be repeated"
)
@click.option("--threads", type=THREADS, default=1, show_default=True)
@click.option(
    "--blocks",
    type=BLOCKS,
    default=15,
    show_default=True,
    help="timing blocks a tier",
)
@_with_origin
def lanes(
    folder: Path,
    tiers: tuple[str, ...],
    threads: int,
    blocks: int,
    verbose: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Every precision side by side: FP32, FP16, weight-only, dynamic and static INT8, 16x8,
    searched.

    For both runtimes, on a build or bundle DIR. What the bundle lacks is made in DIR/lanes, all
    lanes of a tier are timed in one run and judged on pictures that calibrated nothing. A lane that
    does not run is a row that says why. The ceiling is everything in INT8 with the picture ignored,
    not for use. The result is DIR/reports/lanes.json and a section of DIR/reports/report.html.

    \b
    Example:
      iast-export lanes dist/demo
      iast-export lanes dist/demo --tier d4-256px --json
    """
    from iast_export.build.pipeline import Build
    from iast_export.pages import write_html
    from iast_export.pages.side_by_side import ceiling_lines, gap_lines, lanes_rows
    from iast_export.reports.base import MANIFEST_NAME
    from iast_export.side_by_side import TimingOptions, compare_lanes

    with console.progress_bar(verbose) as progress:
        build = Build(_request(out=folder, **options), progress)
        report = compare_lanes(build, tiers, TimingOptions(threads=threads, blocks=blocks))
    if (folder / MANIFEST_NAME).is_file():
        write_html(folder)
    if as_json:
        console.emit_json(report.model_dump(mode="json"))
        return
    console.table(
        f"{folder}: lanes, {threads} thread, {report.set.images} pictures", *lanes_rows(report)
    )
    for line in (*gap_lines(report), *ceiling_lines(report)):
        console.say(line)
    console.say(report.rule)


@app.command()
@click.argument("folder", metavar="DIR", type=PATH)
@click.option("--baseline", type=PATH, help="JSON of accepted figures")
@click.option("--rules", type=PATH, help="TOML of limits; default: the packaged ones")
@click.option("--junit", type=PATH, help="write the verdict as JUnit XML")
@click.option("--markdown", type=PATH, help="write the verdict as Markdown")
@click.option(
    "--public-key", type=PATH, help="PEM of who must have signed DIR; see `iast-export sign`"
)
@click.option("--write-baseline", type=PATH, help="write DIR's figures as a baseline and stop")
@click.option("--json", "as_json", is_flag=True, help="report as JSON on stdout")
def gate(
    folder: Path,
    baseline: Path | None,
    rules: Path | None,
    public_key: Path | None,
    junit: Path | None,
    markdown: Path | None,
    write_baseline: Path | None,
    as_json: bool,
) -> None:
    """Judges a bundle by rules and a baseline; the exit code is the verdict. Needs no torch.

    \b
    Example:
      iast-export gate dist/demo --write-baseline baseline.json
      iast-export gate dist/demo --baseline baseline.json --junit gate.xml
    """
    from iast_export.bundle.claims import made_files
    from iast_export.gate import gate as judge
    from iast_export.gate import make_baseline
    from iast_export.pages import junit_xml, markdown_text

    results = [path for path in (junit, markdown, write_baseline) if path is not None]
    given = [path for path in (baseline, rules) if path is not None]
    check_not_overwriting(results, chain(given, made_files(folder)))
    if write_baseline is not None:
        make_baseline(folder, write_baseline)
        console.say(f"baseline {write_baseline}")
        return
    verdict = judge(folder, baseline, rules, public_key)
    if junit is not None:
        write_atomic(junit, junit_xml(verdict))
    if markdown is not None:
        write_atomic(markdown, markdown_text(verdict).encode())
    if as_json:
        console.emit_json({**verdict.model_dump(mode="json"), "exit_code": verdict.exit_code})
    else:
        _print_verdict(verdict)
    raise click.exceptions.Exit(verdict.exit_code)


@app.command()
@click.argument("folder", metavar="DIR", type=PATH)
@click.option("--key", required=True, type=PATH, help="Ed25519 private key, PEM without a password")
def sign(folder: Path, key: Path) -> None:
    """Signs a bundle's manifest and reports: DIR/bundle.sig.json, for `gate --public-key`.

    \b
    Example:
      openssl genpkey -algorithm ed25519 -out key.pem
      openssl pkey -in key.pem -pubout -out public.pem
      iast-export sign dist/demo --key key.pem
      iast-export gate dist/demo --baseline baseline.json --public-key public.pem
    """
    from iast_export.bundle.signing import sign as make

    console.say(f"signature {make(folder, key)}")


def _print_verdict(verdict: Verdict) -> None:
    wrong = [check for check in verdict.checks if check.outcome != "pass"]
    if wrong:
        rows = [(c.name, c.outcome, c.measured, c.rule, c.remedy) for c in wrong]
        console.table("not passed", ("check", "outcome", "measured", "rule", "remedy"), rows)
    for note in verdict.notes:
        console.say(f"note: {note}")
    passed = len(verdict.checks) - len(wrong)
    console.say(f"{passed} of {len(verdict.checks)} checks passed, exit code {verdict.exit_code}")


@app.command()
@click.argument("folder", metavar="DIR", type=PATH)
@click.option(
    "--content", "contents", multiple=True, required=True, help="photograph; may be repeated"
)
@click.option(
    "--style", "styles", multiple=True, required=True, help="style id or picture; may be repeated"
)
@click.option("--out", required=True, type=PATH, help="folder for the pictures")
@click.option(
    "--runtime",
    type=click.Choice(RUNTIMES),
    help="default: litert, but onnxruntime for a picture that LiteRT would pad to its loss",
)
@click.option(
    "--precision",
    type=click.Choice(("fp32", "fp16", "dynamic_int8", "int8")),
    help="default: by tier, the fastest that keeps the picture, as the report says",
)
@click.option(
    "--accelerator",
    type=click.Choice(get_args(Accelerator)),
    default="cpu",
    show_default=True,
    help="gpu: LiteRT's delegate, all of the model or nothing",
)
@click.option(
    "--strength",
    type=STRENGTH,
    default=1.0,
    show_default=True,
    help="0 the photograph, 1 the full style",
)
@click.option("--threads", type=THREADS, default=1, show_default=True)
@click.option("--scale-down", is_flag=True, help="fit pictures beyond the largest tier to it")
@click.option(
    "--tile",
    is_flag=True,
    help="keep their size instead, in overlapping tiles; tones may differ by tile",
)
@click.option("--json", "as_json", is_flag=True, help="report as JSON on stdout")
def stylize(
    folder: Path,
    contents: tuple[str, ...],
    styles: tuple[str, ...],
    out: Path,
    runtime: Runtime | None,
    precision: Precision | None,
    accelerator: Accelerator,
    strength: float,
    threads: int,
    scale_down: bool,
    tile: bool,
    as_json: bool,
) -> None:
    """Pictures from a bundle: every content in every style, the tier chosen by resolution.

    \b
    Example:
      iast-export stylize dist/demo --content a.jpg --style cafe --style my.jpg --out pictures
    """
    from iast_export.pictures.imagesets import picture_path
    from iast_export.stylize.stylize import BundleEngine, ChosenByShape, Engines
    from iast_export.stylize.stylize import stylize as run_stylize

    if scale_down and tile:
        raise UsageError("--scale-down and --tile exclude each other", "give one of them")
    engine: Engines
    if runtime is not None or accelerator == "gpu":
        engine = BundleEngine(folder, runtime or "litert", precision, threads, accelerator)
    else:
        engine = ChosenByShape(folder, precision, threads)
    with console.progress_bar() as progress:
        made = run_stylize(
            engine,
            [picture_path(c) for c in contents],
            styles,
            out,
            strength=strength,
            oversize="scale_down" if scale_down else "tile" if tile else "refuse",
            progress=progress,
        )
    if as_json:
        console.emit_json(
            [
                {"path": str(m.path), "content": m.content, "style": m.style, "tier": m.tier}
                | {"runtime": m.runtime, "precision": m.precision, "reason": m.reason}
                for m in made
            ]
        )
        return
    for m in made:
        where = " on the GPU" if accelerator == "gpu" else ""
        console.say(f"{m.path}  ({m.tier}, {m.runtime} {m.precision}{where})")
    console.say(f"sheet  {out / 'sheet.png'}")


@app.command()
@click.argument("target", metavar="FILE|DIR", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="everything, as JSON on stdout")
def inspect(target: Path, as_json: bool) -> None:
    """What is in a model or a bundle: tiers, signatures, bytes shared, operators. Needs no torch.

    \b
    Example:
      iast-export inspect dist/demo/models/iast-int8.tflite
    """
    from iast_export.bundle import inspection

    found = (
        inspection.inspect_bundle(target) if target.is_dir() else inspection.inspect_apart(target)
    )
    if as_json:
        console.emit_json(found)
        return
    from iast_export.pages.summary import inspection_tables

    for title, columns, rows in inspection_tables(found):
        console.table(title, columns, rows)


@app.group()
def style() -> None:
    """The ready-made styles of a bundle: list them, add one from a picture, take one out.

    \b
    Example:
      iast-export style list dist/demo
      iast-export style add dist/demo painting.jpg --name harbor --category oil
    """


@style.command("list")
@click.argument("folder", metavar="BUNDLE", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="report as JSON on stdout")
def style_list(folder: Path, as_json: bool) -> None:
    """The styles of a bundle with kind of art, licence and source of the artwork. Needs no torch.

    \b
    Example:
      iast-export style list dist/demo
    """
    from iast_export.stylize.style_add import list_styles

    found = list_styles(folder)
    if as_json:
        console.emit_json([entry.model_dump(mode="json") for entry in found])
        return
    rows = [
        (s.id, s.category, s.title, s.licence or "not given", s.source or "not given")
        for s in found
    ]
    console.table(f"{len(found)} styles", ("id", "kind", "title", "licence", "source"), rows)


@style.command("add")
@click.argument("folder", metavar="BUNDLE", type=PATH)
@click.argument("image", metavar="IMAGE", type=PATH)
@click.option("--name", required=True, metavar="ID", help="lower-case letters, digits, - and _")
@click.option(
    "--category", required=True, metavar="KIND", help="kind of art, such as oil or cartoon"
)
@click.option("--title", default="", help="shown to people")
@click.option("--licence", default="", help="of the artwork")
@click.option("--source", default="", help="of the artwork, such as its page")
@click.option(
    "--code",
    type=PATH,
    help="a refined code of this picture, from `python -m models.styles refine`",
)
@click.option("--replace", is_flag=True, help="take the place of a style of the same id")
@click.option("--json", "as_json", is_flag=True, help="report as JSON on stdout")
def style_add(
    folder: Path,
    image: Path,
    name: str,
    code: Path | None,
    replace: bool,
    as_json: bool,
    **words: str,
) -> None:
    """Adds the style of one picture, encoded by the bundle itself. Needs no torch.

    A bundle that is built again from other inputs starts from its own styles; add them again then.
    A minute of optimization gets closer to the artwork: in a checkout with the training tools,
    `python -m models.styles refine --image IMAGE --vgg 5SE.pt --out code.safetensors`, then --code.

    \b
    Example:
      iast-export style add dist/demo painting.jpg --name harbor --category oil
      iast-export style add dist/demo painting.jpg --name harbor --category oil --code c.safetensors
    """
    from iast_export.stylize.style_add import NewStyle, add_style

    with console.progress_bar() as progress:
        made = add_style(
            folder, NewStyle(id=name, **words), image, code=code, replace=replace, progress=progress
        )
    before, after = made.distance_before, made.distance_after
    if made.note:
        console.explain(f"note: {made.note}")
    if as_json:
        distances = {
            "style_distance_before": before,
            "style_distance": after,
            "replaced": made.replaced,
        }
        console.emit_json({**made.entry.model_dump(mode="json"), **distances})
        return
    console.say(f"style      {made.entry.id} ({'replaced' if made.replaced else 'added'})")
    console.say(f"thumbnail  {folder / str(made.entry.thumbnail)}")
    console.say(
        f"distance of its photograph from the artwork: {before:.3f} before, {after:.3f} in the "
        "style"
    )


@style.command("remove")
@click.argument("folder", metavar="BUNDLE", type=PATH)
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="report as JSON on stdout")
def style_remove(folder: Path, name: str, as_json: bool) -> None:
    """Takes a style out of a bundle, but for the one that the golden pictures are made in.

    \b
    Example:
      iast-export style remove dist/demo harbor
    """
    from iast_export.stylize.style_add import remove_style

    gone = remove_style(folder, name)
    if as_json:
        console.emit_json(gone.model_dump(mode="json"))
        return
    console.say(f"style      {gone.id} (removed)")


@app.group()
def device() -> None:
    """Results of phones: run the Android demo's checks over adb, or take in a file.

    \b
    Example:
      iast-export device bench dist/demo
      iast-export device import selftest.json --bundle dist/demo
    """


@device.command("import")
@click.argument("result", metavar="RESULT.json", type=PATH)
@click.option(
    "--bundle", "folder", type=PATH, required=True, help="the bundle that the app carried"
)
@click.option("--json", "as_json", is_flag=True, help="report as JSON on stdout")
def device_import(result: Path, folder: Path, as_json: bool) -> None:
    """Validates a phone's self-test or benchmark and adds it to the bundle's report.

    A self-test that did not pass is added too, and ends with exit code 5.

    \b
    Example:
      iast-export device import selftest.json --bundle dist/demo
    """
    from iast_export.device import import_result

    _tell_device_result(import_result(result, folder), folder, as_json)


@device.command("bench")
@click.argument("folder", metavar="DIR", type=PATH)
@click.option("--selftest", is_flag=True, help="the self-test instead of the benchmark")
@click.option("--serial", help="of the phone, where several are connected")
@click.option("--core-mask", metavar="HEX", help="cores the app may use, such as f0 for 4 to 7")
@click.option("--samples", type=click.IntRange(1, 1000), default=30, show_default=True)
@click.option("--timeout-s", type=SECONDS, default=1800, show_default=True)
@click.option("--out", type=PATH, help="also keep the phone's own file here")
@click.option("--json", "as_json", is_flag=True, help="report as JSON on stdout")
def device_bench(
    folder: Path,
    selftest: bool,
    serial: str | None,
    core_mask: str | None,
    samples: int,
    timeout_s: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Runs the installed app on a phone over adb and adds its result to the bundle's report.

    \b
    Example:
      iast-export device bench dist/demo
      iast-export device bench dist/demo --selftest
      iast-export device bench dist/demo --serial R58N --core-mask f0 --out pixel.json
    """
    from iast_export.device import BenchOptions, bench

    options = BenchOptions(
        "selftest" if selftest else "benchmark", serial, core_mask, samples, float(timeout_s)
    )
    with console.progress_bar() as progress:
        path = bench(folder, options, out, progress)
    _tell_device_result(path, folder, as_json)


def _tell_device_result(path: Path, folder: Path, as_json: bool) -> None:
    from iast_export.device.importing import describe

    if as_json:
        console.emit_json(describe(path))
        return
    console.say(f"result  {path}")
    console.say(f"report  {folder / 'reports' / 'report.html'}")


@app.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=PATH)
@click.option(
    "--as", "kind", type=click.Choice(("recipe", "rules", "set")), help="default: by content"
)
@_JSON
def check(files: tuple[Path, ...], kind: Any, as_json: bool) -> None:
    """Whether recipes, gate rules and picture sets can be used, before a build. Needs no torch.

    Pictures that a set names are not opened. Exit code 2: a file can't be used; 3: one is missing.

    \b
    Example:
      iast-export check recipe.toml rules.toml
    """
    from dataclasses import asdict

    from iast_export.checking import check_files, exit_code

    found = check_files(files, kind)
    if as_json:
        console.emit_json([asdict(one) for one in found])
    else:
        for one in found:
            if one.exit_code:
                console.complain(f"{one.message}\n  → {one.remedy}")
            else:
                console.say(f"{one.path}: can be used ({one.kind})")
    raise click.exceptions.Exit(exit_code(found))


@app.command()
@click.option("--json", "as_json", is_flag=True, help="report as JSON on stdout")
def doctor(as_json: bool) -> None:
    """What is installed, what is missing, and what this processor and GPU can do.

    \b
    Example:
      iast-export doctor
    """
    from dataclasses import asdict

    from iast_export.environment import doctor as examine
    from iast_export.runtimes.gpu import check_gpu

    checks = [*examine(), check_gpu()]
    if as_json:
        console.emit_json([asdict(check) for check in checks])
    else:
        rows = [(c.name, c.status, c.detail, c.remedy) for c in checks]
        console.table("doctor", ("what", "status", "found", "remedy"), rows)


if __name__ == "__main__":
    main()
