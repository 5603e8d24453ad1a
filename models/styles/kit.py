"""What every verb needs: released network, perceptual network, photographs to crop."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_file
from iast_export.network.architectures import Network
from iast_export.network.checkpoint import load_checkpoint
from iast_export.pictures.imagesets import load_set
from iast_export.recipe import load_recipe
from models.data import CropStore, training_files
from models.perceptual import DistilledVgg
from models.recipe import TrainingRecipe
from models.styles.optimize import judging_recipe

RECIPE = Path(__file__).parents[1] / "recipes" / "iast.toml"
VGG = Path("weights") / "vgg19_16x_distilled" / "5SE.pt"
_SHORT_SIDE_PX = 288
_EVERY = 8  # of the training photographs: codes see each crop once anyway


@dataclass(frozen=True)
class Kit:
    """Everything that stays as it is while codes move."""

    net: Network
    checkpoint_sha256: str
    vgg: DistilledVgg
    recipe: TrainingRecipe
    contents: CropStore

    @classmethod
    def load(cls, checkpoint: Path, vgg: Path, contents: CropStore) -> Kit:
        """Reads both networks.

        Raises:
            InputError: one of them is missing or of another kind.
        """
        net = load_checkpoint(checkpoint)
        return cls(net, sha256_file(checkpoint), read_vgg(vgg), judging_recipe(RECIPE), contents)


def read_vgg(path: Path) -> DistilledVgg:
    """The perceptual network.

    Raises:
        InputError: the file is missing or holds other weights.
    """
    remedy = "give 5SE.pt of Collaborative-Distillation's distilled VGG-19 (CVPR 2020)"
    try:
        return DistilledVgg.load(path)
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing", remedy) from error
    except (pickle.UnpicklingError, RuntimeError, AttributeError, EOFError) as error:
        raise InputError(f"{path} holds no distilled VGG: {error}", remedy) from error


def training_crops(images: Path) -> CropStore:
    """Every eighth photograph that trains the network.

    Raises:
        InputError: there is none below `images/content`.
    """
    try:
        files = training_files(images)[0][::_EVERY]
    except FileNotFoundError as error:
        raise InputError(
            str(error), "give the folder that holds images/content and images/style"
        ) from error
    return CropStore(files, crop_px(), torch.device("cpu"))


def crops_of(pictures: str | None) -> CropStore:
    """Crops of a folder of photographs, by default of the packaged ones that calibrate.

    Raises:
        InputError: no such set, or one without pictures.
    """
    found = load_set(pictures or load_recipe(None).calibration.set)
    store = CropStore((), crop_px(), torch.device("cpu"))
    store.images = [_scaled(rgb) for _, rgb in found.images()]
    if not store.images:
        raise InputError(f"{pictures} holds no photographs", "give a folder with some")
    return store


def crop_px() -> int:
    """Side of the crops that codes are judged on."""
    return judging_recipe(RECIPE).crop_px


def _scaled(rgb: np.ndarray) -> Tensor:
    """[3, H, W] uint8, the short side at most 288 px."""
    scale = min(1.0, _SHORT_SIDE_PX / min(rgb.shape[:2]))
    size = round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA) if scale < 1 else rgb
    return torch.from_numpy(np.ascontiguousarray(small)).permute(2, 0, 1).contiguous()
