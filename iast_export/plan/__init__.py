"""The plan of a tier before any calibration: operator groups, their cost, what INT8 does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from iast_export.build.request import Build
from iast_export.decide.decide import Decisions
from iast_export.decide.graph import Network
from iast_export.environment import machine_fingerprint, versions
from iast_export.lanes.timing import speed_ratio
from iast_export.plan.conversions import conversion_rows, total_ms
from iast_export.plan.exports import foretold_half, fp32_files
from iast_export.plan.groups import Group, find_groups
from iast_export.plan.measure import Found, MeasureOptions, look_at, signature
from iast_export.plan.planned import Planned
from iast_export.plan.planner import PLANNERS
from iast_export.plan.reasons import decision_of, flag_of, reason_of
from iast_export.plan.rewrites import rewrite_of, rewrites_of
from iast_export.plan.rows import plan_rows
from iast_export.plan.statistics import foretold_statistics
from iast_export.reports.plan import PlanConversion, PlanGroup, PlanReport, RuntimePlan
from iast_export.specs import Runtime, check_plan, find_tiers

__all__ = ["MeasureOptions", "plan_tier"]


def plan_tier(
    build: Build, tier_id: str | None = None, options: MeasureOptions | None = None
) -> PlanReport:
    """The plan of one tier, by default the first, beside the cost of all.

    Nothing is written but the user's cache.

    Raises:
        UsageError: no such tier.
        RecipeError: a depth plan that the network can't serve.
        InputError: a checkpoint or the cache can't be read or written.
        ToolError: the network can't be exported, or a runtime refuses a group in FP32.
    """
    used = options or MeasureOptions()
    check_plan(build.tiers, build.network.depths, build.network.size_multiple_px)
    tier = find_tiers(build.tiers, [tier_id] if tier_id else [], "the recipe")[0]
    files = fp32_files(build, tier)
    costs = plan_rows(build.network, build.tiers)
    shapes = build.network.code_shapes
    both = [one.plan(files[name], tier, shapes) for name, one in PLANNERS.items()]
    rows = [(planned, _alike(planned.decisions)) for planned in both]
    total, runtimes = sum(len(groups) for *_, groups in rows), []
    done = 0
    for planned, alike in rows:
        made, runtime = [], planned.network.runtime
        places = PLANNERS[runtime].places(planned, build.network, tier)
        for groups in alike:
            build.progress("measure operator groups", done, total)
            found = look_at(planned, groups[0], used)
            made.append(_row(planned, groups, found, places))
            done += 1
        rewrites = rewrites_of(runtime, places)
        plan = _runtime(runtime, made, conversion_rows(planned.decisions, used))
        runtimes.append(plan.model_copy(update={"rewrites": rewrites}))
    build.progress("measure operator groups", total, total)
    return PlanReport(
        tiers=tuple(costs),
        tier=tier.id,
        threads=used.threads,
        measured=used.mode != "no",
        versions=versions(),
        cpu=str(machine_fingerprint()["cpu"]),
        runtimes=tuple(runtimes),
        half=foretold_half(build, tier),
        statistics=foretold_statistics(build, tier, files),
    )


def _alike(decisions: Decisions) -> list[list[Group]]:
    """The groups of a network, those of the same `signature` together, in the graph's order."""
    found: dict[str, list[Group]] = {}
    for group in find_groups(decisions):
        found.setdefault(signature(decisions, group), []).append(group)
    return list(found.values())


def _row(
    planned: Planned, alike: Sequence[Group], found: Found, places: Mapping[str, int]
) -> PlanGroup:
    group, network, decisions = alike[0], planned.network, planned.decisions
    speed = speed_ratio(found.fp32, found.quantized) if found.fp32 and found.quantized else None
    return PlanGroup(
        kind=group.kind,
        role=group.role,
        followed_by=group.followed_by,
        shape=shape_of(network, group),
        count=len(alike),
        names=tuple(network.file_name(one.name) for one in alike),
        operators=tuple(op.type for op in group.ops),
        macs=sum(network.macs(op) for op in group.ops),
        int8=found.int8,
        fp32_ms=found.fp32.median_ms if found.fp32 else None,
        int8_ms=found.quantized.median_ms if found.quantized else None,
        speed=speed,
        decision=decision_of(decisions, group),
        rewrite=rewrite_of(network, group, places),
        reason=reason_of(decisions, group),
        flag="",
        off_gpu=PLANNERS[network.runtime].off_gpu(planned, group),
    )


def shape_of(network: Network, group: Group) -> str:
    """Channels, kernel and size: `80→80, 3×3, 64×64`; of what has no kernel, channels and size."""
    main = group.main
    _, channels, height, width = (*network.shapes[group.name], 1, 1, 1, 1)[:4]
    size = f"{height}×{width}"
    if main.type not in ("Conv", "ConvTranspose") and group.kind != "narrow head":
        source = network.shapes.get(main.inputs[0], ()) if main.inputs else ()
        grows = len(source) == 4 and source[1] != channels and group.kind == "concat"
        return f"{source[1]}+…→{channels}, {size}" if grows else f"{channels}, {size}"
    if group.kind == "narrow head" and main.type == "MatMul":
        inputs = sum(network.macs(op) for op in group.ops) // max(1, channels * height * width)
        return f"{inputs}→{channels}, 1×1, {size}"
    outputs, inputs, kernel_height, kernel_width = main.weight or (channels, 0, 0, 0)
    stride = f" /{main.stride}" if main.stride > 1 else ""
    return f"{inputs * main.groups}→{outputs}, {kernel_height}×{kernel_width}{stride}, {size}"


def _runtime(
    runtime: Runtime, rows: Sequence[PlanGroup], conversions: Sequence[PlanConversion]
) -> RuntimePlan:
    fp32 = [row.fp32_ms for row in rows]
    planned = [row.int8_ms if row.decision == "int8" else row.fp32_ms for row in rows]
    kernels, between = _total(rows, planned), total_ms(conversions)
    total = None if kernels is None or between is None else kernels + between
    flagged = [
        row.model_copy(update={"flag": flag_of(row, total)}) if total else row for row in rows
    ]
    return RuntimePlan(
        runtime=runtime,
        groups=tuple(flagged),
        conversions=tuple(conversions),
        fp32_ms=_total(rows, fp32),
        planned_ms=total,
    )


def _total(rows: Sequence[PlanGroup], times_ms: Sequence[float | None]) -> float | None:
    """The sum over rows, each as often as it occurs; None where one has no time."""
    if any(time is None for time in times_ms):
        return None
    return sum(
        row.count * time for row, time in zip(rows, times_ms, strict=True) if time is not None
    )
