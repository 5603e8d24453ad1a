"""The single stages of a build, each a verb; a stage of the pipeline becomes one by a line here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from iast_export.cli import console, options
from iast_export.cli.verbs import Verb

if TYPE_CHECKING:
    from iast_export.build.pipeline import StageResult
    from iast_export.build.request import Request

# In the pipeline's order.
STAGES = {
    "export": "ONNX FP32: one model per tier, the dispatching model, the style encoder.",
    "convert": "TFLite FP32: one file, one fixed-shape signature per tier, weights shared.",
    "prepare": "The FP32 files that INT8 is made of: channels that share a scale are made alike.",
    "calibrate": "Activation ranges per tier and runtime, from photographs x styles.",
    "learn": "Weights rounded for the least error of each layer; biases, where asked.",
    "quantize": "INT8 in both runtimes, and FP16 and dynamic INT8 in LiteRT.",
    "verify": "Fidelity and task scores against FP32, on pictures that calibrated nothing.",
    "bench": "Latency against FP32 of the same runtime, interleaved; memory; size.",
    "bundle": "Styles, golden pictures, manifest and HTML report.",
}


def command(name: str) -> click.Command:
    """The verb of a stage that has no file of its own."""

    @click.command(name, cls=Verb, help=stage_help(name))
    @options.of_build()
    def stage(as_json: bool, **given: Any) -> None:
        run_stages(options.request_of(**given), name, as_json)

    return stage


def stage_help(name: str, more: str = "") -> str:
    """The help of a stage's verb."""
    return f"""{STAGES[name]}

    One stage alone, on the artifacts of the earlier ones in --out. {more}

    \b
    Example:
      iast-export {name} --out dist/demo
    """


def run_stages(request: Request, only: str | None, as_json: bool) -> None:
    """Runs the stage `only`, or all, and says what was made."""
    from iast_export.build.pipeline import run_stages as run
    from iast_export.build.request import Build

    with console.progress_bar() as progress:
        results = run(Build(request, progress), only)
    if as_json:
        console.emit_json({result.stage: _told(result, request) for result in results})
        return
    rows = [_row(result) for result in results]
    if len(results) > 1:
        rows.append(("all", "", "", f"{sum(one.seconds for one in results):.1f} s"))
    console.table("stages", ("stage", "", "files", "time"), rows)


def _row(result: StageResult) -> tuple[str, str, str, str]:
    made = "made" if result.ran else "fresh"
    return result.stage, made, str(len(result.outputs)), f"{result.seconds:.1f} s"


def _told(result: StageResult, request: Request) -> dict[str, Any]:
    outputs = [path.relative_to(request.out).as_posix() for path in result.outputs]
    return {"ran": result.ran, "seconds": round(result.seconds, 1), "outputs": outputs}
