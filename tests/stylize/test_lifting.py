"""A bundle's own files with their statistics lifted out: tiles are the run over the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from iast_export.build.export import export_tier
from iast_export.metrics.fidelity import psnr_db
from iast_export.pages.summary import statistics_lines
from iast_export.pictures.images import Rgb, load_image, save_png
from iast_export.pictures.imagesets import picture_path
from iast_export.runtimes.target import TARGETS
from iast_export.specs import Tier
from iast_export.stylize.large import Large, LargeRun
from iast_export.stylize.lifting import TierFile, tier_statistics
from iast_export.stylize.stylize import BundleEngine, ChosenByShape, stylize
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


def test_a_tier_that_keeps_a_reduction_names_it_and_the_reason(tmp_path: Path) -> None:
    tier, path = Tier(1, 96), tmp_path / "model.onnx"
    export_tier(OneTier(Local(attended)), tier, path)
    data, codes = path.read_bytes(), dict[str, NDArray[np.float32]]()
    file = TierFile(TARGETS["onnxruntime"], tier, data, path)
    found = tier_statistics([file, file], data, codes, 2)
    assert found.halo_px is None and found.lifted == 2
    assert found.not_lifted and {one.runtime for one in found.not_lifted} == {"onnxruntime"}
    assert "attention" in found.not_lifted[-1].reason or "no sum" in found.not_lifted[-1].reason
    assert found.not_lifted[0].operator in found.limits["onnxruntime"]
