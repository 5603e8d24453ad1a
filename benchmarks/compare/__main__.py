"""Other tools' INT8 and ours, on three networks, in one table from one run.

    python -m benchmarks.compare [--data ../shared/data] [--network IAST] [--tool "NNCF quantize"]

The packaged IAST, the AdaIN fixture and, where its weights are under --data, a published
fast-neural-style network. All tools get the same FP32 file and the same calibration pictures and
are called with their own defaults, one thread. Olive and NNCF are installed into environments of
their own under build/compare/envs.
Written: benchmarks/compare/table.md and table.json. A tool that fails is a row that says so, and is
no error.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.compare.rows import USUAL, compare
from benchmarks.compare.subjects import prepare, sources
from benchmarks.compare.table import as_json, markdown
from benchmarks.compare.tools import TOOLS, Tool
from iast_export.environment import machine_fingerprint, versions
from iast_export.errors import IastExportError, UsageError
from iast_export.files.artifacts import write_atomic
from iast_export.recipe import Recipe, load_recipe

ROOT = Path(__file__).resolve().parents[2]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "compare", help="kept for next time"
    )
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent, help="for table.md and table.json"
    )
    parser.add_argument("--side-px", type=int, default=256)
    parser.add_argument(
        "--network", action="append", default=[], help="this one alone; may be repeated"
    )
    parser.add_argument(
        "--tool", action="append", default=[], help="this one alone; may be repeated"
    )
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    try:
        run(arguments)
    except IastExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def run(arguments: argparse.Namespace) -> None:
    """Everything asked for, then both files."""
    started = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - started:5.0f} s] {what}", file=sys.stderr, flush=True)

    known = sources(arguments.data, arguments.side_px)
    chosen = pick("--network", arguments.network, [source.name for source in known])
    labels = pick("--tool", arguments.tool, list(dict.fromkeys(tool.label for tool in TOOLS)))
    tools = [tool for tool in TOOLS if tool.label in labels]
    recipe, rows = load_recipe(None), []
    told = facts(recipe, tools, arguments.side_px)
    for source in (one for one in known if one.name in chosen):
        subject = prepare(source, recipe, arguments.work, say)
        folder = subject.calibration.parent / "made"
        rows += compare(subject, tools, folder, arguments.work / "envs", USUAL, say)
        # After each network: what is known stays, whatever a tool's file does to the next.
        write_atomic(arguments.out / "table.json", as_json(rows, told).encode())
        write_atomic(arguments.out / "table.md", markdown(rows, told).encode())
    say(f"wrote {arguments.out / 'table.md'}")


def facts(recipe: Recipe, tools: Sequence[Tool], side_px: int) -> dict[str, str]:
    """What the figures were measured on and with."""
    environments = dict.fromkeys(tool.environment for tool in tools if tool.environment)
    return {
        "machine": "{cpu}, {cores} cores, one thread used".format(**machine_fingerprint()),
        "load": f"{os.getloadavg()[0]:.1f} at the start "
        "(0 is quiet; above, read ratios, not times)",
        "pictures": f"{recipe.verify.images} of the set {recipe.verify.set}, {side_px} px square; "
        f"{recipe.calibration.max_pairs} pairs of the set {recipe.calibration.set} calibrate",
        "versions": ", ".join(f"{name} {version}" for name, version in sorted(versions().items())),
        "others": "; ".join(" ".join(one.pins) for one in environments) or "none",
        "PSNR and drops": "against ONNX Runtime FP32; a drop is relative, positive is worse",
        "spent, peak memory": "by the process that makes the file",
    }


def pick(option: str, asked: list[str], known: list[str]) -> list[str]:
    """What was asked for, or all.

    Raises:
        UsageError: something that isn't there.
    """
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise UsageError(f"{option} {unknown[0]} is not known", f"choose of {', '.join(known)}")
    return asked or known


if __name__ == "__main__":
    sys.exit(main())
