"""From prepared files to INT8: every value is made once, and read from its file afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iast_export.build import learn, prepare, quantize
from iast_export.build.learn import load_learned
from iast_export.build.pipeline import Build, Request
from iast_export.build.tracing import pseudo_photograph
from iast_export.bundle.styles import feeds_of
from iast_export.quantize.equalize.factors import Equalization
from iast_export.quantize.learned import Adjustments
from iast_export.recipe import Recipe
from iast_export.runtimes.onnx import open_onnx
from iast_export.specs import CONTENT, RUNTIMES, STYLIZED


def _quantizing(recipe: Recipe, **chosen: object) -> Recipe:
    return recipe.model_copy(update={"quantize": recipe.quantize.model_copy(update=chosen)})


def _no_picture(*_: object) -> None:
    raise AssertionError("a picture was asked for")


def test_prepared_files_compute_what_the_fp32_files_do(
    small_bundle: Path, small_request: Request
) -> None:
    build = Build(replace(small_request, out=small_bundle))
    for tier in build.tiers:
        side = tier.max_side_px
        feeds = feeds_of(build.styles[0], build.network.code_shapes)
        fed = {CONTENT: pseudo_photograph(side, side), **feeds}
        paths = (build.layout.onnx(tier, "fp32"), build.layout.prepared("onnxruntime", tier))
        own, prepared = (open_onnx(path).run(fed)[STYLIZED] for path in paths)
        assert np.abs(own - prepared).max() < 1e-5


def test_quantizing_reads_files_alone_and_gives_the_same_bytes(
    bundle_copy: Path, small_request: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = Build(replace(small_request, out=bundle_copy))
    outputs = quantize.STAGE.outputs(build)
    before = [path.read_bytes() for path in outputs]
    for module in (learn, prepare):
        monkeypatch.setattr(module, "calibration_feeds", _no_picture)
    quantize.STAGE.run(build)
    assert [path.read_bytes() for path in outputs] == before


def test_both_runtimes_are_told_of_the_same_filters_and_of_ranges_of_their_own(
    small_bundle: Path, small_request: Request
) -> None:
    build = Build(replace(small_request, out=small_bundle))
    onnx, litert = (load_learned(build, runtime) for runtime in RUNTIMES)
    for tier in build.tiers:
        assert onnx[tier].filters.keys() == litert[tier].filters.keys() != set()
        assert not set(onnx[tier].ranges) & set(litert[tier].ranges)
        assert onnx[tier].trim_sums == build.recipe.quantize.trim_sums


def test_where_nothing_is_to_be_learned_no_picture_is_looked_at(
    bundle_copy: Path, small_request: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = _quantizing(small_request.recipe, rounding="nearest", equalize=False)
    build = Build(replace(small_request, out=bundle_copy, recipe=recipe))
    for module in (learn, prepare):
        monkeypatch.setattr(module, "calibration_feeds", _no_picture)
    prepare.STAGE.run(build)
    learn.STAGE.run(build)
    assert Equalization.load(build.layout.equalization) == Equalization()
    found = Adjustments.load(build.layout.learned)
    assert not any(found.filters.values()) and not any(found.shifts.values())


def test_biases_are_shifted_for_the_tier_and_runtime_that_they_were_seen_in(
    bundle_copy: Path, small_request: Request
) -> None:
    recipe = _quantizing(small_request.recipe, bias_correction=True)
    build = Build(replace(small_request, out=bundle_copy, recipe=recipe))
    learn.STAGE.run(build)
    onnx, litert = (load_learned(build, runtime) for runtime in RUNTIMES)
    assert all(onnx[tier].shifts and not litert[tier].shifts for tier in build.tiers)
    assert onnx[build.tiers[0]].shifts.keys() != onnx[build.tiers[-1]].shifts.keys()
