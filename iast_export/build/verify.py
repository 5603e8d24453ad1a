"""`verify`: how far every lane's pictures are from FP32's, on pictures that calibrated nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iast_export.build.large import judge_large
from iast_export.build.request import Build
from iast_export.build.samples import evaluation_facts, evaluation_pairs, open_scorers
from iast_export.build.stage import Stage
from iast_export.environment import kernel_facts, usable_cores, versions
from iast_export.formats.tflite_file import read_model
from iast_export.lanes.verify import verify
from iast_export.quantize.calibrate import load_ranges
from iast_export.quantize.litert.half import foretell_halves
from iast_export.reports.base import VERIFY_PATH
from iast_export.reports.half import HalfRow
from iast_export.specs import Tier


def _params(build: Build) -> dict[str, Any]:
    return {
        "verify": build.recipe.verify.model_dump(mode="json"),
        "set_sha256": build.evaluation_set.sha256,
        "styles": build.styles_sha256,
        "versions": versions(),
        "machine": kernel_facts(),
    }


def _inputs(build: Build) -> list[Path]:
    weights = build.recipe.verify.perceptual_weights
    read = [*_ranges(build).values(), *([Path(weights)] if weights else [])]
    return [*(lane.path for lane in build.lanes), *build.layout.tables(), *read]


def _outputs(build: Build) -> list[Path]:
    return [build.root / VERIFY_PATH]


def _ranges(build: Build) -> dict[Tier, Path]:
    return {tier: build.layout.ranges("litert", tier) for tier in build.tiers}


def _run(build: Build) -> None:
    half = foretold(build)
    pairs, before = evaluation_pairs(build), build.verified
    verified = verify(
        build.lanes,
        pairs,
        evaluation_facts(build),
        multiple_px=build.network.size_multiple_px,
        scorers=open_scorers(build),
        threads=usable_cores(),
        progress=build.progress,
        known=before.rows if before else (),
    )
    large = judge_large(
        build.lanes,
        pairs[0],
        build.network.size_multiple_px,
        build.progress,
        before.large if before else (),
    )
    build.verified = verified.model_copy(update={"half": half, "large": large})
    build.verified.save(build.root / VERIFY_PATH)


def foretold(build: Build) -> tuple[HalfRow, ...]:
    """What a GPU's FP16 would not hold of each tier, by the ranges of the build's calibration.

    Raises:
        InputError: the FP32 file or a range is missing or can't be read.
    """
    model = read_model(build.layout.tflite("fp32"))
    ranges = {tier.signature: load_ranges(path) for tier, path in _ranges(build).items()}
    return foretell_halves(model, ranges, {tier.signature: tier.id for tier in build.tiers})


STAGE = Stage("verify", _params, _inputs, _outputs, _run)
