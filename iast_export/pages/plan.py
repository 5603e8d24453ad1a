"""A plan as tables for the terminal."""

from __future__ import annotations

from iast_export.families import FAMILIES
from iast_export.pages.format import Table, milliseconds, ratio, runtime_name
from iast_export.pages.statistics import statistics_words
from iast_export.reports.plan import PlanGroup, PlanReport, RuntimePlan, TierCost

_KERNELS = {"integer": "integer", "float": "float", "mixed": "partly", "refused": "does not run"}
_EXPORTER = {"int8": "INT8", "fp32": "FP32", "mixed": "partly INT8"}


def tiers_table(costs: tuple[TierCost, ...]) -> Table:
    """Title, columns and rows: parameters and multiply-adds per tier."""
    columns: tuple[str, ...] = (
        "tier",
        "depth",
        "up to px",
        "parameters",
        "GMAC per frame",
        "GMAC at 256 px",
    )
    rows: list[tuple[str, ...]] = [
        (
            c.tier,
            str(c.depth),
            str(c.max_side_px),
            f"{c.parameters:,}",
            f"{c.gmac:.2f}",
            f"{c.gmac_at_256px:.2f}",
        )
        for c in costs
    ]
    return "depth plan", columns, rows


def runtime_table(report: PlanReport, plan: RuntimePlan) -> Table:
    """Title, columns and rows: the operator groups of a tier in one runtime."""
    version = report.versions.get(FAMILIES[plan.runtime].packages[0], "")
    threads = f"{report.threads} thread" + ("s" if report.threads > 1 else "")
    title = f"{report.tier}: {runtime_name(plan.runtime)} {version}, {threads}, each group alone"
    columns = ("group", "×", "MMAC", "INT8 kernel", "FP32 → INT8, ms", "exporter", "why")
    return title, columns, [_row(report, row) for row in plan.groups]


def _row(report: PlanReport, row: PlanGroup) -> tuple[str, ...]:
    what = " + ".join([f"{row.role}: {row.kind}" if row.role else row.kind, *row.followed_by])
    millions = row.macs / 1e6
    macs = f"{millions:,.0f}" if millions >= 100 else f"{millions:.3g}" if millions >= 0.01 else "–"
    rewritten = f"{row.rewrite.name}; " if row.rewrite else ""
    why = f"{row.flag.upper()}. " if row.flag else ""
    return (
        f"{what}\n{row.shape}",
        str(row.count),
        macs,
        _kernel(row),
        _times(row) if report.measured else "not measured",
        _EXPORTER[row.decision],
        f"{why}{rewritten}{row.reason}{_off_gpu(row)}",
    )


def _off_gpu(row: PlanGroup) -> str:
    return f"; off the GPU: {', '.join(row.off_gpu)}" if row.off_gpu else ""


def _kernel(row: PlanGroup) -> str:
    words = _KERNELS[row.int8.kernel]
    if row.int8.not_delegated:
        return f"{words}\n{row.int8.not_delegated} not delegated"
    return f"{words}\ndelegated" if row.int8.not_delegated == 0 else words


def _times(row: PlanGroup) -> str:
    both = f"{_digits(row.fp32_ms)} → {_digits(row.int8_ms)}"
    return both if row.speed is None else f"{both}\n{ratio(row.speed)}"


def _digits(value_ms: float | None) -> str:
    if value_ms is None:
        return "–"
    return (
        f"{value_ms:.3f}"
        if value_ms < 1
        else f"{value_ms:.2f}"
        if value_ms < 100
        else f"{value_ms:.0f}"
    )


def total_words(plan: RuntimePlan) -> str:
    """The sums over all groups, and what they are not."""
    name = runtime_name(plan.runtime)
    if plan.fp32_ms is None or plan.planned_ms is None:
        return f"{name}: no sum, since not every group has a time"
    gain = plan.fp32_ms / plan.planned_ms
    return (
        f"{name}: {milliseconds(plan.fp32_ms)} in FP32, {milliseconds(plan.planned_ms)} as the "
        f"exporter decides ({gain:.2f}×): a sum of parts that were timed alone; `bench` measures "
        "the whole"
    )


def statistics_of(report: PlanReport) -> list[str]:
    """What is lifted of the tier, what is not, and what follows for large pictures."""
    found = report.statistics
    return [] if found is None else list(statistics_words({report.tier: found}))


def rewrite_words(plan: RuntimePlan) -> list[str]:
    """Each rewrite that the export did, in how many places and why."""
    return [f"{one.name} ×{one.places}: {one.why}" for one in plan.rewrites]


def conversion_words(plan: RuntimePlan) -> str:
    """How often values change between floats and integers, and what that takes."""
    times = [row.ms for row in plan.conversions]
    count = sum(row.count for row in plan.conversions)
    if not times or any(time is None for time in times):
        return f"{count} conversions between float and integers"
    total = sum(row.count * row.ms for row in plan.conversions if row.ms is not None)
    return f"{count} conversions between float and integers: {milliseconds(total)}"


def refusals(plan: RuntimePlan) -> list[str]:
    """What INT8 of a group said where it does not run."""
    return [
        f"{row.kind} {row.shape}: {row.int8.refusal}" for row in plan.groups if row.int8.refusal
    ]
