"""A bundle's own files with their statistics lifted out: tiles are the run over the whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from iast_export.build.export import export_tier
from iast_export.metrics.fidelity import psnr_db
from iast_export.pages.summary import statistics_lines
from iast_export.pictures.images import Rgb, load_image, save_png
from iast_export.pictures.imagesets import picture_path
from iast_export.reports.statistics import TierStatistics
from iast_export.runtimes.target import TARGETS
from iast_export.specs import Tier
from iast_export.stylize.engine import BundleEngine, ChosenByShape
from iast_export.stylize.large import Large, LargeRun
from iast_export.stylize.lifting import TierFile, tier_statistics
from iast_export.stylize.stylize import stylize
from tests.stylize.test_lifted_tier import Local, attended
from tests.tiny_networks import OneTier


def photograph(height: int, width: int) -> Rgb:
    rgb = load_image(picture_path("skimage:chelsea.png"))
    return np.ascontiguousarray(rgb[:height, :width])


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_tiles_of_a_bundle_are_the_run_over_the_whole_picture(
    small_bundle: Path, precision: str
) -> None:
    engine = BundleEngine(small_bundle, "onnxruntime", precision)  # type: ignore[arg-type]
    _, codes = engine.style_codes(engine.manifest.styles[0].id)
    rgb = photograph(150, 200)
    feeds = engine.feeds(codes, 1.0)
    whole = BundleEngine(small_bundle, "onnxruntime", "fp32").draw(rgb, feeds, engine.tiers[-1])
    with LargeRun(Large(workers=2)) as run:
        made = np.concatenate(list(run.bands(engine, rgb, codes, 1.0)))
    assert psnr_db(made, whole) > (60 if precision == "fp32" else 30)


def test_what_only_onnx_runtime_can_lift_it_draws_and_says_why(
    small_bundle: Path, tmp_path: Path
) -> None:
    save_png(tmp_path / "big.png", photograph(90, 130))
    engine = ChosenByShape(small_bundle)
    style = engine.usual.manifest.styles[0].id
    lifts = engine.usual.lifted(engine.tiers[-1]) is not None
    for way in ("tiles", "preview"):
        (made,) = stylize(
            engine,
            [tmp_path / "big.png"],
            [style],
            tmp_path / way,
            large=Large(way),  # type: ignore[arg-type]
        )
        assert (made.runtime == "litert") == lifts == (not made.reason)


def test_a_bundle_says_what_of_each_tier_is_lifted(small_bundle: Path) -> None:
    engine = BundleEngine(small_bundle, "onnxruntime", "int8")
    for entry, tier in zip(engine.manifest.tiers, engine.tiers, strict=True):
        found, opened = entry.statistics, engine.lifted(tier)
        assert found is not None and opened is not None and "onnxruntime" not in found.limits
        facts = opened()
        told = found.passes, found.halo_px, found.tile_multiple_px
        assert told == (facts.levels, facts.halo_px, facts.multiple_px)
        assert found.lifted > 0 and not found.not_lifted
        lifts = BundleEngine(small_bundle, "litert", "int8").lifted(tier) is not None
        assert lifts == ("litert" not in found.limits)
    (line, *_) = statistics_lines(small_bundle)
    assert line.startswith(engine.tiers[0].id)


def told_of(layer: Callable[[Tensor], Tensor], tmp_path: Path, side_px: int = 96) -> TierStatistics:
    """What is said of a tier with that layer inside, of two files in one runtime."""
    tier, path = Tier(1, side_px), tmp_path / "model.onnx"
    export_tier(OneTier(Local(layer)), tier, path)
    data = path.read_bytes()
    file = TierFile(TARGETS["onnxruntime"], tier, data, path)
    return tier_statistics([file, file], data, {}, 2)


def test_a_tier_that_keeps_a_reduction_names_it_and_the_reason(tmp_path: Path) -> None:
    found = told_of(lambda x: x - x.amax((2, 3), True), tmp_path)
    assert found.halo_px is None and found.lifted == 2
    (kept,) = found.not_lifted
    assert (kept.runtime, kept.operator) == ("onnxruntime", "ReduceMax")
    assert kept.reason == "an extreme over pixels is no sum over them"
    assert kept.operator in found.limits["onnxruntime"]


def test_attention_between_all_places_is_looked_at_as_far_as_memory_allows(tmp_path: Path) -> None:
    found = told_of(attended, tmp_path)
    assert found.halo_px is None and "depends on all others" in found.limits["onnxruntime"]
