"""Where a tier changes between floats and integers as it is written, and what that costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from iast_export.decide.decide import Decisions
from iast_export.lanes.timing import Samples
from iast_export.plan import cache, onnx_micro
from iast_export.plan.measure import MeasureOptions, key_of, measured_alone
from iast_export.plan.micro import Conversion
from iast_export.plan.planner import PLANNERS
from iast_export.reports.plan import ConversionMeasurement, PlanConversion
from iast_export.specs import Runtime


def find_conversions(decisions: Decisions) -> Counter[Conversion]:
    """The tensors between float and integer operators, by what converting one costs."""
    network, is_integer = decisions.network, decisions.is_integer
    found: Counter[Conversion] = Counter()
    for name in dict.fromkeys(
        [*network.inputs, *(name for op in network.ops for name in op.outputs)]
    ):
        maker, readers = network.producers.get(name), network.readers.get(name, [])
        made = maker is not None and is_integer(maker)
        if not made and any(is_integer(reader) for reader in readers):
            last = onnx_micro.read_by_integers(decisions, name)
            found[Conversion("quantize", network.shapes[name], last)] += 1
        if made and (name in network.outputs or not all(is_integer(reader) for reader in readers)):
            last = onnx_micro.made_by_integers(decisions, name)
            found[Conversion("dequantize", network.shapes[name], last)] += 1
    return found


def conversion_rows(decisions: Decisions, options: MeasureOptions) -> list[PlanConversion]:
    """Every conversion of a tier with its time, None where the mode is "no".

    Raises:
        InputError: the cache can't be written.
    """
    rows = []
    for conversion, count in find_conversions(decisions).items():
        _, channels, height, width = (*conversion.shape, 1, 1, 1, 1)[:4]
        rows.append(
            PlanConversion(
                direction=conversion.direction,
                shape=f"{channels}, {height}×{width}",
                count=count,
                ms=_time_ms(decisions.network.runtime, conversion, options),
            )
        )
    return rows


def _time_ms(runtime: Runtime, conversion: Conversion, options: MeasureOptions) -> float | None:
    if options.mode == "no":
        return None
    key = key_of(runtime, options.threads, f"conversion {conversion}")
    found = cache.load(key, ConversionMeasurement) if options.mode == "cached" else None
    if found is None:
        run = PLANNERS[runtime].convert(conversion, options.threads)
        found = ConversionMeasurement(key=key, blocks_ms=measured_alone(run, options).blocks_ms)
        cache.save(found)
    return Samples((), found.blocks_ms).median_ms


def total_ms(rows: Sequence[PlanConversion]) -> float | None:
    """All conversions together; None where one has no time."""
    times: list[Any] = [row.ms for row in rows]
    return (
        None
        if None in times
        else sum(row.count * time for row, time in zip(rows, times, strict=True))
    )
