"""Whole photographs through the Kotlin core and the packaged network's INT8 models: as in Python,
exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iast_export.build.pipeline import Build, Request, run_stages
from iast_export.pictures.images import Rgb, load_image
from iast_export.pictures.imagesets import picture_path
from iast_export.recipe import parse_recipe
from iast_export.specs import Runtime
from iast_export.stylize.engine import BundleEngine, Oversize
from tests.android_core import core, read_ppm, through_core, tiled_through_core, write_ppm

# One tier of the packaged network, and as little measuring as a build allows: only its models
# matter here.
RECIPE = b"""
name = "photograph"
tiers = [{depth = 2, max_side_px = 512}]
[calibration]
max_pairs = 2
[verify]
images = 2
[benchmark]
warmup = 0
blocks = 2
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the packaged checkpoint, as `iast-export build` makes it."""
    out = tmp_path_factory.mktemp("photograph")
    run_stages(Build(Request(out, parse_recipe(RECIPE, "photograph"))))
    return out


def photograph(name: str) -> Rgb:
    return load_image(picture_path(f"skimage:{name}"))


@pytest.mark.parametrize("runtime", ["litert", "onnxruntime"])
def test_photographs_come_out_as_in_python(bundle: Path, tmp_path: Path, runtime: Runtime) -> None:
    """One that fits exactly, one that is padded, and one that is scaled down."""
    engine = BundleEngine(bundle, runtime, "int8")
    _, codes = engine.style_codes(engine.manifest.styles[3].id)
    taken: list[tuple[str, Oversize]] = [
        ("astronaut.png", "refuse"),
        ("chelsea.png", "refuse"),
        ("coffee.png", "scale_down"),
    ]
    pictures, wanted = [], []
    for name, oversize in taken:
        rgb = photograph(name)
        picture = write_ppm(tmp_path / f"{name}.ppm", rgb)
        made, tier = engine.stylize(rgb, codes, 0.75, oversize)
        if oversize == "scale_down":
            picture = tmp_path / "small.ppm"
            core("fit", tmp_path / f"{name}.ppm", tier.max_side_px, picture)
        pictures.append(picture)
        wanted.append(made)
    results = through_core(engine, pictures, codes, tier, 0.75)
    for picture, result, expected in zip(pictures, results, wanted, strict=True):
        made = read_ppm(result)
        assert np.array_equal(made, expected), picture.name
        assert np.abs(made.astype(int) - read_ppm(picture)).mean() > 5, "nothing was stylized"


@pytest.mark.parametrize("runtime", ["litert", "onnxruntime"])
def test_a_tiled_photograph_comes_out_as_in_python(
    bundle: Path, tmp_path: Path, runtime: Runtime
) -> None:
    engine = BundleEngine(bundle, runtime, "int8")
    _, codes = engine.style_codes(engine.manifest.styles[0].id)
    rgb = photograph("coffee.png")
    wanted, tier = engine.stylize(rgb, codes, 1.0, "tile")
    made, count = tiled_through_core(engine, write_ppm(tmp_path / "coffee.ppm", rgb), codes, tier)
    assert count == 2
    assert read_ppm(made).shape == rgb.shape and np.array_equal(read_ppm(made), wanted)


def test_one_altered_number_of_a_tensor_is_seen(bundle: Path, tmp_path: Path) -> None:
    """The comparison can fail: one value moved by one level is one level of one pixel."""
    engine = BundleEngine(bundle, "litert", "int8")
    _, codes = engine.style_codes(engine.manifest.styles[0].id)
    rgb = photograph("chelsea.png")
    wanted, tier = engine.stylize(rgb, codes)
    picture = write_ppm(tmp_path / "chelsea.ppm", rgb)
    through_core(engine, [picture], codes, tier)
    values = np.fromfile(picture.with_suffix(".out"), "<f4")
    values[0] += np.float32(1 / 255) if values[0] < 0.5 else -np.float32(1 / 255)
    values.tofile(picture.with_suffix(".out"))
    end = (rgb.shape[1], rgb.shape[0], picture.with_suffix(".out"), tmp_path / "altered.ppm")
    core("finish", bundle, "litert", tier.id, *end)
    assert np.abs(read_ppm(tmp_path / "altered.ppm").astype(int) - wanted).sum() == 1
