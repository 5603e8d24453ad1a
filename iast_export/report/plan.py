"""A plan as tables for the terminal."""

from __future__ import annotations

from iast_export.plan_reports import PlanGroup, PlanReport, RuntimePlan, TierCost
from iast_export.report.format import milliseconds, runtime_name

Table = tuple[str, tuple[str, ...], list[tuple[str, ...]]]

_KERNELS = {"integer": "integer", "float": "float", "mixed": "partly", "refused": "does not run"}
_EXPORTER = {"int8": "INT8", "fp32": "FP32", "mixed": "partly INT8"}


def tiers_table(costs: tuple[TierCost, ...]) -> Table:
    """Title, columns and rows: parameters and multiply-adds per tier."""
    columns: tuple[str, ...] = ("tier", "depth", "up to px", "parameters", "GMAC per frame", "GMAC at 256 px")
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
    version = report.versions.get({"litert": "ai-edge-litert"}.get(plan.runtime, plan.runtime), "")
    threads = f"{report.threads} thread" + ("s" if report.threads > 1 else "")
    title = f"{report.tier}: {runtime_name(plan.runtime)} {version}, {threads}, each group alone"
    columns = ("group", "×", "MMAC", "INT8 runs", "FP32 → INT8, ms", "FP32 / INT8", "exporter", "why")
    return title, columns, [_row(report, row) for row in plan.groups]


def _row(report: PlanReport, row: PlanGroup) -> tuple[str, ...]:
    what = f"{row.role}: {row.kind}" if row.role else row.kind
    macs = f"{row.macs / 1e6:.3g}" if row.macs else "–"
    exporter = _EXPORTER[row.decision] + (f"\n{row.rewrite}" if row.rewrite else "")
    why = f"{row.flag.upper()}: {row.reason}" if row.flag else row.reason
    return f"{what}\n{row.shape}", str(row.count), macs, _kernel(row), *_times(report, row), exporter, why


def _kernel(row: PlanGroup) -> str:
    words = _KERNELS[row.int8.kernel]
    if row.int8.not_delegated:
        return f"{words}, {row.int8.not_delegated} not delegated"
    return f"{words}, delegated" if row.int8.not_delegated == 0 else words


def _times(report: PlanReport, row: PlanGroup) -> tuple[str, str]:
    if not report.measured:
        return "not measured", "not measured"
    int8 = f"{row.int8_ms:.3g}" if row.int8_ms is not None else "–"
    if row.speed is None:
        return f"{row.fp32_ms:.3g} → {int8}", "–"
    interval = f"({row.speed.low:.2f} to {row.speed.high:.2f})"
    return f"{row.fp32_ms:.3g} → {int8}", f"{row.speed.value:.2f}×\n{interval}"


def total_words(plan: RuntimePlan) -> str:
    """The sums over all groups, and what they are not."""
    name = runtime_name(plan.runtime)
    if plan.fp32_ms is None or plan.planned_ms is None:
        return f"{name}: no sum, since not every group has a time"
    ratio = plan.fp32_ms / plan.planned_ms
    return (
        f"{name}: {milliseconds(plan.fp32_ms)} in FP32, {milliseconds(plan.planned_ms)} as the exporter "
        f"decides ({ratio:.2f}×): a sum of parts that were timed alone, without the conversions between float and "
        "integers; `bench` measures the whole"
    )


def refusals(plan: RuntimePlan) -> list[str]:
    """What INT8 of a group said where it does not run."""
    return [f"{row.kind} {row.shape}: {row.int8.refusal}" for row in plan.groups if row.int8.refusal]
