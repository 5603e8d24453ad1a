"""`calibrate`: what every activation ranges over, per tier and runtime."""

from __future__ import annotations

from pathlib import Path

from iast_export.build.request import Build
from iast_export.build.samples import calibration_feeds, calibration_params
from iast_export.build.stage import Stage
from iast_export.build.together import together
from iast_export.quantize.calibrate import calibrate_tier, pairs_at, pictures_at, save_ranges
from iast_export.quantize.litert.calibration import held_bytes
from iast_export.quantize.quantizer import QUANTIZERS
from iast_export.quantize.ranges import method_of
from iast_export.specs import RUNTIMES, Runtime, Tier

# Of activations in two pieces at once, chosen: beside what the process holds anyway and each
# runtime's own buffers a build then stays within 3 GB.
_MOST_HELD_BYTES = 1 << 29


def _inputs(build: Build) -> list[Path]:
    return build.layout.all_prepared(build.tiers)


def _outputs(build: Build) -> list[Path]:
    return build.layout.all_ranges(build.tiers)


def _run(build: Build) -> None:
    largest_first = [(runtime, tier) for tier in reversed(build.tiers) for runtime in RUNTIMES]
    together(
        lambda one, threads: _calibrate(build, *one, threads),
        largest_first,
        lambda one: holds_much(build, one[1]),
    )


def holds_much(build: Build, tier: Tier) -> bool:
    """Whether a pass that keeps a tier's activations leaves no memory for another beside it."""
    return held_bytes(build.layout.prepared("litert", tier), tier.signature) > _MOST_HELD_BYTES


def _calibrate(build: Build, runtime: Runtime, tier: Tier, threads: int) -> None:
    chosen, found = build.recipe.calibration, build.calibration_set
    pairs, method = pairs_at(tier, chosen.max_pairs), method_of(chosen.method, chosen.percentile)
    feeds = calibration_feeds(build, runtime, tier, pairs)
    what = f"calibrate {tier.id} {runtime}"
    prepared = build.layout.prepared(runtime, tier)
    observe = QUANTIZERS[runtime].observe(prepared, tier, threads)
    ranges = calibrate_tier(observe, feeds, method, pairs, what, build.progress)
    facts = {
        "method": chosen.method,
        "pairs": pairs,
        "pictures": pictures_at(tier, chosen.max_pairs, len(found)),
        "set_sha256": found.sha256,
    }
    save_ranges(build.layout.ranges(runtime, tier), ranges, facts)


STAGE = Stage("calibrate", calibration_params, _inputs, _outputs, _run)
