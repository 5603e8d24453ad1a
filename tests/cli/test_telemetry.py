"""No verb leaves a trace of what was done, or asks the network: ONNX Runtime's counting is off."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from iast_export.reports.manifest import load_manifest
from tests.conftest import SMALL_RECIPE

_KEPT = (
    "PATH",
    "LD_LIBRARY_PATH",
    "OMP_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "LANG",
)


def run(
    home: Path, *arguments: object, let_it_count: bool = False
) -> subprocess.CompletedProcess[str]:
    """The command line in a fresh home, in a process that dies of a socket (see `no_network`)."""
    root = Path(__file__).resolve().parents[2]
    # Nothing else is handed on: where CI is set, say, ONNX Runtime does not count by itself.
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # matplotlib's list of fonts is its own, and takes seconds to make
    own = {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": str(root),
        "MPLCONFIGDIR": str(home.parent),
    }
    if let_it_count:
        own["LET_IT_COUNT"] = "1"
    home.mkdir()
    command = [sys.executable, "-m", "tests.no_network", *map(str, arguments)]
    return subprocess.run(
        command, env={**kept, **own}, cwd=root, capture_output=True, text=True, check=False
    )


def traces(home: Path) -> list[str]:
    return sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file())


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.full((32, 32, 3), 99, np.uint8))
    return path


def test_the_guard_ends_a_process_that_opens_a_socket() -> None:
    for family, code in (("AF_INET", -31), ("AF_INET6", -31), ("AF_UNIX", 0)):
        lines = "from tests.no_network import forbid_sockets as f; import socket; f(); "
        command = [
            sys.executable,
            "-c",
            lines + f"socket.socket(socket.{family}, socket.SOCK_DGRAM)",
        ]
        assert subprocess.run(command, check=False).returncode == code


def test_without_the_switch_onnx_runtime_leaves_its_files(
    small_bundle: Path, photograph: Path, tmp_path: Path
) -> None:
    """The proof that the other tests can fail."""
    home, out = tmp_path / "home", tmp_path / "out"
    style = load_manifest(small_bundle).styles[0].id
    options = ("--style", style, "--out", out, "--runtime", "onnxruntime", "--precision", "fp32")
    run(home, "stylize", small_bundle, "--content", photograph, *options, let_it_count=True)
    assert any("onnxruntime" in name or name == ".ses" for name in traces(home))


def test_stylizing_leaves_no_trace_and_asks_no_network(
    small_bundle: Path, photograph: Path, tmp_path: Path
) -> None:
    style = load_manifest(small_bundle).styles[0].id
    for name in ("onnxruntime", "litert"):
        home, out = tmp_path / f"home-{name}", tmp_path / name
        options = ("--style", style, "--runtime", name, "--precision", "int8")
        done = run(home, "stylize", small_bundle, "--content", photograph, "--out", out, *options)
        assert done.returncode == 0, done.stderr
        assert (out / "sheet.png").is_file() and traces(home) == []
        assert "INFO" not in done.stderr


def test_the_gate_and_the_benchmark_leave_no_trace_and_ask_no_network(
    bundle_copy: Path, tiny_checkpoint: Path, style_folder: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_bytes(SMALL_RECIPE)
    (bundle_copy / "reports" / "benchmark.json").unlink()
    built = (tiny_checkpoint, "--recipe", recipe, "--styles", style_folder, "--out", bundle_copy)
    done = run(tmp_path / "home-bench", "bench", *built)
    assert done.returncode == 0, done.stderr
    assert "made" in done.stdout and traces(tmp_path / "home-bench") == []
    done = run(
        tmp_path / "home-gate", "gate", bundle_copy, "--write-baseline", tmp_path / "baseline.json"
    )
    assert done.returncode == 0, done.stderr
    assert traces(tmp_path / "home-gate") == []
