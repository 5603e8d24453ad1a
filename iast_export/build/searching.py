"""What a search takes from a build or a finished bundle: files, ranges, pictures and judges."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iast_export.build.learn import load_learned
from iast_export.build.request import Build, seals_of
from iast_export.build.samples import evaluation_facts, evaluation_pairs, open_scorers
from iast_export.bundle.claims import working
from iast_export.bundle.sealed import Seals
from iast_export.environment import machine_fingerprint, versions
from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import stage_key
from iast_export.files.paths import check_folders, check_inputs_apart
from iast_export.lanes.views import EvaluationPair
from iast_export.reports.search import SearchReport
from iast_export.search import Budget, Options, Subject, search
from iast_export.specs import REFERENCE, Runtime, Tier, find_tiers


def search_build(
    build: Build,
    tier_id: str,
    budgets: tuple[Budget, ...],
    out: Path | None,
    options: Options,
    runtime: Runtime = REFERENCE[0],
) -> SearchReport:
    """Searches one tier of a build; the result goes to `out`, or to the build's search/TIER.

    Raises:
        InputError: the FP32 file or its ranges are missing or altered, or the bundle was made from
            other inputs.
        UsageError: no such tier, a time box that is not positive, a score that nothing judges.
        IastExportError: see `search`.
    """
    check_folders(build.root)
    check_inputs_apart(build.root, build.inputs())
    with working(build.root):
        tier = find_tiers(build.tiers, [tier_id], "the recipe")[0]
        if options.minutes <= 0:
            raise UsageError(f"--minutes {options.minutes:g} is no time", "give a number above 0")
        return search_tier(build, tier, budgets, out, options, runtime, seals_of(build))


def search_tier(
    build: Build,
    tier: Tier,
    budgets: tuple[Budget, ...],
    out: Path | None,
    options: Options,
    runtime: Runtime,
    seals: Seals,
) -> SearchReport:
    """As `search_build`, for who works in the folder already; files are held to `seals`."""
    subject, inputs = _subject(build, tier, runtime, evaluation_pairs(build), seals)
    weights = build.recipe.verify.perceptual_weights
    params = {
        "quantize": build.recipe.quantize.model_dump(mode="json", exclude={"fallback"}),
        "verify": build.recipe.verify.model_dump(mode="json"),
        "set_sha256": build.evaluation_set.sha256,
        "shapes": "squares, and a third as they are",
        "styles": build.styles_sha256,
        "timing": [options.timing.threads, options.timing.warmup, options.timing.blocks],
        "versions": versions(),
        "machine": machine_fingerprint(),
    }
    return search(
        subject,
        budgets,
        evaluation_facts(build),
        stage_key("search", params, [*inputs, *([Path(weights)] if weights else [])]),
        out or build.layout.search(tier),
        build.layout.mixed(runtime, tier).name,
        options,
        build.progress,
    )


def _subject(
    build: Build,
    tier: Tier,
    runtime: Runtime,
    pairs: Sequence[EvaluationPair],
    seals: Seals,
) -> tuple[Subject, list[Path]]:
    """What is searched, and the files that decide its figures."""
    layout = build.layout
    reference, fp32 = layout.onnx(tier, "fp32"), layout.transfer(runtime, "fp32", tier)
    prepared = layout.prepared(runtime, tier)
    inputs = [reference, fp32, prepared, layout.ranges(runtime, tier), layout.learned]
    for path in inputs:
        _check(seals, path)
    learned, edges = load_learned(build, runtime)[tier], build.recipe.quantize.edges
    judges = pairs, open_scorers(build)
    files = fp32, prepared, reference
    multiple_px = build.network.size_multiple_px
    subject = Subject(runtime, tier, *files, learned, *judges, multiple_px, edges)
    return subject, inputs


def _check(seals: Seals, path: Path) -> None:
    if not path.is_file():
        raise InputError(
            f"{path} is missing", "run `iast-export build`, or its stages up to `learn`"
        )
    seals.check(path)
