"""A bundle's files beside other tools' defaults on the same FP32 files, timed in turn.

    python -m benchmarks.zoo.measure BUNDLE RECIPE.toml FOLDER ANSWER.json NETWORK [CHECKPOINT]

Every lane of a runtime and the files that ONNX Runtime's and ai-edge-quantizer's quantizers make of
its FP32 file, with the same calibration pairs and their own defaults. Judged to the same runtime's
FP32, on photographs that calibrated nothing: every other one cut to the tier's square, the rest in
their own shape, which LiteRT pads.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.compare.rows import FP32, Row, check_drawn, fill, judge, measure, open_exact
from benchmarks.compare.subjects import Picture, Subject, codes_of, write_calibration
from benchmarks.compare.tools import TOOLS, Made, quantize
from iast_export.build.request import Build, Request
from iast_export.errors import IastExportError, ToolError
from iast_export.lanes.default_lane import load_defaults
from iast_export.lanes.timing import TimingOptions
from iast_export.pictures.images import Rgb, center_square, fit_longest_side
from iast_export.recipe import load_recipe
from iast_export.reports.manifest import Manifest, load_manifest
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.session import Session, stylize_rgb
from iast_export.specs import PRECISION_LABELS, RUNTIMES, Runtime, Tier

OTHERS = ("onnxruntime_static", "ai_edge_static")  # of the worker
OURS = "iast-export "
TIMING = TimingOptions(warmup=3, blocks=15, budget_s=30.0)


def main() -> None:
    bundle, recipe, folder, answer = (Path(argument) for argument in sys.argv[1:5])
    checkpoint = Path(sys.argv[6]) if len(sys.argv) > 6 else None
    request = Request(bundle, load_recipe(recipe), sys.argv[5], checkpoint)
    manifest, build = load_manifest(bundle), Build(request)
    subject, defaults = subject_of(build, manifest, folder), load_defaults(bundle, manifest)
    found: dict[str, Any] = {}
    for runtime in RUNTIMES:
        rows = rows_of(bundle, manifest, subject, runtime, folder / "made")
        chosen = defaults[runtime, subject.tier.id]
        found[runtime] = {"default": OURS + PRECISION_LABELS[chosen], "rows": rows}
    answer.write_text(json.dumps(found))


def subject_of(build: Build, manifest: Manifest, folder: Path) -> Subject:
    """The bundle's first tier, with the build's own calibration pairs and pictures to judge on."""
    tier, calibration = build.tiers[0], folder / "calibration"
    shutil.rmtree(calibration, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    write_calibration(build, tier, calibration)
    files: dict[Runtime, Path] = {one: build.layout.transfer(one, "fp32", tier) for one in RUNTIMES}
    return Subject(manifest.name, tier, files, calibration, pictures_to_judge(build, tier))


def pictures_to_judge(build: Build, tier: Tier) -> list[Picture]:
    """Evaluation photographs in turn square and in their own shape, with styles held out."""
    styles, pictures = codes_of(build, held_out=True), []
    for i, (_, rgb) in enumerate(build.evaluation_pictures()):
        feeds, style = styles[i % len(styles)]
        cut = fit_longest_side if i % 2 else center_square
        statistics = style.statistics if style else None
        pictures.append(Picture(cut(rgb, tier.max_side_px), feeds, statistics))
    return pictures


def rows_of(
    bundle: Path, manifest: Manifest, subject: Subject, runtime: Runtime, folder: Path
) -> list[dict[str, Any]]:
    """FP32, the bundle's other lanes and the other tool, timed in turn in this process."""
    multiple = manifest.network.size_multiple_px
    files = {FP32: Made(subject.files[runtime], 0.0, 0)}
    files |= {OURS + k: Made(v, 0.0, 0) for k, v in lanes(bundle, manifest, runtime).items()}
    problems: dict[str, str] = {}
    for tool in (one for one in TOOLS if one.function in OTHERS and one.runtime == runtime):
        try:
            files[tool.label] = quantize(tool, subject, folder, folder)
        except IastExportError as error:
            problems[tool.label] = error.message
    drawn: dict[str, list[Rgb]] = {}
    for label in list(files):
        try:
            drawn[label] = drawn_by(subject, runtime, files[label].path, multiple)
        except IastExportError as error:
            problems[label] = error.message
            del files[label]
    check_drawn(subject, drawn[FP32])
    samples = measure(subject, runtime, {label: one.path for label, one in files.items()}, TIMING)
    rows = [Row(subject.name, runtime, label, problem) for label, problem in problems.items()]
    for label, made in files.items():
        row = Row(subject.name, runtime, label)
        fill(row, made, samples[label], samples[FP32])
        if label != FP32:
            judge(row, subject.pictures, drawn[FP32], drawn[label])
        rows.append(row)
    return [told(row) for row in rows]


def lanes(bundle: Path, manifest: Manifest, runtime: Runtime) -> dict[str, Path]:
    """The bundle's files of a runtime but FP32 for its first tier, by precision."""
    first = manifest.tiers[0].id
    return {
        PRECISION_LABELS[one.precision]: bundle / one.path
        for one in manifest.files
        if one.runtime == runtime and one.role == "transfer" and one.precision != "fp32"
        if one.tier in (None, first)
    }


def drawn_by(subject: Subject, runtime: Runtime, path: Path, multiple_px: int) -> list[Rgb]:
    """What a file makes of every picture, padded as its runtime asks.

    Raises:
        IastExportError: it does not run, or a result holds NaN.
    """
    session: Session
    if runtime == "onnxruntime":
        session, _ = open_exact(path)
        padding: dict[str, Any] = {"multiple_px": multiple_px}
    else:
        try:
            session = open_litert(path, subject.tier.signature)
        except (RuntimeError, ValueError) as error:  # an operator that can't be prepared
            raise ToolError(f"LiteRT can't load it: {error}", "try another tool") from error
        padding = {"fixed_shape_px": subject.tier.shape_px}
    return [stylize_rgb(session, one.content, one.feeds, **padding) for one in subject.pictures]


def told(row: Row) -> dict[str, Any]:
    """A row as JSON has it."""
    interval = row.ratio
    return {
        "what": row.tool,
        "problem": row.problem,
        "median_ms": row.median_ms,
        "ratio": [interval.value, interval.low, interval.high] if interval else None,
        "psnr_db": list(row.psnr_db) if row.psnr_db else None,
        "drops": row.drops,
        "bytes": row.file_bytes,
    }


if __name__ == "__main__":
    main()
