"""One small bundle, built once through the real pipeline, for every test that reads a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import torch
from hypothesis import settings

from iast_export.build.pipeline import Build, Request, run_stages
from iast_export.network.checkpoint import save_checkpoint
from iast_export.pictures.procedural import style_pictures
from iast_export.recipe import parse_recipe
from tests.tiny_networks import tiny_iast

# The same examples in every run: a change is judged, not a draw. `make fuzz` draws.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")

SMALL_RECIPE = b"""
name = "tiny"
tiers = [{depth = 4, max_side_px = 32}, {depth = 1, max_side_px = 64}]
[calibration]
max_pairs = 8
[quantize]
fallback = 0
[verify]
images = 4
[benchmark]
warmup = 1
blocks = 3
"""
CARD = {
    "name": "tiny",
    "data": {"photographs": 0},
    "licence": "Apache-2.0",
    "value_range": "[0, 1]",
    "metrics": {"none": 0},
    "training": {"steps": 0},
}


@pytest.fixture(autouse=True)
def threads_as_they_were() -> Iterator[None]:
    """Commands of `models` set one thread, which would change the last digit of what later tests
    compare."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(tiny_iast(), path, CARD)
    return path


@pytest.fixture(scope="session")
def style_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("styles")
    for name, rgb in list(style_pictures())[:4]:
        cv2.imwrite(str(folder / f"{name}.png"), rgb[:, :, ::-1])
    return folder


@pytest.fixture(scope="session")
def small_request(
    tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path, style_folder: Path
) -> Request:
    out = tmp_path_factory.mktemp("bundle")
    return Request(
        out, parse_recipe(SMALL_RECIPE, "small"), checkpoint=tiny_checkpoint, styles=style_folder
    )


@pytest.fixture(scope="session")
def small_bundle(small_request: Request) -> Path:
    """A finished bundle; read it, don't write to it."""
    run_stages(Build(small_request))
    return small_request.out


@pytest.fixture
def bundle_copy(small_bundle: Path, tmp_path: Path) -> Path:
    """A bundle of one's own, to alter."""
    return Path(shutil.copytree(small_bundle, tmp_path / "bundle"))
