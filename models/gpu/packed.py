"""A pack opened: its recipe, its frozen networks and its pictures, each file checked first."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from iast_export.errors import InputError
from iast_export.files.artifacts import read_json, sha256_file
from models.data import CropStore
from models.faces import LandmarkNetwork
from models.faces.crops import FaceStore
from models.faces.listing import listed_faces
from models.gpu.pictures import read_all
from models.networks import load_trainable
from models.objective import Helpers
from models.perceptual import DistilledVgg
from models.recipe import TrainingRecipe

FACTS = "pack.json"
SCHEMA_VERSION = 1
_AGAIN = "make the pack again with python -m models.gpu.pack"


class Pack:
    """The files of one pack."""

    def __init__(self, folder: Path) -> None:
        """Checks every file against the pack's own list.

        Raises:
            InputError: no pack, one of another version, or a file that is missing or altered.
        """
        self.folder = folder
        if not (folder / FACTS).is_file():
            raise InputError(f"{folder} is no pack: it has no {FACTS}", _AGAIN)
        self.facts = read_json(folder / FACTS)
        if self.facts.get("schema_version") != SCHEMA_VERSION:
            raise InputError(
                f"{folder} is a pack of version {self.facts.get('schema_version')}, "
                f"{SCHEMA_VERSION} was needed",
                _AGAIN,
            )
        for name, known in self.facts["files"].items():
            if sha256_file(folder / name) != known["sha256"]:
                raise InputError(f"{folder / name} was altered or cut", _AGAIN)

    @property
    def sha256(self) -> str:
        """Of the list of files, and so of all of them."""
        return sha256_file(self.folder / FACTS)

    @cached_property
    def recipe(self) -> TrainingRecipe:
        """What is to be trained, and how."""
        return TrainingRecipe.read(self.folder / "recipe.toml")

    @cached_property
    def pictures(self) -> Mapping[str, dict[str, np.ndarray]]:
        """uint8 RGB [H, W, 3] by kind and name."""
        return read_all(self.folder)

    def helpers(self) -> Helpers:
        """The frozen networks that the recipe's losses look through."""
        vgg = DistilledVgg()
        vgg.load_state_dict(
            {k: v.float() for k, v in load_file(self.folder / "vgg.safetensors").items()}
        )
        teacher, landmarks = self.folder / "teacher.pt", self.folder / "landmarks.npz"
        return Helpers(
            vgg.eval().requires_grad_(False),
            load_trainable(teacher) if teacher.is_file() else None,
            LandmarkNetwork.load(landmarks) if landmarks.is_file() else None,
        )

    def stores(self, device: torch.device) -> tuple[CropStore, CropStore, FaceStore | None]:
        """Photographs, artworks and photographs of faces, on the device."""
        contents, styles = (
            CropStore.holding(list(self.pictures[kind].values()), self.recipe.crop_px, device)
            for kind in ("photographs", "artworks")
        )
        listing = self.folder / "faces.json"
        if not listing.is_file():
            return contents, styles, None
        faces = listed_faces(listing)
        shown = [self.pictures["photographs"][name] for name in faces]
        return (
            contents,
            styles,
            FaceStore.holding(shown, list(faces.values()), self.recipe.crop_px, device),
        )

    @property
    def start(self) -> Path | None:
        """The folder with the state of the run that is to go on."""
        folder = self.folder / "state"
        return folder if (folder / "weights.pt").is_file() else None

    @property
    def init(self) -> Path | None:
        """The weights that a new run begins with."""
        found = [self.folder / name for name in ("init.pt", "init.safetensors")]
        return next((path for path in found if path.is_file()), None)

    def counts(self) -> dict[str, Any]:
        """Pictures by kind."""
        return dict(self.facts["counts"])
