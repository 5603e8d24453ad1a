"""Which operators of a bundle's LiteRT files the wheel's compiler for Intel's NPUs would take.

    pip install --target /elsewhere --no-deps openvino==2026.3.1
    python -m benchmarks.npu_partitions dist/demo --openvino /elsewhere/openvino

ai-edge-litert brings ahead-of-time compilers for five vendors as plug-ins. Intel's alone loads
with what a package index has: OpenVINO's wheel of the very version that it was linked to. It then
says per signature how many operators it takes and in how many parts; the compiler behind it is a
library that Intel's archive holds, and DESIGN.md, 52, says how far the others come.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import ai_edge_litert

from iast_export.errors import InputError, ToolError
from iast_export.formats import tflite_file as tf

TOOLS = Path(ai_edge_litert.__file__).parent
SOC = "LNL"  # Lunar Lake's NPU; the list of taken operators is the same for PTL
_PARTITIONED = re.compile(
    r"Partitioned subgraph<(\d+)>, selected (\d+) ops, from a total of (\d+) ops\. "
    r"resulted in (\d+) partitions"
)


@dataclass(frozen=True)
class Partition:
    """What the compiler takes of a subgraph.

    Attributes:
        subgraph: its index in the file.
        taken: operators that it takes.
        operators: that there are.
        parts: stretches of taken operators; one where the subgraph is taken whole.
    """

    subgraph: int
    taken: int
    operators: int
    parts: int


def partitions_of(told: str) -> list[Partition]:
    """What the tool told of each subgraph.

    Raises:
        ToolError: it told nothing, so it is not known what is taken.
    """
    found = [Partition(*(int(n) for n in one)) for one in _PARTITIONED.findall(told)]
    if not found:
        last = [line for line in told.splitlines() if line.strip()][-1:]
        raise ToolError(
            f"the compiler told nothing of what it takes: {' '.join(last) or 'no word'}",
            "install OpenVINO of the version in this file's head, and name its folder",
        )
    return found


def ask(model: Path, openvino: Path) -> list[Partition]:
    """The compiler's word on a file.

    Args:
        model: a TFLite file.
        openvino: folder of the package, with `libs` in it.

    Raises:
        InputError: there is no such folder.
        ToolError: the tool doesn't answer.
    """
    libraries = openvino / "libs"
    if not libraries.is_dir():
        raise InputError(f"{libraries}: no such folder", "name the folder of the package openvino")
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(TOOLS / "tools" / "apply_plugin_main"),
            "--cmd=partition",
            f"--model={model}",
            f"--o={Path(folder) / 'partitioned.tflite'}",
            "--soc_manufacturer=IntelOpenVINO",
            f"--soc_model={SOC}",
            f"--libs={TOOLS / 'vendors' / 'intel_openvino' / 'compiler'}",
            "--err=--",
        ]
        ran = subprocess.run(
            command,
            env={**os.environ, "LD_LIBRARY_PATH": str(libraries)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    return partitions_of(ran.stdout)


def table(models: list[Path], openvino: Path) -> str:
    """A row in Markdown per file and signature."""
    lines = [
        "| file | signature | operators | taken | parts |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for path in models:
        names = {s.subgraph: s.key for s in tf.signatures(tf.read_model(path))}
        lines += [
            f"| `{path.name}` | `{names[one.subgraph]}` | {one.operators} | {one.taken} "
            f"| {one.parts} |"
            for one in ask(path, openvino)
        ]
    return "\n".join(lines)


def main() -> int:
    """Asks for every LiteRT file of the bundle and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--openvino", type=Path, required=True, help="folder of the package")
    options = parser.parse_args()
    models = sorted((options.bundle / "models").glob("*.tflite"))
    if not models:
        raise InputError(f"{options.bundle}: no LiteRT file", "name the folder of a bundle")
    print(table(models, options.openvino.resolve()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
