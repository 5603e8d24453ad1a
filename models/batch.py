"""One training step's pictures and strengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models import losses
from models.crops import to_device
from models.data import CropStore
from models.faces import KnownFaces
from models.faces.crops import FaceStore
from models.recipe import TrainingRecipe

LARGEST_SHIFT_PX = 7  # less than the 8 px after which an eighth of the resolution repeats itself
_LARGEST_NOISE = 6.0 / 255.0  # deviation; a phone's sensor indoors has 2 to 5 levels
_JUDGED_NOISE = 2.0 / 255.0  # as `iast_export.metrics.flicker.NOISE_LEVELS`


@dataclass(frozen=True)
class Moved:
    """The last photographs [K, 3, H, W] of a batch, moved by whole pixels and with sensor noise."""

    content: Tensor
    shift_px: Tensor  # [2], down and to the right

    @classmethod
    def draw(cls, content: Tensor, rng: np.random.Generator) -> Moved:
        """Half of the photographs, moved by up to 7 px, noise of up to 6 levels."""
        part = content[-max(1, len(content) // 2) :]
        shift = to_device(rng.integers(-LARGEST_SHIFT_PX, LARGEST_SHIFT_PX + 1, 2), content.device)
        levels = to_device(rng.uniform(0.0, _LARGEST_NOISE, len(part)), content.device)
        generator = torch.Generator(content.device).manual_seed(int(rng.integers(2**62)))
        noise = torch.randn(part.shape, generator=generator, device=content.device)
        moved = losses.rolled(part, shift) + levels[:, None, None, None] * noise
        return cls(moved.clamp(0.0, 1.0), shift)


@dataclass(frozen=True)
class Batch:
    """Photographs, artworks, strengths [N, 1] and how far each sample must come back as it was [N].

    `faces`: what is known of those of the last K photographs. Artworks may be of another size
    than photographs. `moved`: the last photographs once more, where a recipe asks for steadiness;
    `noisy`: likewise, where they were, with a sensor's noise alone.
    """

    content: Tensor
    style: Tensor
    strength: Tensor
    keep: Tensor
    faces: KnownFaces | None = None
    moved: Moved | None = None
    noisy: Tensor | None = None

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
        style = _artworks(styles, recipe, rng)
        style[0] = F.interpolate(
            content[:1], size=style.shape[2:], mode="bilinear", align_corners=False
        )[0]
        strength = np.where(rng.random(count) < 0.65, 1.0, rng.random(count))
        strength[0] = 1.0
        if count > 1:
            strength[1] = 0.0
        keep = (1.0 - strength) ** 2
        keep[0] = 1.0
        strengths, kept = (to_device(v, content.device) for v in (strength, keep))
        known = None
        if faces is not None:
            content[-recipe.face_samples :], known = faces.batch(
                recipe.face_samples, rng, recipe.crop_px
            )
        moved = Moved.draw(content, rng) if recipe.loss.steady > 0 else None
        noisy = _noisy(content, rng) if recipe.loss.noise > 0 else None
        return cls(content, style, strengths[:, None], kept, known, moved, noisy)


def _noisy(content: Tensor, rng: np.random.Generator) -> Tensor:
    """Half of the photographs with noise of 2 levels, which `verify --video` judges by."""
    part = content[-max(1, len(content) // 2) :]
    generator = torch.Generator(content.device).manual_seed(int(rng.integers(2**62)))
    noise = torch.randn(part.shape, generator=generator, device=content.device)
    return (part + _JUDGED_NOISE * noise).clamp(0.0, 1.0)


def _artworks(styles: CropStore, recipe: TrainingRecipe, rng: np.random.Generator) -> Tensor:
    """Crops of artworks at the size and scale that the recipe wants them seen."""
    smallest, largest = recipe.artwork_crop or (recipe.smallest_crop, 1.0)
    side_px = recipe.artwork_px or recipe.crop_px
    return styles.batch(recipe.batch, rng, smallest, side_px, largest)
