"""Fifteen networks that people deploy, built and measured beside other tools' defaults.

    python -m benchmarks.zoo [--only NAME] [--width tiny|real] [--size 256] [--out FILE]

Each network is planned, built and measured in processes of its own, so that none can end the run or
weigh on another's peak memory; a failure is a row. Rows are kept: a second run makes what is
missing and what failed, `--again` everything. Written: FILE (.json) and a table beside it (.md).
Trained weights are taken from --data where they are there, else from seeds; with --taught FOLDER
all networks that `benchmarks.zoo.teach` taught have its weights, and others are left out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.zoo.catalog import ENTRIES, Entry
from benchmarks.zoo.child import ROOT
from benchmarks.zoo.one import Asked, row_of
from benchmarks.zoo.table import finished, load, save


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [entry.name for entry in ENTRIES]
    parser.add_argument(
        "--only", action="append", default=[], choices=names, help="this one; may be repeated"
    )
    parser.add_argument("--width", choices=("tiny", "real"), default="real")
    parser.add_argument(
        "--size", type=int, nargs="+", default=[256], help="sides of the tiers; the first is timed"
    )
    parser.add_argument(
        "--out", type=Path, help="default: benchmarks/zoo/WIDTH-SIZE.json, or taught-SIZE.json"
    )
    parser.add_argument("--taught", type=Path, help="folder that benchmarks.zoo.teach wrote")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "zoo", help="for the bundles")
    parser.add_argument(
        "--limit", type=float, default=1800.0, help="seconds that a process may take"
    )
    parser.add_argument("--again", action="store_true", help="finished rows too")
    options = parser.parse_args()
    if options.taught and options.width == "tiny":
        parser.error("--taught: weights were taught at real width")
    return options


def chosen(only: Sequence[str], taught: Path | None) -> list[Entry]:
    """The networks that are asked for, of those that were taught if weights shall be.

    Raises:
        SystemExit: 2, there is none.
    """
    asked = [entry for entry in ENTRIES if not only or entry.name in only]
    entries = [one for one in asked if taught is None or one.taught(taught).is_file()]
    if not entries:
        print(f"{taught} has weights of none of {[one.name for one in asked]}", file=sys.stderr)
        sys.exit(2)
    return entries


def main() -> int:
    options = parse()
    kind = "taught" if options.taught else options.width
    out = options.out or Path(__file__).with_name(f"{kind}-{options.size[0]}.json")
    rows, started = load(out), time.monotonic()
    asked = Asked(
        options.width, options.size, options.data, options.taught, options.work, options.limit
    )
    for entry in chosen(options.only, options.taught):
        if finished(rows.get(entry.name), options.width, options.size) and not options.again:
            continue
        print(f"[{time.monotonic() - started:5.0f} s] {entry.name}", file=sys.stderr, flush=True)
        rows[entry.name] = row_of(entry, asked)
        save(rows, out)
    save(rows, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
