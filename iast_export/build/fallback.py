"""Where INT8 loses too much: a search leaves the worst groups in float, within a stated time.

What `verify` found decides, so a network that holds the rule spends nothing. What a tier was given
is the first that the next one of its depth tries, and all where it holds. A search's own state
lies in the bundle's `search` folder, so that a build whose time was out goes on when run again. The
groups rest in `calibration/fallback.json`, which `quantize` reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from iast_export.build.request import Build
from iast_export.bundle.sealed import Seals
from iast_export.errors import CannotJudgeError
from iast_export.files.artifacts import is_fresh, record, stage_key
from iast_export.files.notes import note
from iast_export.lanes.default_lane import FLOOR_DB, MAX_DROP, holds_floors
from iast_export.lanes.figures import fidelity_of
from iast_export.lanes.timing import clock_of
from iast_export.reports.base import VERIFY_PATH
from iast_export.reports.quantize import FallbackReport, FallbackRow
from iast_export.reports.verify import VerifyReport
from iast_export.specs import Runtime, Tier

if TYPE_CHECKING:
    from iast_export.reports.search import SearchReport

_NAME = "fallback"


def load_fallback(build: Build) -> tuple[FallbackRow, ...]:
    """What was found for the files that a build has now; nothing where they are others.

    Raises:
        InputError: a prepared file, a range or what was learned is missing.
    """
    asked = build.recipe.quantize.fallback > 0 and build.layout.fallback.is_file()
    if not asked or not is_fresh(build.root, _NAME, _key(build)):
        return ()
    return FallbackReport.load(build.layout.fallback).rows


def in_float(build: Build) -> Mapping[tuple[Runtime, str], tuple[str, ...]]:
    """The operator groups to leave in float, by runtime and tier."""
    return {(row.runtime, row.tier): row.in_float for row in load_fallback(build)}


def fall_back(build: Build) -> bool:
    """Searches where INT8 misses the rule for default lanes and no search came to its end.

    Returns:
        Whether INT8 files are to be made anew.
    """
    if not build.recipe.quantize.fallback:
        return False
    before = {(row.runtime, row.tier): row for row in load_fallback(build)}
    found = dict(before)
    for runtime, tier in _missed(build):
        known = before.get((runtime, tier.id))
        if known is None or not known.complete:
            row = _search(build, runtime, tier, _held_elsewhere(build, found, runtime, tier))
            found |= {(runtime, tier.id): row} if row is not None else {}
    if found == before:
        return False
    FallbackReport(rows=tuple(found.values())).save(build.layout.fallback)
    record(build.root, _NAME, _key(build), [build.layout.fallback])
    return True


def _held_elsewhere(
    build: Build, found: Mapping[tuple[Runtime, str], FallbackRow], runtime: Runtime, tier: Tier
) -> tuple[tuple[str, ...], ...]:
    """What was left in float in other tiers of the same depth, by the names of this tier."""
    alike = {one.id: one for one in build.tiers if one.depth == tier.depth and one != tier}
    mixes = [
        (alike[at].signature, row.in_float)
        for (of, at), row in found.items()
        if of == runtime and at in alike and row.in_float
    ]
    return tuple(
        tuple(name.replace(f"{signature}/", f"{tier.signature}/", 1) for name in names)
        for signature, names in reversed(mixes)
    )


def _key(build: Build) -> str:
    layout, chosen = build.layout, build.recipe
    inputs = [*build.fp32_files, *layout.all_prepared(build.tiers), *layout.all_ranges(build.tiers)]
    params: dict[str, Any] = {
        "quantize": chosen.quantize.model_dump(mode="json", exclude={"fallback"}),
        "verify": chosen.verify.model_dump(mode="json"),
        "evaluation_sha256": build.evaluation_set.sha256,
        "styles": build.styles_sha256,
    }
    return stage_key(_NAME, params, [*inputs, layout.learned])


def _missed(build: Build) -> list[tuple[Runtime, Tier]]:
    tiers = {tier.id: tier for tier in build.tiers}
    verified = VerifyReport.load(build.root / VERIFY_PATH)
    return [
        (row.runtime, tiers[row.tier])
        for row in verified.rows
        if row.precision == "int8" and not holds_floors(fidelity_of(row, verified))
    ]


def _search(
    build: Build, runtime: Runtime, tier: Tier, first: tuple[tuple[str, ...], ...]
) -> FallbackRow | None:
    """What a search found in its time; None: there is nothing to search or to judge by."""
    from iast_export.build.searching import search_tier
    from iast_export.search import Budget, Options, TimingOptions

    drops = ["ssim_content", "style_distance"]
    drops += ["lpips_content"] if build.recipe.verify.perceptual_weights else []
    budgets = [
        Budget("psnr_db", ">=", FLOOR_DB),
        *(Budget(f"drop.{name}", "<=", MAX_DROP) for name in drops),
    ]
    minutes = build.recipe.quantize.fallback
    threads = build.recipe.benchmark.threads
    timing = TimingOptions(threads=threads, clock_ns=clock_of(threads)[1])
    options = Options(minutes, timing, by_value=True, first=first)
    try:
        seals = Seals.of_build(build.root)
        report = search_tier(build, tier, tuple(budgets), None, options, runtime, seals)
    except CannotJudgeError as error:
        note(_NAME, f"INT8 at {tier.id} is not searched for better: {error.message}")
        return None
    return _row(report)


def _row(report: SearchReport) -> FallbackRow:
    lanes = {lane.lane: lane for lane in report.lanes}
    chosen = tuple(group.name for group in report.groups if group.precision == "fp32")
    fp32, int8, mixed = (lanes[name] for name in ("fp32", "int8", "mixed"))
    holds = all(one.holds for one in report.budgets)
    pays = holds and len(chosen) < len(report.groups) and mixed.median_ms < fp32.median_ms
    return FallbackRow(
        runtime=report.runtime,
        tier=report.tier,
        in_float=chosen if pays else (),
        groups=len(report.groups),
        complete=report.complete or pays,
        int8_psnr_db=int8.psnr_db,
        psnr_db=mixed.psnr_db,
        int8_ms=int8.median_ms,
        ms=mixed.median_ms,
        fp32_ms=fp32.median_ms,
    )
