"""The tools side by side, each run in a process of its own with one thread and a time limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.compare.environments import Environment, interpreter
from benchmarks.compare.subjects import Subject
from iast_export.errors import ToolError
from iast_export.specs import Runtime

ROOT = Path(__file__).resolve().parents[2]
WORKER = Path(__file__).with_name("worker.py")
TIMEOUT_S = 240.0
_RUNTIME = ("numpy==2.4.6", "onnx==1.23.2", "onnxruntime==1.31.1")
# torch pinned so: the build without CUDA.
OLIVE = Environment("olive", ("olive-ai==0.13.0", "requests==2.34.2", "torch==2.13.0", *_RUNTIME))
NNCF = Environment("nncf", ("nncf==3.4.0", *_RUNTIME))


@dataclass(frozen=True)
class Tool:
    """A way to INT8.

    Attributes:
        label: in the table.
        runtime: that runs the file.
        function: of the worker.
        environment: None: the product's own.
    """

    label: str
    runtime: Runtime
    function: str
    environment: Environment | None = None


ONNX_STATIC = "ONNX Runtime quantize_static"
TOOLS: tuple[Tool, ...] = (
    Tool(ONNX_STATIC, "onnxruntime", "onnxruntime_static"),
    Tool("Olive OnnxStaticQuantization", "onnxruntime", "olive_static", OLIVE),
    Tool("NNCF quantize", "onnxruntime", "nncf_static", NNCF),
    Tool("iast-export", "onnxruntime", "ours_onnx"),
    Tool("ai-edge-quantizer static_wi8_ai8", "litert", "ai_edge_static"),
    Tool("ai-edge-quantizer dynamic_wi8_afp32", "litert", "ai_edge_dynamic"),
    Tool("iast-export", "litert", "ours_litert"),
    Tool("iast-export dynamic", "litert", "ours_litert_dynamic"),
)


@dataclass(frozen=True)
class Made:
    """A quantized file and what making it took."""

    path: Path
    seconds: float
    peak_bytes: int


def quantize(
    tool: Tool, subject: Subject, folder: Path, environments: Path, timeout_s: float = TIMEOUT_S
) -> Made:
    """Runs a tool on a subject.

    Args:
        tool: which.
        subject: its FP32 file and calibration pictures.
        folder: for the result, made afresh by each run.
        environments: where those of their own are.
        timeout_s: of the run, without installing.

    Raises:
        ToolError: it can't be installed, it failed or it took too long; the message is its last
            word.
    """
    python = (
        Path(sys.executable)
        if tool.environment is None
        else interpreter(tool.environment, environments)
    )
    folder.mkdir(parents=True, exist_ok=True)
    out = folder / f"{tool.function}{subject.files[tool.runtime].suffix}"
    job, answer = out.with_suffix(".job.json"), out.with_suffix(".answer.json")
    out.unlink(missing_ok=True)
    answer.unlink(missing_ok=True)
    request = {
        "tool": tool.function,
        "fp32": str(subject.files[tool.runtime].resolve()),
        "reference": str(subject.files["onnxruntime"].resolve()),
        "out": str(out.resolve()),
        "calibration": str(subject.calibration.resolve()),
        "signature": subject.tier.signature,
    }
    job.write_text(json.dumps(request))
    # -P: this folder's modules must not stand before a tool's own.
    _run(
        [str(python), "-P", str(WORKER), str(job), str(answer)],
        folder,
        timeout_s,
        own=tool.environment is None,
    )
    if not (out.is_file() and answer.is_file()):
        raise ToolError("it ended without a file", "run its command by itself")
    said = json.loads(answer.read_text())
    return Made(out, float(said["seconds"]), int(said["peak_bytes"]))


def _run(command: list[str], folder: Path, timeout_s: float, *, own: bool) -> None:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {
        **os.environ,
        **threads,
        "PYTHONPATH": str(ROOT) if own else "",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "OLIVE_DISABLE_TELEMETRY": "1",
        "ORT_DISABLE_TELEMETRY": "1",
    }
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ToolError(f"it took longer than {timeout_s:.0f} s", "give it more time") from error
    if done.returncode:
        raise ToolError(last_word(done.stderr, done.returncode), "run its command by itself")


def last_word(stderr: str, code: int) -> str:
    """The exception at the end of a traceback, or how the process ended."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [
        line for line in lines if "Error" in line.split(":")[0] or "Exception" in line.split(":")[0]
    ]
    if code < 0:
        return f"killed by signal {-code}" + (f": {lines[-1]}" if lines else "")
    return (errors or lines or [f"exit code {code}"])[-1]
