"""The software Vulkan driver that tests of the GPU delegate run on; a missing one is an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from iast_export.runtimes.gpu_process import DRIVER_VARIABLE

DRIVER = Path(__file__).resolve().parents[1] / "android_demo" / ".gpu" / "driver.json"


def use_software_gpu(patch: pytest.MonkeyPatch) -> None:
    """Makes the delegate choose the driver that `install_gpu.py` fetched, whatever GPU there is."""
    if not DRIVER.is_file():
        raise FileNotFoundError(
            f"{DRIVER} is missing: run `python3 android_demo/tools/install_gpu.py`"
        )
    patch.setenv(DRIVER_VARIABLE, os.fspath(DRIVER))
    patch.setenv("GALLIVM_PERF", "nopt")  # compiling is most of the time here
