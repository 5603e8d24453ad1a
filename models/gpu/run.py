"""Trains what a pack holds within a box of time, on a GPU; started again, it goes on.

    cd PACK && python3 -m models.gpu.run --out OUT --minutes 9

OUT then holds weights.pt and optimizer.pt (to go on with), iast.safetensors and its card, log.csv,
run.json and sheet.png; `python -m models.gpu.unpack` takes it from there.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

NEEDED = ("torch", "numpy", "cv2", "safetensors", "tqdm")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--pack", type=Path, default=Path(), help="the pack's folder; by default this one"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--minutes", type=float, default=9.0, help="for all of it, start and ending included"
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument(
        "--until", type=float, default=1.0, help="share of the schedule that ends with the box; "
            "below 1 to "
        "leave the rest to a next run",
    )  # fmt: skip
    parser.add_argument(
        "--again",
        type=float,
        default=0.5,
        help="where in the schedule a run that had ended goes on",
    )
    parser.add_argument(
        "--batch-divisor", type=int, default=1, help="smaller batches, to try it on a CPU"
    )
    parser.add_argument("--file-limit-mib", type=float, default=16.0, help="for each file of OUT")
    parser.add_argument(
        "--no-graphs",
        action="store_true",
        help="start every kernel by itself: three times slower, for a GPU that records no step",
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs the command; its exit code."""
    begun = time.monotonic()
    args: Any = _parser().parse_args(argv)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"{', '.join(missing)} missing here\n  → carry their wheels along", file=sys.stderr)
        return 3
    from iast_export.errors import IastExportError
    from models.gpu.session import Session
    from models.telling import aloud

    try:
        with aloud():
            Session(args, begun).run()
    except IastExportError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
