"""A bundle's INT8 files on emulated Arm processors, against what this machine computes.

    python3 android_demo/tools/install_arm.py
    python -m benchmarks.arm dist/demo --tier d3-256px [--fp32]

The golden pictures go through the INT8 files of both runtimes on Cortex-A53, A76, A710 and a
processor with SME, LiteRT's re-shaped to the picture as an app re-shapes them. Printed are the
largest difference in 8-bit levels, the share of values that differ and the 8-bit instructions met
in the code that was run. Exit code 5 where a file is beyond the manifest's tolerance. The
emulator's time says nothing about a phone and isn't printed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.arm.emulate import CPUS, Cpu, run_on
from benchmarks.arm.goldens import Case, Difference, cases, difference
from iast_export.errors import IastExportError
from iast_export.reports.manifest import load_manifest
from iast_export.specs import Precision


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("bundle", type=Path)
    parser.add_argument(
        "--tier", action="append", default=[], help="this tier alone; may be repeated"
    )
    parser.add_argument("--fp32", action="store_true", help="the FP32 files too")
    arguments = parser.parse_args()
    try:
        return judge(
            arguments.bundle, arguments.tier, ("int8", "fp32") if arguments.fp32 else ("int8",)
        )
    except IastExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def judge(bundle: Path, tiers: Sequence[str], precisions: Sequence[Precision]) -> int:
    """Prints a row per processor, tier, file and runtime; 5 where one is beyond its tolerance."""
    worst = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        asked = cases(bundle, load_manifest(bundle), folder, tiers, precisions)
        print("| processor | tier | lane | levels at most | values that differ | |")
        print("| --- | --- | --- | ---: | ---: | --- |")
        for cpu in CPUS:
            outputs, met = run_on(cpu, [case.job for case in asked], folder, log=True)
            for case, found in zip(asked, outputs, strict=True):
                apart = difference(found, case.expected)
                print(_row(cpu, case, apart), flush=True)
                worst = max(worst, 0 if allowed(case, apart) else 5)
            print(f"| {cpu.name} | | instructions | | | {_listed(met)} |", flush=True)
            if not met[cpu.instruction]:
                print(f"error: {cpu.name} never took {cpu.instruction}", file=sys.stderr)
                worst = 5
    return worst


def allowed(case: Case, apart: Difference) -> bool:
    """Whether another machine may differ so, by the manifest."""
    return apart.max_levels <= case.tolerance_levels


def _row(cpu: Cpu, case: Case, apart: Difference) -> str:
    verdict = "identical" if apart.identical else "within" if allowed(case, apart) else "**beyond**"
    lane = f"{case.job.runtime}-{case.precision}"
    cells = (cpu.name, case.tier, lane, apart.max_levels, f"{apart.differing_share:.3%}", verdict)
    return "| " + " | ".join(map(str, cells)) + " |"


def _listed(met: dict[str, int]) -> str:
    return ", ".join(f"{name} {times}" for name, times in sorted(met.items())) or "none"


if __name__ == "__main__":
    sys.exit(main())
