"""Figures of 4:3 pictures computed again from the raw samples."""

from __future__ import annotations

from collections.abc import Iterator

from iast_export.gate.common import LEAST_SAMPLES, differs, key_of, samples_of
from iast_export.lanes.four_thirds import per_pixel
from iast_export.reports.benchmark import BenchmarkReport, BenchmarkRow

# By which the area of a 4:3 picture may differ from the square's: its sides are multiples.
_MOST_AREA = 1.3


def four_thirds_faults(
    row: BenchmarkRow, base: BenchmarkRow | None, report: BenchmarkReport
) -> Iterator[str]:
    """What in the times of a 4:3 picture doesn't follow from its samples and the square's.

    Args:
        row, base, report: see `recompute.benchmark_faults`.
    """
    shaped, wanted = row.four_thirds, base.four_thirds if base else None
    if base is not None and row.precision == "int8" and (shaped is None) != (wanted is None):
        yield "a 4:3 picture was timed in FP32 or in INT8 alone"
    if shaped is None:
        return
    others = [one for one in report.rows if one.tier == row.tier and key_of(one) != key_of(row)]
    told = [one.four_thirds for one in others if one.four_thirds is not None]
    if any((o.width_px, o.height_px) != (shaped.width_px, shaped.height_px) for o in told):
        yield "its 4:3 picture is of another size than another row's"
    samples, square = shaped.samples_ms, row.samples_ms[: len(shaped.samples_ms)]
    if len(samples) % 2 or not LEAST_SAMPLES <= len(samples) == len(square):
        yield f"{len(samples)} samples of a 4:3 picture, {len(row.samples_ms)} of the square"
        return
    known = [r.samples_ms for r in report.rows] + [o.samples_ms for o in told]
    if len(set(samples)) == 1 or samples == square or samples in known:
        yield "the samples of a 4:3 picture are equal, or another's"
    side_px = _side_px(row.tier)
    share = side_px**2 / (shaped.width_px * shaped.height_px)
    if not 1.0 / _MOST_AREA <= share <= _MOST_AREA:
        yield f"a 4:3 picture of {shaped.width_px}x{shaped.height_px} px at {row.tier}"
        return
    wide, own = samples_of(samples), samples_of(square)
    follows = per_pixel(own, wide, share)
    for name in ("value", "low", "high"):
        found = getattr(shaped.per_pixel, name)
        yield from differs(f"four_thirds.per_pixel.{name}", found, getattr(follows, name))


def _side_px(tier: str) -> int:
    """Of a tier's square by its id; 0 where it is none."""
    side = tier.rpartition("-")[2].removesuffix("px")
    return int(side) if side.isdecimal() else 0
