"""What of each tier's normalization can be told to tiles, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from iast_export.pages.format import runtime_name
from iast_export.reports.statistics import KeptReduction, TierStatistics
from iast_export.specs import RUNTIMES

_EXACT = "large pictures, clips and albums are exact"
_FOLLOWS = (
    "large pictures are tiles with statistics of their own, whose tones may differ, or "
    "`--large preview`; clips and albums are not drawn"
)


def statistics_words(tiers: Mapping[str, TierStatistics]) -> Iterator[str]:
    """A line per tier on what is lifted and what follows, and one per reduction that is not."""
    for tier, found in tiers.items():
        yield f"{tier}: {_lifted(found)}; {_outcome(found)}"
        yield from (f"{tier}: {_kept(one)}" for one in found.not_lifted)


def _lifted(found: TierStatistics) -> str:
    if not found.lifted and not found.not_lifted:
        return "no reduction over the picture"
    means = f"{found.lifted} mean{'' if found.lifted == 1 else 's'} over the picture lifted"
    if found.halo_px is None:
        return means
    return f"{means}, {found.passes} passes, tiles look {found.halo_px} px around them"


def _outcome(found: TierStatistics) -> str:
    exact = [runtime_name(one) for one in RUNTIMES if one not in found.limits]
    if not found.limits:
        return f"{_EXACT} in both runtimes"
    limits = [f"{runtime_name(one)}: {why}" for one, why in found.limits.items()]
    if exact:
        return f"{_EXACT} in {exact[0]} alone ({'; '.join(limits)})"
    return f"{_FOLLOWS} ({limits[0]})"


def _kept(one: KeptReduction) -> str:
    name = runtime_name(one.runtime)
    return f"not lifted in {name}: {one.operator} ({one.at}), as {one.reason}"
