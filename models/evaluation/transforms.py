"""AdaIN and WCT: features of a photograph given an artwork's statistics, then decoded.

Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization",
ICCV 2017; Li et al., "Universal Style Transfer via Feature Transforms", NeurIPS 2017. Both blend
the transformed features with the photograph's own by the strength, as published.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from iast_export.files.artifacts import sha256_file
from iast_export.pictures.images import Rgb, to_levels, to_tensor
from models.evaluation.coders import LEVELS, Coder, coder_files
from models.evaluation.methods import fingerprint_of, parameter_count

_EPS = 1e-5


def adain(content: Tensor, style: Tensor) -> Tensor:
    """Content features [N, C, H, W] with the style's channel means and deviations (equation 8)."""
    mean, std = content.mean((2, 3), keepdim=True), content.std((2, 3), keepdim=True, correction=0)
    mean_s, std_s = style.mean((2, 3), keepdim=True), style.std((2, 3), keepdim=True, correction=0)
    return (content - mean) / (std + _EPS) * std_s + mean_s


def whiten_and_color(content: Tensor, style: Tensor, ridge: float = 0.0) -> Tensor:
    """Content features [1, C, H, W] with the style's mean and covariance (WCT, equations 2 and 3).

    Directions whose variance is below 1e-5 of the largest are left out on both sides, as published
    code does with an absolute bound. With `ridge`, both covariances are that much more of an
    identity, which holds down weak directions.
    """
    flat, flat_s = content[0].flatten(1).double(), style[0].flatten(1).double()
    mean, mean_s = flat.mean(1, keepdim=True), flat_s.mean(1, keepdim=True)
    white = _power(_covariance(flat - mean, ridge), -0.5) @ (flat - mean)
    colored = _power(_covariance(flat_s - mean_s, ridge), 0.5) @ white + mean_s
    return colored.to(content.dtype).view_as(content)


def _covariance(centered: Tensor, ridge: float) -> Tensor:
    return centered @ centered.T / centered.shape[1] + ridge * torch.eye(
        len(centered), dtype=centered.dtype
    )


def _power(covariance: Tensor, exponent: float) -> Tensor:
    """The matrix to a power, on the directions that carry variance."""
    values, vectors = torch.linalg.eigh(covariance)
    kept = values > _EPS * values[-1].clamp_min(1e-12)
    return (vectors[:, kept] * values[kept].pow(exponent)) @ vectors[:, kept].T


class AdaIn:
    """Adaptive instance normalization between the encoder and the decoder of relu4_1."""

    name = "adain"

    def __init__(
        self, coder: Coder, fingerprint: str, strengths: Sequence[float] = (0.25, 0.5, 0.75, 1.0)
    ):
        self.coder, self.fingerprint, self.strengths = coder, fingerprint, tuple(strengths)
        self.parameters = parameter_count(coder)
        self.size_multiple_px = 2 ** (coder.level - 1)

    @classmethod
    def load(cls, folder: Path) -> AdaIn:
        """With the distilled VGG's level 4."""
        files = [sha256_file(f) for f in coder_files(folder, (4,))]
        return cls(Coder.load(folder, 4), fingerprint_of("adain-1", *files))

    @torch.no_grad()
    def pictures(
        self, content: Rgb, style: Rgb, strengths: Sequence[float]
    ) -> Iterator[tuple[float, Rgb]]:
        """A picture per strength."""
        own, of_style = (
            self.coder.encoder(torch.from_numpy(to_tensor(x))) for x in (content, style)
        )
        styled = adain(own, of_style)
        for strength in strengths:
            yield strength, to_levels(self.coder.decoder(own + strength * (styled - own)).numpy())


class Wct:
    """Whitening and coloring, deepest level first, each on the picture before."""

    name = "wct"

    def __init__(
        self,
        coders: Sequence[Coder],
        fingerprint: str,
        strengths: Sequence[float] = (0.05, 0.1, 0.2, 0.5, 1.0),
    ):
        self.coders = sorted(coders, key=lambda c: -c.level)
        self.fingerprint, self.strengths = fingerprint, tuple(strengths)
        self.parameters = sum(parameter_count(c) for c in coders)
        self.size_multiple_px = 2 ** (self.coders[0].level - 1)

    @classmethod
    def load(cls, folder: Path) -> Wct:
        """With all five levels of the distilled VGG."""
        files = [sha256_file(f) for f in coder_files(folder)]
        return cls([Coder.load(folder, level) for level in LEVELS], fingerprint_of("wct-1", *files))

    @torch.no_grad()
    def pictures(
        self, content: Rgb, style: Rgb, strengths: Sequence[float]
    ) -> Iterator[tuple[float, Rgb]]:
        """A picture per strength."""
        artwork = torch.from_numpy(to_tensor(style))
        of_style = [coder.encoder(artwork) for coder in self.coders]
        for strength in strengths:
            x = torch.from_numpy(to_tensor(content))
            for coder, target in zip(self.coders, of_style, strict=True):
                own = coder.encoder(x)
                x = coder.decoder(own + strength * (whiten_and_color(own, target) - own)).clamp(
                    0.0, 1.0
                )
            yield strength, to_levels(x.numpy())
