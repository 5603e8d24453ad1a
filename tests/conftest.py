"""One small bundle, built once through the real pipeline, for every test and worker to read."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
import torch
from hypothesis import settings

from iast_export.__main__ import GARBAGE_THRESHOLDS
from iast_export.build.pipeline import Build, Request, run_stages
from iast_export.network.checkpoint import save_checkpoint
from iast_export.pictures.procedural import style_pictures
from iast_export.recipe import parse_recipe
from tests.made_once import made_once, place, share
from tests.tiny_networks import tiny_iast

# The same examples in every run: a change is judged, not a draw. `make fuzz` draws.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")
gc.set_threshold(*GARBAGE_THRESHOLDS)  # as the command has them

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


@pytest.fixture(scope="session", autouse=True)
def shared_among_workers(tmp_path_factory: pytest.TempPathFactory) -> None:
    own = tmp_path_factory.getbasetemp()
    share((own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "shared")


@pytest.fixture(scope="session")
def tiny_checkpoint() -> Path:
    return made_once("tiny.safetensors", lambda path: save_checkpoint(tiny_iast(), path, CARD))


@pytest.fixture(scope="session")
def style_folder() -> Path:
    return made_once("styles", _draw_styles)


def _draw_styles(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, rgb in list(style_pictures())[:4]:
        cv2.imwrite(str(folder / f"{name}.png"), rgb[:, :, ::-1])


@pytest.fixture(scope="session")
def small_request(tiny_checkpoint: Path, style_folder: Path) -> Request:
    recipe = parse_recipe(SMALL_RECIPE, "small")
    return Request(place("small"), recipe, checkpoint=tiny_checkpoint, styles=style_folder)


@pytest.fixture(scope="session")
def small_bundle(small_request: Request) -> Path:
    """A finished bundle; read it, don't write to it."""
    return made_once("small", lambda _: run_stages(Build(small_request)))


@pytest.fixture
def bundle_copy(small_bundle: Path, tmp_path: Path) -> Path:
    """A bundle of one's own, to alter."""
    return Path(shutil.copytree(small_bundle, tmp_path / "bundle"))
