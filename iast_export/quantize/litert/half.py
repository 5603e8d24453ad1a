"""What a GPU's FP16 would not hold of a build's LiteRT files, and whether the fp16 file does.

By the ranges of calibration, before anything runs on a GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

from iast_export.formats import tflite_file as tf
from iast_export.forms.half_safe import HalfSafe, make_half_safe
from iast_export.quantize.ranges import Range, RangeLike
from iast_export.reports.half import HalfOverflow, HalfRow
from iast_export.runtimes.half_ranges import Overflow, count_judged, foretell_overflows

Ranges = Mapping[str, RangeLike]


def write_half_safe(model: tf.Model, ranges: Mapping[str, Ranges]) -> HalfSafe:
    """Rewrites an FP32 model in place so that FP16 holds its normalizations; see `make_half_safe`.

    Args:
        model: the FP32 file.
        ranges: of each signature's tensors, by its key.
    """
    peaks: dict[str, float] = {}
    for key, known in ranges.items():
        for one in foretell_overflows(model, key, known):
            peaks[one.tensor] = max(one.peak, peaks.get(one.tensor, 0.0))
    return make_half_safe(model, peaks)


def foretell_halves(
    model: tf.Model, ranges: Mapping[str, Ranges], tiers: Mapping[str, str]
) -> tuple[HalfRow, ...]:
    """What FP16 would not hold of each tier, in the files that have FP32's graph and in `fp16`.

    Args:
        model: the FP32 file; left as it is.
        ranges: of each signature's tensors, by its key.
        tiers: signature key -> tier id, of the rows wanted.

    Raises:
        InputError: no such signature.
    """
    safe = deepcopy(model)
    made = write_half_safe(safe, ranges)
    return tuple(_row(model, safe, made, key, ranges[key], tier) for key, tier in tiers.items())


def _row(
    model: tf.Model, safe: tf.Model, made: HalfSafe, key: str, ranges: Ranges, tier: str
) -> HalfRow:
    told = foretell_overflows(model, key, ranges)
    left = foretell_overflows(safe, key, _scaled(safe, made, key, ranges))
    places = {one.tensor: one for one in (*left, *told)}
    overflows = [
        _told(one, one.tensor not in {at.tensor for at in left}) for one in places.values()
    ]
    judged, results = count_judged(model, key, ranges)
    return HalfRow(tier=tier, judged=judged, results=results, overflows=tuple(overflows))


def _scaled(safe: tf.Model, made: HalfSafe, key: str, ranges: Ranges) -> dict[str, Range]:
    """The ranges of a signature's tensors after the rewrite."""
    graph = tf.find_signature(safe, key).subgraph
    factors = {name: made.factors.get((graph, name), 1.0) for name in ranges}
    return {
        name: Range(factors[name] * one.low, factors[name] * one.high)
        for name, one in ranges.items()
    }


def _told(one: Overflow, held: bool) -> HalfOverflow:
    return HalfOverflow(
        tensor=one.tensor, operator=one.operator, peak=one.peak, of_sum=one.of_sum, held=held
    )
