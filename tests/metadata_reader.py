"""The metadata of a .tflite file as TensorFlow Lite Support reads it, in its own environment."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

SET = Path(__file__).resolve().parents[1] / "android_demo" / ".metadata"
_SYSTEM = SET / "root"
_READ = """
import json, sys
from tensorflow_lite_support.metadata.cc.python import _pywrap_metadata_version as versions
from tensorflow_lite_support.metadata.python.metadata import MetadataDisplayer
shown = MetadataDisplayer.with_model_file(sys.argv[1])
names = shown.get_packed_associated_file_list()
json.dump({
    "metadata": json.loads(shown.get_metadata_json()),
    "attached": {name: shown.get_associated_file_buffer(name).decode() for name in names},
    "parser": versions.GetMinimumMetadataParserVersion(bytes(shown.get_metadata_buffer())),
}, sys.stdout)
"""


class UnreadableError(Exception):
    """The reader refuses a file, in its own words."""


def read_metadata(model: Path) -> dict[str, Any]:
    """`metadata`, the files `attached` to it, and the oldest `parser` that it needs."""
    python = _SYSTEM / "usr" / "bin" / "python3.11"
    if not python.is_file():
        raise FileNotFoundError(
            f"{python} is missing: run `python3 android_demo/tools/install_metadata.py`"
        )
    libraries = [_SYSTEM / "usr/lib/x86_64-linux-gnu", _SYSTEM / "lib/x86_64-linux-gnu"]
    own = {
        "LD_LIBRARY_PATH": ":".join(map(str, libraries)),
        "PYTHONHOME": str(_SYSTEM / "usr"),
        "PYTHONPATH": str(SET / "site"),
    }
    command = [python, "-B", "-c", _READ, model]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnreadableError(done.stderr.strip().splitlines()[-1])
    found: dict[str, Any] = json.loads(done.stdout)
    return found
