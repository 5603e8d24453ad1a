"""Twenty-five tiny networks of layers that the zoo's lack, each built as a user would.

    python -m benchmarks.layers [--only NAME] [--workers 2] [--out benchmarks/layers/table.md]

A build compares both runtimes' files with PyTorch, so that what is built is right; the table says
what was refused and how, which runtimes draw pictures of any shape, and how near INT8 comes in the
mean over four pictures. Weights are of a seed, so that decibels and times say little of trained
ones. Bundles go to build/layers and are kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from benchmarks.layers.catalog import ENTRIES
from benchmarks.zoo.child import ROOT, run
from iast_export.files.artifacts import write_atomic

_RECIPE = """name = "layers"
tiers = [{depth = 1, max_side_px = 64}]
[calibration]
max_pairs = 8
[quantize]
fallback = 0
[verify]
images = 4
[benchmark]
warmup = 1
blocks = 3
"""
_HEAD = """# Layers

`python -m benchmarks.layers`: tiny networks with weights of a seed, one tier of 64 px. Decibels are
of INT8 to ONNX FP32, means over four pictures; any shape: LiteRT draws it without padding to the
tier's square.

| network | what is in it | multiple | any shape | ONNX Runtime INT8 | LiteRT INT8 |
| --- | --- | ---: | --- | ---: | ---: |
"""


@dataclass(frozen=True)
class Row:
    """What became of a network.

    Attributes:
        name: in the catalog.
        refused: in what words; empty where it was built.
        fixed: why LiteRT draws no other shape than the tier's; empty where it does.
        psnr_db: of INT8 in ONNX Runtime and LiteRT.
    """

    name: str
    refused: str
    fixed: str = ""
    psnr_db: tuple[float, float] = (0.0, 0.0)


def row_of(name: str, work: Path, limit_s: float) -> Row:
    """Builds a network.

    Raises:
        SystemExit: the build ended in anything but a bundle or a refusal.
    """
    folder = work / name
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / "recipe.toml"
    write_atomic(recipe, _RECIPE.encode())
    target = f"benchmarks.layers.catalog:{name.replace('-', '_')}"
    command = ["-m", "iast_export", "build", "--network", target, "--recipe", str(recipe)]
    built = run([*command, "--out", str(folder / "bundle"), "--quiet"], limit_s)
    if built.code not in (0, 3, 4):
        sys.exit(f"{name}: exit code {built.code}, {built.sentence}")
    if built.code:
        return Row(name, f"{built.sentence} (exit code {built.code})")
    return _built(name, folder / "bundle")


def _built(name: str, bundle: Path) -> Row:
    table = json.loads((bundle / "models" / "layers-fp32.shapes.json").read_bytes())
    found = json.loads((bundle / "reports" / "verify.json").read_bytes())["rows"]
    near = {
        row["runtime"]: float(row["psnr_db"]["mean"]) for row in found if row["precision"] == "int8"
    }
    fixed = "; ".join(table["fixed"].values())
    return Row(name, "", fixed, (near["onnxruntime"], near["litert"]))


def page(rows: list[Row]) -> str:
    """The table, and in words what was refused."""
    lines = [
        f"| {row.name} | {ENTRIES[row.name].what} | {ENTRIES[row.name].size_multiple_px} | "
        + (
            "refused | | |"
            if row.refused
            else f"{'no' if row.fixed else 'yes'} | {row.psnr_db[0]:.1f} dB "
            f"| {row.psnr_db[1]:.1f} dB |"
        )
        for row in rows
    ]
    built = [row for row in rows if not row.refused]
    fixed = [f"- {row.name}: {row.fixed}" for row in built if row.fixed]
    refused = [f"- {row.name}: {row.refused}" for row in rows if row.refused]
    told = f"{len(built)} of {len(rows)} build, {len(built) - len(fixed)} draw any shape in LiteRT."
    lists = ["", "The others take squares:", "", *fixed, "", "Refused:", "", *refused]
    return _HEAD + "\n".join([*lines, "", told, *lists]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=sorted(ENTRIES), help="may be repeated")
    parser.add_argument("--workers", type=int, default=2, help="builds side by side")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "layers")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("table.md"))
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that a build may take")
    options = parser.parse_args()
    names = [name for name in ENTRIES if not options.only or name in options.only]
    with ThreadPoolExecutor(options.workers) as pool:
        asked = [pool.submit(row_of, name, options.work, options.limit) for name in names]
        rows = [one.result() for one in tqdm(asked, unit="network", disable=None)]
    if options.only:
        print(page(rows), end="")
    else:
        write_atomic(options.out, page(rows).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
