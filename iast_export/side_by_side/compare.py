"""All lanes of a build in one report: made or the reason why not, timed, judged, default and front
marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from iast_export.build.request import Build, seals_of
from iast_export.build.samples import evaluation_facts, evaluation_pairs, open_scorers
from iast_export.bundle.claims import working
from iast_export.bundle.sealed import Seals
from iast_export.environment import machine_fingerprint, versions
from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_file
from iast_export.files.paths import check_folders, check_inputs_apart
from iast_export.lanes.default_lane import DEFAULT_RULE, default_lanes
from iast_export.lanes.timing import Samples, ratio_interval
from iast_export.lanes.verify import make_references
from iast_export.pictures.images import center_square, to_tensor
from iast_export.reports.base import PSNR_CAP_DB, SetFacts
from iast_export.reports.benchmark import BenchmarkReport, BenchmarkRow, Ratio
from iast_export.reports.lanes import LANES_PATH, LaneRow, LanesReport
from iast_export.reports.verify import VerifyReport, VerifyRow
from iast_export.side_by_side.make import Entrant, enter_lanes
from iast_export.side_by_side.measure import (
    TimingOptions,
    judge_lanes,
    onnx_convolution_share,
    time_lanes,
)
from iast_export.specs import CONTENT, Tier, find_tiers

Timed = Mapping[str, tuple[Samples, Samples]]


def compare_lanes(build: Build, tier_ids: Sequence[str], options: TimingOptions) -> LanesReport:
    """Makes, times and judges every lane of some tiers (none given: all) and writes
    reports/lanes.json.

    Raises:
        InputError: the build is not finished, or was made from other inputs.
        ToolError: a lane of the bundle itself does not run.
        UsageError: no such tier.
    """
    check_folders(build.root)
    check_inputs_apart(build.root, build.inputs())
    with working(build.root):
        return _compare(build, find_tiers(build.tiers, tier_ids, "the recipe"), options)


def _compare(build: Build, tiers: Sequence[Tier], options: TimingOptions) -> LanesReport:
    layout = build.layout
    fp32 = [layout.tflite("fp32"), *(layout.onnx(tier, "fp32") for tier in tiers)]
    seals = seals_of(build)
    for path in fp32:
        seals.check(path)
    rows = [row for tier in tiers for row in _compare_tier(build, tier, seals, options)]
    report = LanesReport(
        machine=machine_fingerprint(),
        versions=versions(),
        threads=options.threads,
        set=evaluation_facts(build),
        rule=DEFAULT_RULE,
        fp32_sha256=tuple(sha256_file(path) for path in fp32),
        rows=tuple(rows),
    )
    report.save(build.root / LANES_PATH)
    return report


def _compare_tier(build: Build, tier: Tier, seals: Seals, options: TimingOptions) -> list[LaneRow]:
    pairs, scorers = evaluation_pairs(build), open_scorers(build)
    content = to_tensor(center_square(pairs[0].rgb, tier.max_side_px))
    entrants = enter_lanes(build, tier, seals, {CONTENT: content, **pairs[0].feeds})
    running = [one for one in entrants if not one.not_run]
    reference = next(one.lane for one in running if one.key == "onnxruntime fp32")
    references = make_references(reference, pairs, scorers, options.threads)
    build.progress(f"time lanes of {tier.id}", 0, 1)
    timed = time_lanes(running, references[0], options)
    build.progress(f"time lanes of {tier.id}", 1, 1)
    judged = judge_lanes(running, references, scorers, options.threads, build.progress)
    int8 = next(one.lane for one in running if one.key == "onnxruntime int8")
    shares = {"onnxruntime int8": onnx_convolution_share(int8, references[0], options.threads)}
    rows = [_row(build, one, timed, judged, shares.get(one.key)) for one in entrants]
    return mark_front(_mark_default(rows, running, timed, judged, options.threads))


def _row(
    build: Build, one: Entrant, timed: Timed, judged: Mapping[str, VerifyRow], share: float | None
) -> LaneRow:
    lane, found = one.lane, judged.get(one.key)
    exists = lane.path.is_file()
    facts = {
        "runtime": lane.runtime,
        "tier": lane.tier.id,
        "lane": one.kind,
        "path": lane.path.relative_to(build.root).as_posix() if exists else None,
        "sha256": sha256_file(lane.path) if exists else None,
        "shipped": one.shipped,
        "computes": one.computes,
        "not_run": one.not_run,
        "file_bytes": lane.path.stat().st_size if exists else None,
    }
    if one.not_run:
        return LaneRow.model_validate(facts)
    samples, base = timed[one.key]
    return LaneRow.model_validate(
        {
            **facts,
            "median_ms": samples.median_ms,
            "samples_ms": samples.samples_ms,
            "ratio_to_fp32": _ratio(base, samples) if one.kind != "fp32" else None,
            "psnr_db": found.psnr_db if found else None,
            "drop": found.drop if found else None,
            "convolution_share": share,
        }
    )


def _ratio(base: Samples, samples: Samples) -> Ratio:
    interval = ratio_interval(base, samples)
    return Ratio(value=interval.value, low=interval.low, high=interval.high)


def _mark_default(
    rows: Sequence[LaneRow],
    entrants: Sequence[Entrant],
    timed: Timed,
    judged: Mapping[str, VerifyRow],
    threads: int,
) -> list[LaneRow]:
    """The rows with the default lane of each runtime marked: the report's rule over the shipped
    lanes."""
    shipped = [one for one in entrants if one.shipped]
    figures = {(row.runtime, row.lane): row for row in rows}
    bench = []
    for one in shipped:
        row = figures[one.lane.runtime, one.kind]
        facts = row.model_dump(
            include={"runtime", "tier", "sha256", "median_ms", "samples_ms", "file_bytes"}
        )
        ratio = row.ratio_to_fp32
        bench.append(
            {**facts, "precision": one.lane.precision, "threads": threads, "ratio_to_fp32": ratio}
        )
    benchmark = BenchmarkReport(
        machine=machine_fingerprint(), rows=tuple(BenchmarkRow.model_validate(one) for one in bench)
    )
    facts_of_set = SetFacts(name="lanes", sha256="0" * 64, images=1)
    verified = VerifyReport(
        set=facts_of_set,
        styles={},
        rows=tuple(judged[one.key] for one in shipped if one.key in judged),
    )
    defaults = default_lanes(benchmark, verified)
    return [
        row.model_copy(
            update={"is_default": row.shipped and defaults[row.runtime, row.tier] == row.lane}
        )
        for row in rows
    ]


def mark_front(rows: Sequence[LaneRow]) -> list[LaneRow]:
    """The rows of a tier with those marked that no other lane beats in both time and fidelity."""
    placed = [(row, *place) for row in rows if (place := _place(row)) is not None]
    marked = []
    for row in rows:
        own = _place(row)
        rivals = [(ms, db) for other, ms, db in placed if other is not row]
        beaten = own is None or any(ms <= own[0] and db >= own[1] for ms, db in rivals)
        marked.append(row.model_copy(update={"on_front": not beaten}))
    return marked


def _place(row: LaneRow) -> tuple[float, float] | None:
    """Median time and mean PSNR; None where a lane has no place among the others."""
    if row.median_ms is None or row.lane == "ceiling":
        return None
    if (row.runtime, row.lane) == ("onnxruntime", "fp32"):
        return row.median_ms, PSNR_CAP_DB
    if row.psnr_db is None:
        raise InputError(
            f"{row.runtime} {row.lane} was not judged", "run `iast-export lanes` again"
        )
    return row.median_ms, row.psnr_db.mean
