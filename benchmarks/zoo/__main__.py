"""Fifteen networks that people deploy, built and measured beside other tools' defaults.

    python -m benchmarks.zoo [--only NAME] [--width tiny|real] [--size 256] [--out FILE]

Each network is planned, built and measured in processes of its own, so that none can end the run or
weigh on another's peak memory; a failure is a row. Rows are kept: a second run makes what is
missing and what failed, `--again` everything. Written: FILE (.json) and a table beside it (.md).
Trained weights are taken from --data where they are there, else from seeds.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.zoo.catalog import ENTRIES
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
    parser.add_argument("--out", type=Path, help="default: benchmarks/zoo/WIDTH-SIZE.json")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "zoo", help="for the bundles")
    parser.add_argument(
        "--limit", type=float, default=1800.0, help="seconds that a process may take"
    )
    parser.add_argument("--again", action="store_true", help="finished rows too")
    return parser.parse_args()


def main() -> int:
    options = parse()
    out = options.out or Path(__file__).with_name(f"{options.width}-{options.size[0]}.json")
    rows, started = load(out), time.monotonic()
    asked = Asked(options.width, options.size, options.data, options.work, options.limit)
    for entry in ENTRIES:
        if options.only and entry.name not in options.only:
            continue
        if finished(rows.get(entry.name), options.width, options.size) and not options.again:
            continue
        print(f"[{time.monotonic() - started:5.0f} s] {entry.name}", file=sys.stderr, flush=True)
        rows[entry.name] = row_of(entry, asked)
        save(rows, out)
    save(rows, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
