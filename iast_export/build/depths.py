"""Every depth of a build's network at every size of its plan: reports/depths.json."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from iast_export.build.export import export_tier
from iast_export.build.request import Build, seals_of
from iast_export.build.samples import evaluation_facts, evaluation_pairs, open_scorers
from iast_export.bundle.claims import working
from iast_export.environment import machine_fingerprint, versions
from iast_export.errors import ToolError, UsageError
from iast_export.files.artifacts import sha256_file
from iast_export.files.paths import check_folders, check_inputs_apart
from iast_export.lanes.compare import ComparisonOptions
from iast_export.lanes.depths import DepthLanes, compare_depths
from iast_export.lanes.judge import Judging
from iast_export.lanes.lane import Lane
from iast_export.lanes.timing import clock_of
from iast_export.lanes.views import EvaluationPair
from iast_export.pictures.imagesets import check_disjoint, load_set, spread
from iast_export.quantize.learned import Learned
from iast_export.quantize.onnx.qdq import quantize_onnx, tensors_to_calibrate
from iast_export.quantize.ranges import Range
from iast_export.reports.base import SetFacts
from iast_export.reports.depths import DEPTHS_PATH, DepthsReport
from iast_export.specs import REFERENCE, Tier, find_tiers

# Of every tensor, as only time is asked of these files, and it does not depend on ranges.
_RANGE = Range(-4.0, 4.0)
# Of a set that is given: a few thousandths of SSIM were told apart by as many.
MOST_PICTURES = 48


def compare_build_depths(
    build: Build,
    tier_ids: Sequence[str],
    options: ComparisonOptions,
    pictures: str | None = None,
) -> DepthsReport:
    """Times and judges all depths at the sizes of some tiers (none given: all).

    Nothing of the bundle changes but reports/depths.json; the depths' files are made aside.

    Args:
        build: a finished one.
        tier_ids: whose sizes.
        options: how to time.
        pictures: a set to judge on, `MOST_PICTURES` of it; None: the recipe's.

    Raises:
        UsageError: a network of one depth, or no such tier.
        InputError: the build is not finished, or was made from other inputs; no such set, or one
            that shares a picture with what calibrated.
        CannotJudgeError: too few photographs.
        ToolError: a depth can't be exported, or does not run.
    """
    check_folders(build.root)
    check_inputs_apart(build.root, build.inputs())
    depths = sorted(set(build.network.depths))
    if len(depths) < 2:
        raise UsageError(
            f"the network has depth {depths[0]} alone, there is nothing to choose from",
            "compare its precisions with `iast-export lanes`",
        )
    tiers = find_tiers(build.tiers, tier_ids, "the recipe")
    clock, clock_ns = clock_of(options.threads)
    options = replace(options, clock_ns=clock_ns)
    judged_on = _judged_on(build, pictures)
    with working(build.root), tempfile.TemporaryDirectory() as folder:
        fp32 = _sealed_fp32(build)
        files = _exported(build, depths, tiers[-1].max_side_px, Path(folder))
        quantized, no_int8 = _quantized(files)
        judging, sizes = Judging(open_scorers(build), options.threads), []
        for i, tier in enumerate(tiers):
            build.progress("compare depths", i, len(tiers))
            lanes = [_lanes(depth, tier.max_side_px, files, quantized) for depth in depths]
            judged = judged_on.pairs, judging, options
            sizes.append(compare_depths(tier.max_side_px, lanes, build.tiers, *judged))
        build.progress("compare depths", len(tiers), len(tiers))
        report = DepthsReport(
            machine=machine_fingerprint(),
            versions=versions(),
            threads=options.threads,
            clock=clock,
            set=judged_on.facts,
            no_int8=no_int8,
            fp32_sha256=fp32,
            sizes=tuple(sizes),
        )
        report.save(build.root / DEPTHS_PATH)
    return report


@dataclass(frozen=True)
class _JudgedOn:
    facts: SetFacts
    pairs: Sequence[EvaluationPair]


def _judged_on(build: Build, spec: str | None) -> _JudgedOn:
    if spec is None:
        return _JudgedOn(evaluation_facts(build), evaluation_pairs(build))
    found = load_set(spec, MOST_PICTURES)
    check_disjoint(build.calibration_set, found)
    chosen = [(found.entries[i].id, found[i]) for i in spread(len(found), MOST_PICTURES)]
    facts = SetFacts(name=found.name, sha256=found.sha256, images=len(chosen))
    return _JudgedOn(facts, evaluation_pairs(build, chosen))


def _sealed_fp32(build: Build) -> tuple[str, ...]:
    """The hashes of the bundle's FP32 files, which say whose depths these are."""
    seals, paths = seals_of(build), [build.layout.onnx(tier, "fp32") for tier in build.tiers]
    for path in paths:
        seals.check(path)
    return tuple(sha256_file(path) for path in paths)


def _exported(
    build: Build, depths: Sequence[int], largest_px: int, folder: Path
) -> dict[int, Path]:
    """A file of each depth, for all sizes."""
    files = {}
    for i, depth in enumerate(depths):
        build.progress("export depths", i, len(depths))
        files[depth] = folder / f"d{depth}-fp32.onnx"
        export_tier(build.network, Tier(depth, largest_px), files[depth])
    build.progress("export depths", len(depths), len(depths))
    return files


def _lanes(
    depth: int, size_px: int, fp32: Mapping[int, Path], int8: Mapping[int, Path]
) -> DepthLanes:
    tier, runtime = Tier(depth, size_px), REFERENCE[0]
    quantized = Lane(runtime, "int8", tier, int8[depth]) if int8 else None
    return DepthLanes(depth, Lane(runtime, "fp32", tier, fp32[depth]), quantized)


def _quantized(files: Mapping[int, Path]) -> tuple[dict[int, Path], str]:
    """Each depth's file in INT8 with all ranges alike; none, and why, where one does not run."""
    made = {}
    for depth, fp32 in files.items():
        made[depth] = fp32.with_name(f"d{depth}-int8.onnx")
        ranges = dict.fromkeys(tensors_to_calibrate(fp32), _RANGE)
        try:
            quantize_onnx(fp32, Learned(ranges), made[depth])
        except ToolError as error:
            return {}, f"depth {depth}: {' '.join(error.message.split())}"
    return made, ""
