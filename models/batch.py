"""One training step's pictures and strengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.data import CropStore
from models.face_crops import FaceStore
from models.recipe import TrainingRecipe


@dataclass(frozen=True)
class Batch:
    """Photographs, artworks, strengths [N, 1] and how far each sample must come back as it was [N].

    `boxes` [K, 4] in pixels: the faces of the last K photographs.
    """

    content: Tensor
    style: Tensor
    strength: Tensor
    keep: Tensor
    boxes: Tensor | None = None

    @classmethod
    def draw(
        cls,
        contents: CropStore,
        styles: CropStore,
        recipe: TrainingRecipe,
        rng: np.random.Generator,
        faces: FaceStore | None = None,
    ) -> Batch:
        """Two thirds of the samples at full strength; the first one has its own photograph as style.

        With `faces`, the last `recipe.face_samples` photographs show one.
        """
        count = recipe.batch
        content = contents.batch(count, rng, recipe.smallest_crop)
        style = styles.batch(count, rng, recipe.smallest_crop)
        style[0] = content[0]
        strength = np.where(rng.random(count) < 0.65, 1.0, rng.random(count))
        strength[0] = 1.0
        if count > 1:
            strength[1] = 0.0
        keep = (1.0 - strength) ** 2
        keep[0] = 1.0
        device = content.device
        as_tensor = lambda v: torch.tensor(v, dtype=torch.float32, device=device)  # noqa: E731
        boxes = None
        if faces is not None:
            content[-recipe.face_samples :], boxes = faces.batch(recipe.face_samples, rng)
        return cls(content, style, as_tensor(strength)[:, None], as_tensor(keep), boxes)
