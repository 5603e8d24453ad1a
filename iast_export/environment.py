"""The machine and what is installed: fingerprint for benchmarks, versions, peak memory, doctor."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

CPU_FLAGS = ("sse4_1", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm", "sme")

Status = Literal["ok", "missing", "warning"]

_TOOLS = (
    "ai-edge-litert",
    "ai-edge-quantizer",
    "litert-torch",
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "opencv-python-headless",
    "scikit-image",
    "torch",
)
_NEEDED: tuple[tuple[str, str, str, str], ...] = (
    ("onnx", "onnx", "everything", "iast-export"),
    ("onnxruntime", "onnxruntime", "ONNX models", "iast-export"),
    ("ai_edge_litert", "ai-edge-litert", "TFLite models", "iast-export"),
    ("cv2", "opencv-python-headless", "pictures", "iast-export"),
    ("skimage", "scikit-image", "verify and the packaged image sets", "iast-export"),
    ("torch", "torch", "export and convert", "iast-export[build]"),
    ("onnxscript", "onnxscript", "export", "iast-export[build]"),
    ("litert_torch", "litert-torch", "convert", "iast-export[build]"),
    ("ai_edge_quantizer", "ai-edge-quantizer", "quantize", "iast-export[build]"),
)


@dataclass(frozen=True)
class Check:
    """One line of `iast-export doctor`.

    Attributes:
        name: what was looked at.
        status: ok, missing (some verbs fail) or warning.
        detail: what was found.
        remedy: what to do; empty when ok.
    """

    name: str
    status: Status
    detail: str
    remedy: str = ""


def machine_fingerprint() -> dict[str, str | int | list[str]]:
    """What decides the speed of a model: two runs compare only where this is equal.

    Returns:
        cpu (model name), architecture, flags (those of `CPU_FLAGS` that it has), cores (usable by
        this process), os, python.
    """
    return {
        "cpu": _cpu_model(),
        "architecture": platform.machine(),
        "flags": [flag for flag in CPU_FLAGS if flag in _cpu_flags()],
        "cores": usable_cores(),
        "os": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Versions of iast-export, Python and every tool that takes part; tools not installed are left out."""
    found = {"iast-export": _own_version(), "python": platform.python_version()}
    for name in _TOOLS:
        version = _version(name)
        if version is not None:
            found[name] = version.partition("+")[0]
    return found


def usable_cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_rss_bytes() -> int:
    """Largest resident memory of this process so far, in bytes.

    On Linux the kernel's high-water mark of this process image (which, unlike `ru_maxrss`, a child
    does not inherit from its parent).
    """
    for line in _lines(Path("/proc/self/status")):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024


def doctor() -> list[Check]:
    """What is installed, what is missing, what this processor can do."""
    return [_check_python(), *_check_packages(), _check_processor(), _check_checkpoint()]


def _check_python() -> Check:
    return Check("python", "ok", platform.python_version())


def _check_packages() -> Sequence[Check]:
    checks = []
    for module, name, use, install in _NEEDED:
        if importlib.util.find_spec(module) is None:
            remedy = f"pip install -c constraints.txt '{install}'"
            checks.append(Check(name, "missing", f"not installed, needed by {use}", remedy))
        else:
            checks.append(Check(name, "ok", _version(name) or "installed"))
    return checks


def _check_processor() -> Check:
    flags = [flag for flag in CPU_FLAGS if flag in _cpu_flags()]
    detail = f"{_cpu_model()}, {usable_cores()} cores, {' '.join(flags) or 'no known INT8 extension'}"
    fast = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm", "sme"}
    if fast.intersection(flags):
        return Check("processor", "ok", detail)
    return Check(
        "processor",
        "warning",
        f"{detail}; no INT8 dot product",
        "measure INT8 speed on a processor with VNNI or on the phone; accuracy is judged rightly here",
    )


def _check_checkpoint() -> Check:
    path = Path(__file__).resolve().parent / "data" / "iast.safetensors"
    if path.is_file():
        return Check("packaged checkpoint", "ok", f"{path.stat().st_size} bytes")
    return Check(
        "packaged checkpoint",
        "missing",
        "not in this installation",
        "install iast-export again, or pass CHECKPOINT",
    )


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _own_version() -> str:
    from iast_export import __version__

    return __version__


def _cpu_model() -> str:
    for line in _lines(Path("/proc/cpuinfo")):
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "Hardware"):
            return value.strip()
    return platform.processor() or platform.machine()


def _cpu_flags() -> frozenset[str]:
    for line in _lines(Path("/proc/cpuinfo")):
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
