"""How far the sums of `iast-export plan` are from the whole tier, measured right after it.

    python -m benchmarks.plan_sums dist/demo
    python -m benchmarks.plan_sums dist/adain --recipe adain.toml \\
        --network benchmarks.fixtures.adain:factory

Takes a built bundle, measures every group of each tier anew and then its FP32 and INT8 files in
turn, all with the clock of the plan: processor time of the one thread. Printed, and nothing
written.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from iast_export.build.request import Build, Request, seals_of
from iast_export.bundle.styles import feeds_of
from iast_export.cli.console import progress_bar
from iast_export.errors import IastExportError
from iast_export.lanes.lane import find_lanes, timed_run
from iast_export.lanes.timing import TimingOptions, time_in_turn
from iast_export.network.adapters import PACKAGED
from iast_export.pictures.images import center_square, to_tensor
from iast_export.plan import MeasureOptions, plan_tier
from iast_export.recipe import load_recipe
from iast_export.specs import Precision, Runtime, Tier

_PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True)
class Row:
    """One tier in one runtime and precision: the plan's sum and the measured whole."""

    tier: str
    runtime: Runtime
    precision: Precision
    sum_ms: float
    whole_ms: float

    @property
    def text(self) -> str:
        """The row as a line of Markdown."""
        off = 100 * (self.sum_ms / self.whole_ms - 1)
        cells = (f"{self.sum_ms:.1f} ms", f"{self.whole_ms:.1f} ms", f"{off:+.1f} %")
        return f"| {self.tier} | {self.runtime} {self.precision} | {' | '.join(cells)} |"


def compare(build: Build, tier: Tier, options: MeasureOptions, blocks: int = 15) -> Iterator[Row]:
    """The rows of one tier."""
    report = plan_tier(build, tier.id, options)
    sums: dict[tuple[str, str], float | None] = {}
    for plan in report.runtimes:
        sums[plan.runtime, "fp32"], sums[plan.runtime, "int8"] = plan.fp32_ms, plan.planned_ms
    found = find_lanes(build.layout, [tier], seals_of(build))
    lanes = [lane for lane in found if lane.precision in _PRECISIONS]
    _, rgb = build.evaluation_pictures()[0]
    content = to_tensor(center_square(rgb, tier.max_side_px))
    feeds = feeds_of(build.styles[0], build.network.code_shapes)
    runs = {lane.label: timed_run(lane.open(), content, feeds) for lane in lanes}
    timing = TimingOptions(blocks=blocks, budget_s=60.0, clock_ns=time.thread_time_ns)
    samples = time_in_turn(runs, timing)
    for lane in lanes:
        total = sums[lane.runtime, lane.precision]
        if total is not None:
            whole = samples[lane.label].median_ms
            yield Row(tier.id, lane.runtime, lane.precision, total, whole)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path, help="from `iast-export build`")
    parser.add_argument("--recipe", type=Path, help="that it was built with")
    parser.add_argument("--network", default=PACKAGED, help="that it was built from")
    given = parser.parse_args(arguments)
    try:
        recipe = load_recipe(given.recipe)
        with progress_bar() as progress:
            build = Build(Request(given.bundle, recipe, given.network), progress)
            options = MeasureOptions("again")
            rows = [row for tier in recipe.plan for row in compare(build, tier, options)]
    except IastExportError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    sys.stdout.write(
        "| tier | lane | sum of parts | whole | off by |\n| --- | --- | ---: | ---: | ---: |\n"
    )
    sys.stdout.write("".join(f"{row.text}\n" for row in rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
