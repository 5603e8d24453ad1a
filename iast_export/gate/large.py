"""Checks of large pictures by tiles: what is told of each tier, and floors where a rule asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from iast_export.gate.common import check_of, least_ssim
from iast_export.gate.rules import LargeRules, Rules
from iast_export.reports.base import PSNR_CAP_DB
from iast_export.reports.manifest import Manifest, TierEntry
from iast_export.reports.statistics import LargePlan, large_plan
from iast_export.reports.verdict import Check, Outcome
from iast_export.reports.verify import LargeRow, VerifyReport
from iast_export.specs import GOLDEN_LANES

_AGAIN = "run `iast-export verify` again"
_REMEDY = "compare `stylize --large tiles` with FP32, or lower the limit if that is meant"
_RULE = "one row for each lane of a golden picture, of each tier whose tiles are cheap"


def check_large(manifest: Manifest, verified: VerifyReport, rules: Rules) -> list[Check]:
    """Every row against the limits of its precision; a report of before has no row.

    Tiers whose statistics can't be lifted have none either, in that runtime.
    """
    if not verified.large:
        if not rules.large:
            return []
        return [check_of("large pictures", "coverage", "cannot judge", "none", "some", _AGAIN)]
    faults = list(_faults(manifest, verified))
    outcome: Outcome = "fail" if faults else "pass"
    told = "; ".join(faults[:4]) or "all there"
    checks = [check_of("large pictures", "integrity", outcome, told, _RULE, _AGAIN)]
    for row in verified.large:
        limits = rules.large.get(row.precision)
        checks += [] if limits is None else _floors(row, limits)
    return checks


def _faults(manifest: Manifest, verified: VerifyReport) -> Iterator[str]:
    told = Counter((row.runtime, row.precision, row.tier) for row in verified.large)
    plans = {tier.id: plan for tier in manifest.tiers if (plan := plan_of(tier)) is not None}
    wanted = {
        (runtime, precision, tier.id)
        for tier in manifest.tiers
        if tier.id in plans and tier.statistics is not None
        for runtime, precision in GOLDEN_LANES
        if runtime not in tier.statistics.limits
    }
    yield from (f"{' '.join(key)} is missing" for key in sorted(wanted - set(told)))
    yield from (f"{' '.join(key)} is told twice" for key, count in told.items() if count > 1)
    pictures: dict[str, LargeRow] = {}
    for row in verified.large:
        first = pictures.setdefault(row.tier, row)
        if _picture(row) != _picture(first):
            yield f"{_label(row)} was judged on another picture"
        if row.psnr_db < PSNR_CAP_DB and row.ssim < least_ssim(row):
            yield f"{_label(row)}: ssim {row.ssim:.4g} is impossible at {row.psnr_db:.4g} dB"
        if row.tier in plans:
            yield from _size_faults(row, plans[row.tier], manifest.network.size_multiple_px)


def plan_of(tier: TierEntry) -> LargePlan | None:
    """What large picture a tier is judged on; None: none, or the manifest is an older one."""
    found = tier.statistics
    if found is None or found.halo_px is None or found.tile_multiple_px is None:
        return None
    return large_plan(tier.max_side_px, found.tile_multiple_px, found.halo_px)


def _size_faults(row: LargeRow, plan: LargePlan, multiple_px: int) -> Iterator[str]:
    """A picture of another size than every build judges; a side may be rounded to a multiple."""
    off = abs(max(row.width_px, row.height_px) - plan.long_px)
    if off > multiple_px or row.tile_px != plan.tile_px:
        yield f"{_label(row)} was judged at {row.width_px}x{row.height_px} by {row.tile_px} px"
    if row.tiles * row.tile_px**2 < row.width_px * row.height_px:
        yield f"{_label(row)}: {row.tiles} tiles of {row.tile_px} px don't cover the picture"


def _picture(row: LargeRow) -> tuple[str, str, int, int, int, int]:
    return row.content, row.style, row.width_px, row.height_px, row.tile_px, row.tiles


def _floors(row: LargeRow, limits: LargeRules) -> Iterator[Check]:
    for name, found, limit, unit in (
        ("PSNR", row.psnr_db, limits.min_psnr_db, " dB"),
        ("SSIM", row.ssim, limits.min_ssim, ""),
    ):
        if limit is not None:
            outcome: Outcome = "pass" if found >= limit else "fail"
            said, rule = f"{found:.4g}{unit}", f"at least {limit:.4g}{unit}"
            label = f"{name} by tiles: {_label(row)}"
            yield check_of(label, "accuracy", outcome, said, rule, _REMEDY)


def _label(row: LargeRow) -> str:
    return f"{row.runtime} {row.precision} {row.tier}"
