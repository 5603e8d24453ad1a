"""The machine and what is installed: fingerprint for benchmarks, versions, peak memory, doctor."""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from iast_export.errors import UsageError

# Sums of 8-bit products in 32 bits, in one instruction of x86; AVX2's own saturate at 16.
VNNI = ("avx512_vnni", "avx_vnni")
# What each architecture has for products of 8-bit integers, the slowest first.
INT8_FLAGS: Mapping[str, tuple[str, ...]] = {
    "x86_64": ("avx2", *VNNI, "amx_int8"),
    "aarch64": ("asimddp", "i8mm", "sme"),
}
CPU_FLAGS = ("sse4_1", "avx2", "avx512f", *INT8_FLAGS["x86_64"][1:], *INT8_FLAGS["aarch64"])

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
_PINS = Path(__file__).resolve().parents[1] / "constraints.txt"
_BASE, _RUN, _BUILD = "iast-export", "iast-export[run]", "iast-export[build]"
# Where litert-converter, which litert-torch needs, is published as a wheel: system, machine.
_CONVERTER_WHEELS = {("Linux", "x86_64"), ("Darwin", "arm64")}
_BUILD_ELSEWHERE = "build on x86-64 Linux or on a Mac with Apple silicon"
_NEEDED: tuple[tuple[str, str, str, str], ...] = (
    ("onnx", "onnx", "everything", _BASE),
    ("onnxruntime", "onnxruntime", "ONNX models", _RUN),
    ("ai_edge_litert", "ai-edge-litert", "TFLite models", _RUN),
    ("cv2", "opencv-python-headless", "pictures", _RUN),
    ("skimage", "scikit-image", "verify and the packaged image sets", _RUN),
    ("torch", "torch", "export and convert", _BUILD),
    ("onnxscript", "onnxscript", "export", _BUILD),
    ("litert_torch", "litert-torch", "convert", _BUILD),
    ("ai_edge_quantizer", "ai-edge-quantizer", "quantize", _BUILD),
)


# What the doctor doesn't list: module, package, use, what brings it.
_OTHERS = (
    ("click", "click", "the command line", _BASE),
    ("flatbuffers", "flatbuffers", "TFLite models", _BASE),
    ("numpy", "numpy", "everything", _BASE),
    ("pydantic", "pydantic", "everything", _BASE),
    ("rich", "rich", "the command line", _BASE),
    ("jinja2", "jinja2", "reports", _RUN),
    ("matplotlib", "matplotlib", "labels and packaged pictures", _RUN),
    ("PIL", "pillow", "pictures", _RUN),
    ("safetensors", "safetensors", "checkpoints and codes", _RUN),
    ("simplejpeg", "simplejpeg", "pictures", _RUN),
    ("cryptography", "cryptography", "signatures", "iast-export[sign]"),
    ("distributed", "distributed", "--scheduler", "iast-export[cluster]"),
    ("starlette", "starlette", "the studio", "iast-export[studio]"),
    ("uvicorn", "uvicorn", "the studio", "iast-export[studio]"),
    ("tensorboard", "tensorboard", "training", "iast-export[train]"),
    ("wordllama", "wordllama", "style find", "iast-export[find]"),
    ("tqdm", "tqdm", "training", "iast-export[train]"),
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


def kernel_facts() -> dict[str, str | int | list[str]]:
    """What of the fingerprint decides which kernels compute, and so what a model draws.

    Cores that were taken away, another Python or another release of the system change times alone.
    """
    found = machine_fingerprint()
    return {name: found[name] for name in ("cpu", "architecture", "flags")}


def has_vnni() -> bool:
    """Whether this processor multiplies 8-bit integers into 32 bits without saturation."""
    flags = machine_fingerprint()["flags"]
    return isinstance(flags, list) and not set(VNNI).isdisjoint(flags)


def versions() -> dict[str, str]:
    """Versions of iast-export, Python and every tool that takes part and is installed."""
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
    return [
        _check_python(),
        _check_platform(),
        *_check_packages(),
        _check_processor(),
        _check_checkpoint(),
    ]


def missing_package(module: str) -> tuple[str, str, str] | None:
    """Package, use and remedy where a module (`torch.nn`) is missing; None: not one of ours."""
    root = module.partition(".")[0]
    for name, package, use, install in (*_NEEDED, *_OTHERS):
        if name == root:
            return package, use, _install(install)
    return None


def require_build() -> None:
    """Refuses a build that would fail after minutes for a package that only a late stage needs.

    Raises:
        UsageError: names the first that is missing, and the extra that has it.
    """
    for module, package, use, _ in _NEEDED:
        if importlib.util.find_spec(module) is None:
            raise UsageError(
                f"{package} is not installed, which is needed for {use}", _install(_BUILD)
            )


def _install(what: str) -> str:
    if what == _BUILD and not _has_converter():
        return f"{_platform()} has no wheel of the converter: {_BUILD_ELSEWHERE}"
    return f"pip install {_pins()}'{what}'"


def _pins() -> str:
    """The option that pins versions, where the program runs from a clone, which has the file."""
    if not _PINS.is_file():
        return ""
    here = Path(_PINS.name)
    is_near = here.is_file() and here.samefile(_PINS)
    return f"-c {shlex.quote(str(here if is_near else _PINS))} "


def _has_converter() -> bool:
    return (platform.system(), platform.machine()) in _CONVERTER_WHEELS


def _platform() -> str:
    return f"{platform.system()} on {platform.machine()}"


def _check_python() -> Check:
    return Check("python", "ok", platform.python_version())


def _check_platform() -> Check:
    if _has_converter():
        return Check("platform", "ok", _platform())
    return Check(
        "platform",
        "warning",
        f"{_platform()}: litert-converter has no wheel, so `convert`, `quantize` and `build` can't "
        "run",
        f"{_BUILD_ELSEWHERE}; gate, inspect, stylize and style run where their packages are",
    )


def _check_packages() -> Sequence[Check]:
    checks = []
    for module, name, use, install in _NEEDED:
        if importlib.util.find_spec(module) is None:
            checks.append(
                Check(name, "missing", f"not installed, needed by {use}", _install(install))
            )
        else:
            version = _version(name) or "installed"
            cuda = name == "torch" and platform.system() == "Linux" and "+" not in version
            remark = "; a build with CUDA, unless its index holds CPU wheels alone" if cuda else ""
            checks.append(Check(name, "ok", version + remark))
    return checks


def _check_processor() -> Check:
    flags = [flag for flag in CPU_FLAGS if flag in _cpu_flags()]
    detail = (
        f"{_cpu_model()}, {usable_cores()} cores, {' '.join(flags) or 'no known INT8 extension'}"
    )
    fast = {flag for known in INT8_FLAGS.values() for flag in known} - {"avx2"}
    if fast.intersection(flags):
        return Check("processor", "ok", detail)
    return Check(
        "processor",
        "warning",
        f"{detail}; no INT8 dot product",
        "measure INT8 speed on a processor with VNNI or on the phone; accuracy is judged rightly "
        "here",
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
    from importlib import metadata  # a tenth of the time that --help takes

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
