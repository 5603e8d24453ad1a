"""The installer of the software Vulkan driver: pinned, quiet the second time, loud where it
can't."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.gpu_driver import DRIVER

SCRIPT = DRIVER.parents[1] / "tools" / "install_gpu.py"


def test_a_second_run_needs_nothing_and_does_nothing(tmp_path: Path) -> None:
    before = DRIVER.stat().st_mtime_ns
    done = subprocess.run(
        [sys.executable, SCRIPT],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert DRIVER.stat().st_mtime_ns == before


def test_a_machine_that_is_not_debian_is_told_so(tmp_path: Path) -> None:
    """A copy of the scripts, so that nothing is installed yet."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("install.py", "install_arm.py", "install_gpu.py"):
        (tools / name).write_text(
            (SCRIPT.parent / name).read_text(encoding="utf-8"), encoding="utf-8"
        )
    nothing = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, tools / "install_gpu.py"],
        env=nothing,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "apt-get is missing" in done.stderr and "Traceback" not in done.stderr


def test_what_is_fetched_is_pinned_and_no_host_is_named() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(set(re.findall(r'"([0-9a-f]{64})"', text))) == 3
    assert not re.search(r"https?://|debian\.org", text)
    ignored = (SCRIPT.parents[2] / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "/android_demo/.gpu/" in ignored


def test_the_driver_is_described_where_it_lies() -> None:
    assert '"library_path": "lib/libvulkan_lvp.so"' in DRIVER.read_text(encoding="utf-8")
    assert (DRIVER.parent / "lib" / "libvulkan_lvp.so").is_file()
