"""A bundle's own files with their statistics lifted out: tiles are the run over the whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iast_export.metrics.fidelity import psnr_db
from iast_export.pictures.images import Rgb, load_image, save_png
from iast_export.pictures.imagesets import picture_path
from iast_export.stylize.large import Large, LargeRun
from iast_export.stylize.stylize import BundleEngine, ChosenByShape, stylize


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
