"""A row per tool: time against FP32 in the same run, fidelity, task drops, what making it cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.compare.subjects import Picture, Subject
from benchmarks.compare.tools import Made, Tool, quantize
from iast_export.environment import has_vnni
from iast_export.errors import IastExportError, InputError, ToolError
from iast_export.lanes.lane import timed_run
from iast_export.lanes.timing import Samples, TimingOptions, ratio_interval, time_in_turn
from iast_export.metrics.bootstrap import Interval
from iast_export.metrics.fidelity import psnr_db, ssim_content
from iast_export.metrics.style import style_distance
from iast_export.metrics.summaries import lower_p5, relative_drop
from iast_export.pictures.images import Rgb, to_tensor
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.onnx import OnnxSession, onnx_session_options, open_onnx
from iast_export.runtimes.session import Session, stylize_rgb
from iast_export.runtimes.target import TARGETS
from iast_export.specs import Runtime

FP32 = "FP32"
FLAT_LEVELS = 2.0
UNSAFE = (
    "does not load under session.x64quantprecision, so that on x86 without VNNI its 8-bit products "
    "saturate; judged without it, on a processor that has VNNI"
)
RUNTIMES: tuple[Runtime, ...] = ("onnxruntime", "litert")


USUAL = TimingOptions(warmup=3)


@dataclass
class Row:
    """What a tool made of a network; None where there is nothing to say.

    Attributes:
        problem: why there is no file that runs; everything else is then None.
        note: what a reader must know beside the figures.
        ratio: FP32's time / own time, above 1 is faster.
        psnr_db: mean and 5th percentile against ONNX FP32's pictures.
        drops: of each task score, relative to ONNX FP32's; positive is worse.
        seconds: spent by the tool.
        peak_bytes: of the tool's process.
    """

    network: str
    runtime: Runtime
    tool: str
    problem: str | None = None
    note: str | None = None
    median_ms: float | None = None
    ratio: Interval | None = None
    psnr_db: tuple[float, float] | None = None
    drops: dict[str, float] = field(default_factory=dict)
    file_bytes: int | None = None
    seconds: float | None = None
    peak_bytes: int | None = None


Say = Callable[[str], None]


def compare(
    subject: Subject,
    tools: Sequence[Tool],
    folder: Path,
    environments: Path,
    timing: TimingOptions,
    say: Say,
) -> list[Row]:
    """The rows of one network, FP32 first in each runtime.

    Raises:
        ToolError: FP32 itself does not run.
        InputError: FP32's pictures are flat.
    """
    reference, _ = pictures_of(subject, "onnxruntime", subject.files["onnxruntime"])
    check_drawn(subject, reference)
    rows = []
    for runtime in RUNTIMES:
        files = {FP32: Made(subject.files[runtime], 0.0, 0)}
        problems: dict[str, str] = {}
        results = {FP32: pictures_of(subject, runtime, subject.files[runtime])}
        for tool in (one for one in tools if one.runtime == runtime):
            say(f"{subject.name}: {runtime} {tool.label}")
            try:
                files[tool.label] = quantize(tool, subject, folder, environments)
                results[tool.label] = pictures_of(subject, runtime, files[tool.label].path)
            except IastExportError as error:
                files.pop(tool.label, None)
                problems[tool.label] = error.message
        say(f"{subject.name}: {runtime} time")
        samples = measure(
            subject, runtime, {label: made.path for label, made in files.items()}, timing
        )
        for label in (FP32, *(tool.label for tool in tools if tool.runtime == runtime)):
            row = Row(subject.name, runtime, label, problems.get(label))
            if label in files:
                fill(row, files[label], samples[label], samples[FP32])
                drawn, row.note = results[label]
                judge(row, subject.pictures, reference, drawn)
            rows.append(row)
    return rows


def fill(row: Row, made: Made, samples: Samples, base: Samples) -> None:
    """Time, size and the cost of making it."""
    row.median_ms, row.file_bytes = samples.median_ms, made.path.stat().st_size
    if row.tool != FP32:
        row.ratio = ratio_interval(base, samples)
        row.seconds, row.peak_bytes = made.seconds, made.peak_bytes


def judge(
    row: Row, pictures: Sequence[Picture], reference: Sequence[Rgb], results: Sequence[Rgb]
) -> None:
    """Fidelity to `reference` and what is lost of each task score."""
    if (row.runtime, row.tool) == ("onnxruntime", FP32):
        return
    values = [psnr_db(result, wanted) for result, wanted in zip(results, reference, strict=True)]
    row.psnr_db = float(np.mean(values)), lower_p5(values)
    scored = list(zip(pictures, reference, results, strict=True))
    structure = [(ssim_content(a, p.content), ssim_content(b, p.content)) for p, a, b in scored]
    row.drops["ssim_content"] = _drop(structure, higher_is_better=True)
    style = [
        (style_distance(a, p.statistics), style_distance(b, p.statistics))
        for p, a, b in scored
        if p.statistics is not None
    ]
    if style:
        row.drops["style_distance"] = _drop(style, higher_is_better=False)


def _drop(pairs: Sequence[tuple[float, float]], *, higher_is_better: bool) -> float:
    reference, candidate = np.mean(pairs, axis=0)
    return relative_drop(float(reference), float(candidate), higher_is_better)


def open_exact(path: Path) -> tuple[Session, str | None]:
    """An ONNX file in a session where no 8-bit product saturates, and what to note about it.

    Some tools' files don't load under session.x64quantprecision. Where the processor has VNNI
    nothing saturates without it either, so they are judged without; elsewhere they can't be judged.

    Raises:
        ToolError: ONNX Runtime refuses the file.
    """
    import onnxruntime as ort

    options = onnx_session_options(1, exact_products=True)
    options.log_severity_level = 4  # a refusal is noted, not printed
    try:
        raw = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own, without a common base
        if has_vnni():
            return open_onnx(path), UNSAFE
        raise ToolError(f"ONNX Runtime can't load it: {error}", "try another tool") from error
    return OnnxSession(raw, [item.name for item in raw.get_outputs()]), None


def pictures_of(subject: Subject, runtime: Runtime, path: Path) -> tuple[list[Rgb], str | None]:
    """What a file makes of the pictures to judge on, and what to note about it.

    Raises:
        IastExportError: it does not run, or a result holds NaN.
    """
    if runtime == "onnxruntime":
        session, note = open_exact(path)
    else:
        try:
            session, note = open_litert(path, subject.tier.signature), None
        except (RuntimeError, ValueError) as error:  # an operator that can't be prepared
            raise ToolError(f"LiteRT can't load it: {error}", "try another tool") from error
    shape = subject.tier.shape_px
    return [
        stylize_rgb(session, p.content, p.feeds, fixed_shape_px=shape) for p in subject.pictures
    ], note


def check_drawn(subject: Subject, reference: Sequence[Rgb]) -> None:
    """Refuses a network whose FP32 pictures are flat: any INT8 would look perfect beside them.

    Raises:
        InputError: a picture's levels hardly differ.
    """
    flattest = min(float(np.std(picture)) for picture in reference)
    if flattest < FLAT_LEVELS:
        raise InputError(
            f"{subject.name} draws a flat picture in FP32 (deviation {flattest:.2f} levels)",
            "give it trained weights; benchmarks/fixtures/train_adain.py trains the fixture",
        )


def measure(
    subject: Subject, runtime: Runtime, files: dict[str, Path], timing: TimingOptions
) -> dict[str, Samples]:
    """Times of all files of a runtime in turn, one thread, as a user opens them."""
    picture = subject.pictures[0]
    runs = {}
    for label, path in files.items():
        session = TARGETS[runtime].open(path.read_bytes(), subject.tier, where=path)
        runs[label] = timed_run(session, to_tensor(picture.content), picture.feeds)
    return time_in_turn(runs, timing)
