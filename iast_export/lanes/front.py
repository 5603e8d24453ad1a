"""The lanes that are worth a choice: no other is both as fast and as near to FP32."""

from __future__ import annotations

from collections.abc import Sequence

from iast_export.lanes.figures import LaneFigures


def place_of(one: LaneFigures) -> tuple[float, float] | None:
    """Median time in milliseconds and PSNR in decibels; None where a lane has no place.

    It does not run, or its picture means nothing.
    """
    if one.speed is None or one.fidelity is None or one.precision == "ceiling":
        return None
    return one.speed.median_ms, one.fidelity.psnr_db


def front(figures: Sequence[LaneFigures]) -> list[LaneFigures]:
    """The Pareto front of each tier, the fastest first.

    Lanes that no other of the tier equals in both time and fidelity and beats in one.
    """
    placed = [(one, place) for one in figures if (place := place_of(one)) is not None]
    kept = [
        (place, one)
        for one, place in placed
        if not any(_beats(other, place) for rival, other in placed if rival.tier == one.tier)
    ]
    return [one for _, one in sorted(kept, key=lambda found: found[0][0])]


def _beats(other: tuple[float, float], own: tuple[float, float]) -> bool:
    return other != own and other[0] <= own[0] and other[1] >= own[1]
