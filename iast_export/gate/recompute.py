"""Every summary of a report computed again from its raw values, as a measured one follows."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

from iast_export.gate.common import (
    LEAST_SAMPLES,
    TOLERANCE,
    check_of,
    differs,
    key_of,
    label_of,
    least_ssim,
    same,
    samples_of,
)
from iast_export.gate.four_thirds import four_thirds_faults
from iast_export.lanes.timing import speed_ratio
from iast_export.metrics.summaries import HIGHER_IS_BETTER, drop_of, lower_p5, p90_ms
from iast_export.reports.base import PSNR_CAP_DB
from iast_export.reports.benchmark import BenchmarkReport, BenchmarkRow, Ratio
from iast_export.reports.verdict import Check, Outcome
from iast_export.reports.verify import Figures, PairScore, TaskScores, VerifyReport, VerifyRow


def check_figures(verified: VerifyReport, measured: BenchmarkReport, whose: str) -> list[Check]:
    """A check per row of both reports: its figures follow from its raw values.

    Args:
        verified: reports/verify.json, or a baseline's.
        measured: reports/benchmark.json, or a baseline's.
        whose: "reports" or "baseline", for the checks' names.
    """
    checks = [
        _checked(f"{whose}: fidelity of {label_of(row)}", verify_faults(row))
        for row in verified.rows
    ]
    checks.append(_checked(f"{whose}: every lane judged on the same pairs", pair_faults(verified)))
    for row in measured.rows:
        name = f"{whose}: times of {label_of(row)}"
        checks.append(_checked(name, benchmark_faults(row, _base(row, measured), measured)))
    return checks


def _checked(name: str, faults: Iterator[str]) -> Check:
    found = list(faults)
    remedy = (
        "write the baseline again from a bundle that passes"
        if name.startswith("baseline")
        else "the report was altered or cut; run `iast-export verify` and `bench` again"
    )
    rule = "every figure follows from the raw values"
    outcome: Outcome = "fail" if found else "pass"
    return check_of(name, "integrity", outcome, "; ".join(found[:4]) or "all follow", rule, remedy)


# --- fidelity ---


def verify_faults(row: VerifyRow) -> Iterator[str]:
    """What in a row of verify.json doesn't follow from its pairs, in words."""
    yield from _figures_faults(row)
    if row.own_shape is not None:
        yield from (f"own_shape.{fault}" for fault in _figures_faults(row.own_shape))


def _figures_faults(row: Figures) -> Iterator[str]:
    psnrs, ssims = [one.psnr_db for one in row.pairs], [one.ssim for one in row.pairs]
    if row.images != len(row.pairs):
        yield f"images {row.images}, but {len(row.pairs)} pairs"
    yield from differs("psnr_db.mean", row.psnr_db.mean, statistics.fmean(psnrs))
    yield from differs("psnr_db.p5", row.psnr_db.p5, lower_p5(psnrs))
    yield from differs("ssim.mean", row.ssim.mean, statistics.fmean(ssims))
    yield from differs("ssim.p5", row.ssim.p5, lower_p5(ssims))
    follows = drop_of(row.pairs)
    for name in HIGHER_IS_BETTER:
        yield from differs(f"drop.{name}", getattr(row.drop, name), getattr(follows, name))
    twice = [key for key, count in Counter(one.key for one in row.pairs).items() if count > 1]
    if twice:
        yield f"the pair {' '.join(map(str, twice[0]))} is told more than once"
    for pair in row.pairs:
        yield from _pair_faults(pair)


def _pair_faults(pair: PairScore) -> Iterator[str]:
    """What no two pictures can have."""
    what = f"{pair.content} in {pair.style}"
    for name in HIGHER_IS_BETTER:
        if (getattr(pair.scores, name) is None) != (getattr(pair.reference, name) is None):
            yield f"{what}: {name} has no counterpart"
    if pair.psnr_db == PSNR_CAP_DB:
        if not _same_scores(pair.scores, pair.reference) or not same(pair.ssim, 1.0):
            yield f"{what}: equal pictures with other scores"
        return
    if pair.ssim < least_ssim(pair):
        yield f"{what}: ssim {pair.ssim:.4g} is impossible at {pair.psnr_db:.4g} dB"


def pair_faults(verified: VerifyReport) -> Iterator[str]:
    """What differs between the pairs of rows that share pictures and FP32's scores of them."""
    tiers: dict[str, VerifyRow] = {}
    for row in verified.rows:
        first = tiers.setdefault(row.tier, row)
        if [one.key for one in _all(row)] != [one.key for one in _all(first)]:
            yield f"{label_of(row)} was judged on other pairs than {label_of(first)}"
        elif not all(
            _same_scores(one.reference, two.reference)
            for one, two in zip(_all(row), _all(first), strict=True)
        ):
            yield f"{label_of(row)} has other scores of FP32 than {label_of(first)}"
    subjects = [[(one.content, one.style) for one in _all(row)] for row in tiers.values()]
    if any(one != two for one, two in pairwise(subjects)):
        yield "the tiers were judged on different pictures"
    contents = {one.content for row in verified.rows for one in row.pairs}
    if len(contents) != verified.set.images:
        yield f"{len(contents)} pictures were judged, of a set of {verified.set.images}"
    yield from _copied(verified.rows)


def _all(row: VerifyRow) -> list[PairScore]:
    return [pair for part in row.parts() for pair in part.pairs]


def _copied(rows: Sequence[VerifyRow]) -> Iterator[str]:
    """Rows of equal files must be equal, rows of other files can't be to the last digit."""
    for i, row in enumerate(rows):
        for other in rows[:i]:
            if (row.runtime, row.tier) != (other.runtime, other.tier):
                continue
            same = [
                _measured(one) == _measured(two)
                for one, two in zip(row.parts(), other.parts(), strict=False)
            ]
            equal = any(same)
            if row.sha256 == other.sha256 and not all(same):
                yield f"{label_of(row)} and {label_of(other)} are one file with different figures"
            apart = any(one.psnr_db < PSNR_CAP_DB for one in row.pairs) and len(row.pairs) > 1
            quantized = {row.precision, other.precision} & {"int8", "dynamic_int8"}
            if row.sha256 != other.sha256 and equal and apart and quantized:
                yield f"{label_of(row)} has the figures of {label_of(other)}, to the last digit"


def _measured(part: Figures) -> list[tuple[float, float]]:
    return [(pair.psnr_db, pair.ssim) for pair in part.pairs]


# --- times ---


def benchmark_faults(
    row: BenchmarkRow, base: BenchmarkRow | None, report: BenchmarkReport
) -> Iterator[str]:
    """What in a row of benchmark.json doesn't follow from its samples, in words.

    Args:
        row: of a lane and tier.
        base: FP32's row of the same runtime and tier.
        report: that holds them.
    """
    samples = row.samples_ms
    yield from differs("median_ms", row.median_ms, statistics.median(samples))
    yield from differs("p90_ms", row.p90_ms, p90_ms(samples))
    if len(samples) % 2:
        yield f"{len(samples)} samples, but every block gives two"
    elif len(samples) < LEAST_SAMPLES:
        yield f"{len(samples)} samples, at least {LEAST_SAMPLES} are measured"
    elif len(set(samples)) == 1:
        yield f"{len(samples)} equal samples, which no clock gives"
    if any(samples == other.samples_ms and key_of(other) != key_of(row) for other in report.rows):
        yield "the samples of another row"
    yield from four_thirds_faults(row, base, report)
    if row.precision == "fp32" or base is None:
        if row.ratio_to_fp32 is not None:
            yield "a ratio to FP32 with nothing to compare"
        return
    yield from _ratio_faults(row, base)


def _ratio_faults(row: BenchmarkRow, base: BenchmarkRow) -> Iterator[str]:
    if row.threads != base.threads:
        yield f"{row.threads} threads, FP32 {base.threads}"
    if len(row.samples_ms) != len(base.samples_ms):
        yield f"{len(row.samples_ms)} samples, FP32 {len(base.samples_ms)}: not measured in turn"
        return
    if len(row.samples_ms) % 2 or len(row.samples_ms) < LEAST_SAMPLES:
        return
    found = _interval(base.samples_ms, row.samples_ms)
    if row.ratio_to_fp32 is None:
        yield f"no ratio to FP32, the samples give {found.value:.4g}"
        return
    for name in ("value", "low", "high"):
        yield from differs(
            f"ratio_to_fp32.{name}", getattr(row.ratio_to_fp32, name), getattr(found, name)
        )
    if math.isclose(found.low, found.high, rel_tol=TOLERANCE):
        yield "the same ratio in every block, which no clock gives"


def _base(row: BenchmarkRow, report: BenchmarkReport) -> BenchmarkRow | None:
    wanted = row.runtime, "fp32", row.tier
    return next((other for other in report.rows if key_of(other) == wanted), None)


@lru_cache(maxsize=256)
def _interval(base_ms: tuple[float, ...], row_ms: tuple[float, ...]) -> Ratio:
    """The ratio as `bench` finds it: samples are kept in their order, two per block.

    Kept, since a bundle and its own baseline hold the same samples.
    """
    return speed_ratio(samples_of(base_ms), samples_of(row_ms))


def _same_scores(one: TaskScores, other: TaskScores) -> bool:
    pairs = ((getattr(one, name), getattr(other, name)) for name in HIGHER_IS_BETTER)
    return all(a is b if a is None or b is None else same(a, b) for a, b in pairs)
