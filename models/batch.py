"""One training step's pictures and strengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from models.crops import to_device
from models.data import CropStore
from models.faces.crops import FaceStore
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
        """Two thirds of samples at full strength; the first has its own photograph as style.

        With `faces`, the last `recipe.face_samples` photographs show one.
        """
        count = recipe.batch
        content = contents.batch(count, rng, recipe.smallest_crop, recipe.crop_px)
        style = styles.batch(count, rng, recipe.smallest_crop, recipe.crop_px)
        style[0] = content[0]
        strength = np.where(rng.random(count) < 0.65, 1.0, rng.random(count))
        strength[0] = 1.0
        if count > 1:
            strength[1] = 0.0
        keep = (1.0 - strength) ** 2
        keep[0] = 1.0
        strengths, kept = (to_device(v, content.device) for v in (strength, keep))
        boxes = None
        if faces is not None:
            content[-recipe.face_samples :], boxes = faces.batch(
                recipe.face_samples, rng, recipe.crop_px
            )
        return cls(content, style, strengths[:, None], kept, boxes)
