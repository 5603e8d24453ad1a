"""All lanes of a build side by side: reports/lanes.json."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from iast_export.build.request import Build, seals_of
from iast_export.build.samples import evaluation_facts, evaluation_pairs, open_scorers
from iast_export.bundle.claims import working
from iast_export.environment import machine_fingerprint, versions
from iast_export.files.artifacts import sha256_file
from iast_export.files.paths import check_folders, check_inputs_apart
from iast_export.lanes.compare import ComparisonOptions, compare_tier
from iast_export.lanes.default_lane import DEFAULT_RULE
from iast_export.lanes.forms import Source, enter_lanes
from iast_export.lanes.timing import clock_of
from iast_export.lanes.views import squares
from iast_export.pictures.images import to_tensor
from iast_export.reports.lanes import LANES_PATH, LaneRow, LanesReport
from iast_export.runtimes.gpu import GpuDevice, find_gpu
from iast_export.specs import CONTENT, Accelerator, Tier, find_tiers


def compare_build(
    build: Build,
    tier_ids: Sequence[str],
    options: ComparisonOptions,
    accelerator: Accelerator = "cpu",
) -> LanesReport:
    """Makes, times and judges every lane of some tiers (none given: all); reports/lanes.json.

    With a GPU its lanes too: LiteRT's files of the bundle, whole or not at all.

    Raises:
        InputError: the build is not finished, or was made from other inputs.
        ToolError: a lane of the bundle itself does not run, or there is no GPU.
        UsageError: no such tier.
    """
    check_folders(build.root)
    check_inputs_apart(build.root, build.inputs())
    gpu = find_gpu() if accelerator == "gpu" else None
    with working(build.root):
        return _compare(build, find_tiers(build.tiers, tier_ids, "the recipe"), options, gpu)


def _compare(
    build: Build, tiers: Sequence[Tier], options: ComparisonOptions, gpu: GpuDevice | None
) -> LanesReport:
    layout, seals = build.layout, seals_of(build)
    clock, clock_ns = clock_of(options.threads)
    options = replace(options, clock_ns=clock_ns)
    fp32 = [layout.tflite("fp32"), *(layout.onnx(tier, "fp32") for tier in tiers)]
    for path in fp32:
        seals.check(path)
    trim_sums = build.recipe.quantize.trim_sums
    multiple_px = build.network.size_multiple_px
    source = Source(layout, build.tiers, seals, trim_sums, build.progress, multiple_px)
    pairs, scorers = evaluation_pairs(build), open_scorers(build)
    rows: list[LaneRow] = []
    for tier in tiers:
        (view,) = squares(pairs[:1], tier)
        feeds = {CONTENT: to_tensor(view.content), **view.pair.feeds}
        entrants = enter_lanes(source, tier, feeds)
        judges = pairs, scorers, build.root, options, build.progress, gpu, multiple_px
        rows += compare_tier(entrants, *judges)
    report = LanesReport(
        machine=machine_fingerprint(),
        versions=versions(),
        threads=options.threads,
        clock=clock,
        set=evaluation_facts(build),
        rule=DEFAULT_RULE,
        gpu=str(gpu) if gpu else None,
        fp32_sha256=tuple(sha256_file(path) for path in fp32),
        rows=tuple(rows),
    )
    report.save(build.root / LANES_PATH)
    return report
