"""`prepare`: the FP32 files that INT8 is made of, with channels alike that share a scale.

They compute what the bundle's own FP32 files do. Whatever comes after reads them alone, so that
nothing has to know what was done to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from iast_export.build.request import Build
from iast_export.build.samples import calibration_feeds, calibration_params
from iast_export.build.stage import Stage
from iast_export.environment import usable_cores
from iast_export.quantize.equalize.factors import (
    Equalization,
    learn_equalization,
    write_equalized_onnx,
)
from iast_export.quantize.litert.weights import write_equalized_litert
from iast_export.quantize.observers import Feeds

_CHANNEL_PAIRS = 8  # of content and style, that the largest value of each channel is taken from


def _params(build: Build) -> dict[str, Any]:
    equalize = build.recipe.quantize.equalize
    return {"equalize": equalize, **(calibration_params(build) if equalize else {})}


def _outputs(build: Build) -> list[Path]:
    return [build.layout.equalization, *build.layout.all_prepared(build.tiers)]


def _run(build: Build) -> None:
    layout, factors = build.layout, _learn_factors(build)
    factors.save(layout.equalization)
    for tier, fp32 in zip(build.tiers, build.onnx_fp32, strict=True):
        write_equalized_onnx(fp32, layout.prepared("onnxruntime", tier), factors)
    prepared = layout.prepared("litert", build.tiers[0])
    write_equalized_litert(layout.tflite("fp32"), prepared, factors)


def _learn_factors(build: Build) -> Equalization:
    """Factors of cross-layer equalization, from pictures of every tier; empty if switched off."""
    if not build.recipe.quantize.equalize:
        return Equalization()
    pairs = min(_CHANNEL_PAIRS, build.recipe.calibration.max_pairs)

    def files() -> Iterator[tuple[Path, Iterable[Feeds]]]:
        for i, (tier, fp32) in enumerate(zip(build.tiers, build.onnx_fp32, strict=True)):
            build.progress("compare channels", i, len(build.tiers))
            yield fp32, calibration_feeds(build, "onnxruntime", tier, pairs)
        build.progress("compare channels", len(build.tiers), len(build.tiers))

    return learn_equalization(files(), usable_cores())


STAGE = Stage("prepare", _params, lambda build: build.fp32_files, _outputs, _run)
