"""`learn`: weights rounded for the least error of each layer, biases shifted by what remains."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iast_export.build.calibrate import holds_much
from iast_export.build.request import Build
from iast_export.build.samples import calibration_feeds, calibration_params
from iast_export.build.stage import Stage
from iast_export.build.together import together
from iast_export.environment import versions
from iast_export.quantize.calibrate import counted, load_ranges, pairs_at
from iast_export.quantize.learned import Adjustments, Learned
from iast_export.quantize.patches import Layer, Moments, integer_layers, observe_patches
from iast_export.quantize.rounding import bias_shifts, learn_filters
from iast_export.specs import Runtime, Tier


def load_learned(build: Build, runtime: Runtime) -> dict[Tier, Learned]:
    """What `calibrate` and `learn` found for each tier in a runtime.

    Raises:
        InputError: a file is missing or altered.
    """
    layout, made = build.layout, Adjustments.load(build.layout.learned)
    trim_sums = build.recipe.quantize.trim_sums
    return {
        tier: Learned(
            load_ranges(layout.ranges(runtime, tier)),
            made.filters[runtime],
            made.shifts[runtime].get(tier.id, {}),
            trim_sums,
        )
        for tier in build.tiers
    }


def _is_asked(build: Build) -> bool:
    chosen = build.recipe.quantize
    return chosen.rounding == "learned" or chosen.bias_correction


def _params(build: Build) -> dict[str, Any]:
    chosen = build.recipe.quantize
    return {
        "quantize": chosen.model_dump(
            mode="json", include={"rounding", "bias_correction", "trim_sums"}
        ),
        "learned_on": calibration_params(build) if _is_asked(build) else {},
        "versions": versions(),
    }


def _inputs(build: Build) -> list[Path]:
    layout = build.layout
    prepared = [layout.prepared("onnxruntime", tier) for tier in build.tiers]
    return [*prepared, *(layout.ranges("onnxruntime", tier) for tier in build.tiers)]


def _run(build: Build) -> None:
    made = _learn(build) if _is_asked(build) else Adjustments()
    made.save(build.layout.learned)


def _learn(build: Build) -> Adjustments:
    chosen = build.recipe.quantize
    learned, corrected = chosen.rounding == "learned", chosen.bias_correction
    largest_first = build.tiers[::-1]
    seen = together(
        lambda tier, threads: _see(build, tier, threads),
        largest_first,
        lambda tier: holds_much(build, tier),
    )[::-1]
    filters = learn_filters(seen, corrected) if learned else {}
    alone = learn_filters(seen, False) if learned and corrected else filters
    shifts = {
        tier.id: bias_shifts(*one, filters)
        for tier, one in zip(build.tiers, seen, strict=True)
        if corrected
    }
    return Adjustments({"onnxruntime": filters, "litert": alone}, {"onnxruntime": shifts})


def _see(build: Build, tier: Tier, threads: int) -> tuple[list[Layer], Mapping[str, Moments]]:
    """The integer layers of a tier, and the moments of what they read over its pictures."""
    prepared = build.layout.prepared("onnxruntime", tier)
    ranges = load_ranges(build.layout.ranges("onnxruntime", tier))
    layers = integer_layers(prepared, ranges, build.recipe.quantize.trim_sums)
    pairs = pairs_at(tier, build.recipe.calibration.max_pairs)
    feeds = counted(
        calibration_feeds(build, "onnxruntime", tier, pairs),
        f"learn {tier.id}",
        pairs,
        build.progress,
    )
    return layers, observe_patches(prepared, layers, feeds, threads) if layers else {}


STAGE = Stage("learn", _params, _inputs, lambda build: [build.layout.learned], _run)
