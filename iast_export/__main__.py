"""The entry point: what must hold before anything large is imported."""

from __future__ import annotations

import gc
import os
import signal
import sys

# Objects made between two searches for cycles of garbage, and how often older ones are looked
# through. A traced graph is millions of small objects, all in use: by Python's own 700, 10 and 10
# a build of a small network takes 68 s for 62 (memory: 583 MB for 598).
GARBAGE_THRESHOLDS = 50_000, 20, 20


def main() -> None:
    """Runs `iast-export`.

    Ctrl-C while modules load ends the process at once and without a traceback, since nothing is at
    work yet. A package that is missing is named, also one that the command line itself needs.
    """
    _open_closed_streams()
    # Pieces of work have a core each already, and threads of numpy's own only stand in their way
    # (`learn` takes 9 s for 14); it reads this once, as it is imported.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        from iast_export.cli.main import main as run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "iast_export":
            raise
        sys.stderr.write(
            f"error: {error.name} is not installed, which is needed for everything\n"
            "  -> pip install -c constraints.txt iast-export\n"
        )
        sys.exit(2)
    if interruptible:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _open_closed_streams() -> None:
    """Puts the null device where a standard stream was closed, so that no file gets its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is this one, as those below are open by now.
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115


if __name__ == "__main__":
    main()
