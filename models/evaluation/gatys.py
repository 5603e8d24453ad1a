"""Gatys et al., "Image Style Transfer Using Convolutional Neural Networks", CVPR 2016.

The perceptual network is the distilled VGG-19 that our own networks train with, and its losses are
ours: relative distances, content on conv4_2, Gram matrices on relu1_1 .. relu5_1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from iast_export.pictures.images import Rgb, to_levels, to_tensor
from models import losses
from models.evaluation.methods import fingerprint_of
from models.losses import Features
from models.losses.features import gram

_CONTENT = {"4_2": 1.0}
_STYLE = ("1_1", "2_1", "3_1", "4_1", "5_1")


class Gatys:
    """Adam on the pixels, from the photograph on; each strength, a style weight, from the last."""

    name = "gatys"
    size_multiple_px = 16

    def __init__(
        self,
        vgg: Any,
        fingerprint: str,
        strengths: Sequence[float] = (1.0, 10.0, 100.0),
        iterations: int = 100,
        learning_rate: float = 0.03,
    ) -> None:
        self._vgg, self.strengths = vgg, tuple(strengths)
        self.iterations, self._rate = iterations, learning_rate
        settings = f"{iterations} {learning_rate} {self.strengths}"
        self.fingerprint = fingerprint_of("gatys-1", fingerprint, settings)
        self.parameters = sum(p.numel() for p in vgg.parameters())

    def pictures(
        self, content: Rgb, style: Rgb, strengths: Sequence[float]
    ) -> Iterator[tuple[float, Rgb]]:
        """A picture per strength, each `iterations` steps from the result of the one before."""
        photograph = torch.from_numpy(to_tensor(content))
        with torch.no_grad():
            of_content = self._vgg(photograph)
            artwork = self._vgg(torch.from_numpy(to_tensor(style)))
            targets = {layer: gram(artwork[layer]) for layer in _STYLE}
        image = photograph.clone().requires_grad_(True)
        for strength in strengths:
            self._optimize(image, of_content, targets, strength)
            yield strength, to_levels(image.detach().numpy())

    def _optimize(
        self, image: Tensor, of_content: Features, targets: dict[str, Tensor], strength: float
    ) -> None:
        optimizer = torch.optim.Adam([image], self._rate)
        for _ in range(self.iterations):
            optimizer.zero_grad()
            features = self._vgg(image)
            style = torch.stack(
                [
                    (gram(features[k]) - g).square().sum() / (g.square().sum() + 1e-6)
                    for k, g in targets.items()
                ]
            ).mean()
            loss = losses.content_loss(features, of_content, _CONTENT).mean() + strength * style
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                image.clamp_(0.0, 1.0)
