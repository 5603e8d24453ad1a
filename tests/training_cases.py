"""Tiny networks, pictures and recipes for the tests of the training code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from iast_export.network.iast import NetworkConfig
from iast_export.network.iast2 import IAST2Config
from models.data import CropStore, training_files
from models.grown import GrownConfig
from models.mobilenet_student import MobileConfig
from models.perceptual import DistilledVgg
from models.recipe import TrainingRecipe
from models.teacher import TeacherConfig

RECIPES = Path(__file__).parents[1] / "models" / "recipes"
CPU = torch.device("cpu")
TINY: dict[str, Any] = {
    "student": NetworkConfig(width=8, stem_width=8, encoder_widths=(8, 8, 8, 8), encoder_hidden=16),
    "quantization_aware": NetworkConfig(
        width=8, stem_width=8, encoder_widths=(8, 8, 8, 8), encoder_hidden=16
    ),
    "mobilenet": MobileConfig(
        width=8, stem_width=8, encoder_widths=(8, 8, 8, 8), encoder_hidden=16, expansion=2, kernel=3
    ),
    "iast2": IAST2Config(
        width=8,
        stem_width=8,
        coarse_width=8,
        skip_rank=4,
        encoder_widths=(8, 8, 8, 8),
        encoder_hidden=16,
    ),
    "grown": GrownConfig(width=8, stem_width=8, blocks=2, more_blocks=1),
    "teacher": TeacherConfig(
        widths=(16, 16, 32, 32), blocks=(0, 0, 1, 0), code_hidden=16, map_hidden=8
    ),
}


def draw_pictures(root: Path) -> Path:
    """Three training pictures per kind, and a few to test on, below `root`."""
    rng = np.random.default_rng(0)
    folders = ("content/bsds500", "content/kodak24", "style/oil", "style/cartoon")
    for folder in folders:
        (root / folder).mkdir(parents=True)
        for i in range(1, 4):
            coarse = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
            cv2.imwrite(str(root / folder / f"x_{i:04d}.jpg"), cv2.resize(coarse, (80, 64)))
    return root


def tiny(recipe: TrainingRecipe, **changes: Any) -> TrainingRecipe:
    """The recipe on a network of eight channels and crops of 32 px, in float32."""
    given: dict[str, Any] = {"batch": 2, "crop_px": 32, "warmup_steps": 1, "sheet_every": 0}
    loss = replace(recipe.loss, style_schedule=((0, 1.0),))
    given |= {
        "network": TINY[recipe.kind],
        "loss": loss,
        "bfloat16": False,
        "recalibrate_batches": 2,
    }
    given |= {"phases": (), "artwork_crop": (), "face_samples": min(2, recipe.face_samples)}
    return replace(recipe, **(given | changes))


def stores(images: Path, recipe: TrainingRecipe) -> tuple[CropStore, CropStore]:
    """Photographs and artworks to draw from."""
    contents, styles = (CropStore(files, recipe.crop_px, CPU) for files in training_files(images))
    return contents, styles


def vgg() -> DistilledVgg:
    """The perceptual network with random weights."""
    torch.manual_seed(1)
    return DistilledVgg().eval().requires_grad_(False)


def list_faces(images: Path) -> Path:
    """A listing that calls the middle of two photographs a face."""
    path = images / "faces.json"
    names = [f"content/bsds500/x_{i:04d}.jpg" for i in (1, 2)]
    path.write_text(json.dumps({name: [0.375, 0.3125, 0.625, 0.6875] for name in names}))
    return path
