"""What a search takes from a build or a finished bundle: files, ranges, pictures and judges."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from iast_export.build.request import Build, seals_of
from iast_export.build.stages import (
    build_scorers,
    evaluation_pairs,
    factors_path,
    learn_adjustments,
    ranges_path,
    styles_sha256,
)
from iast_export.bundle.claims import working
from iast_export.environment import machine_fingerprint, versions
from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import stage_key
from iast_export.files.paths import check_folders, check_inputs_apart
from iast_export.lanes.verify import EvaluationPair
from iast_export.quantize.calibrate import load_ranges
from iast_export.quantize.equalize.factors import Equalization
from iast_export.quantize.rounding import adjust_onnx
from iast_export.reports.base import SetFacts
from iast_export.reports.search import SearchReport, mixed_name
from iast_export.search import Budget, LiteRtSubject, OnnxSubject, Options, Subject, search
from iast_export.specs import Runtime, Tier, onnx_name, tflite_name


def search_build(
    build: Build,
    tier_id: str,
    budgets: tuple[Budget, ...],
    out: Path | None,
    options: Options,
    runtime: Runtime = "onnxruntime",
) -> SearchReport:
    """Searches one tier of a build; the result goes to `out`, or to search/TIER in the build's
    folder.

    Raises:
        InputError: the FP32 file or its ranges are missing or altered, or the bundle was made from
            other inputs.
        UsageError: no such tier, a time box that is not positive, a score that nothing judges.
        IastExportError: see `search`.
    """
    check_folders(build.root)
    check_inputs_apart(build.root, build.inputs())
    with working(build.root):
        return _search_build(build, tier_id, budgets, out, options, runtime)


def _search_build(
    build: Build,
    tier_id: str,
    budgets: tuple[Budget, ...],
    out: Path | None,
    options: Options,
    runtime: Runtime,
) -> SearchReport:
    tier = _tier(build, tier_id)
    if options.minutes <= 0:
        raise UsageError(f"--minutes {options.minutes:g} is no time", "give a number above 0")
    pairs = evaluation_pairs(build)
    subject, inputs = _subject(build, tier, runtime, pairs)
    weights = build.recipe.verify.perceptual_weights
    params = {
        "quantize": build.recipe.quantize.model_dump(mode="json"),
        "verify": build.recipe.verify.model_dump(mode="json"),
        "set_sha256": build.evaluation_set.sha256,
        "styles": styles_sha256(build),
        "timing": [options.timing.threads, options.timing.warmup, options.timing.blocks],
        "versions": versions(),
        "machine": machine_fingerprint(),
    }
    return search(
        subject,
        budgets,
        SetFacts(
            name=build.evaluation_set.name, sha256=build.evaluation_set.sha256, images=len(pairs)
        ),
        stage_key("search", params, [*inputs, *([Path(weights)] if weights else [])]),
        out or build.root / "search" / tier.id,
        mixed_name(build.recipe.name, tier, runtime),
        options,
        build.progress,
    )


def _subject(
    build: Build, tier: Tier, runtime: Runtime, pairs: Sequence[EvaluationPair]
) -> tuple[Subject, list[Path]]:
    """What is searched, and the files that decide its figures."""
    name, trim_sums = build.recipe.name, build.recipe.quantize.trim_sums
    reference, ranges = build.models / onnx_name(name, tier, "fp32"), _ranges(build, tier, runtime)
    seals = seals_of(build)
    for path in (reference, ranges, factors_path(build)):
        seals.check(path)
    judges = (pairs, build_scorers(build))
    factors, inputs = (
        Equalization.load(factors_path(build)),
        [reference, ranges, factors_path(build)],
    )
    if runtime == "onnxruntime":
        adjustment = learn_adjustments(build)[0][build.tiers.index(tier)]
        adjust = partial(adjust_onnx, adjustment=adjustment)
        found = load_ranges(ranges)
        return OnnxSubject(reference, tier, found, *judges, adjust, trim_sums, factors), inputs
    fp32 = build.models / tflite_name(name, "fp32")
    seals.check(fp32)
    filters, edges = learn_adjustments(build)[1], build.recipe.quantize.edges
    made = LiteRtSubject(
        fp32, reference, tier, load_ranges(ranges), *judges, filters, edges, trim_sums, factors
    )
    return made, [fp32, *inputs]


def _tier(build: Build, tier_id: str) -> Tier:
    known = {tier.id: tier for tier in build.tiers}
    if tier_id not in known:
        raise UsageError(f"the recipe has no tier {tier_id!r}", f"choose of {', '.join(known)}")
    return known[tier_id]


def _ranges(build: Build, tier: Tier, runtime: Runtime) -> Path:
    path = ranges_path(build, runtime, tier)
    if not path.is_file():
        raise InputError(
            f"{path} is missing", "run `iast-export build`, or its stages up to `calibrate`"
        )
    return path
