"""Two resolutions: a draft at half the size, and what it lost put back at full size.

Lin et al. 2021, "Drafting and Revision: Laplacian Pyramid Network for Fast High-Quality Artistic
Style Transfer", arXiv:2104.05376. The draft is AdaIN between a strided encoder and a decoder; the
revision sees the draft and the Laplacian of the content, and adds.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.zoo.adapter import Adapter, Ranged
from benchmarks.zoo.seeds import drawn_pictures, seeded, settle

WIDTH = 32


def layer(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3, stride), nn.ReLU())


def resized(x: Tensor, factor: float) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean, and the root of mean square minus square of the mean."""
    mean = x.mean((2, 3), keepdim=True)
    variance = (x * x).mean((2, 3), keepdim=True) - mean * mean
    return mean, (variance.clamp(min=0.0) + 1e-5).sqrt()


class Draft(nn.Module):
    """Half-size picture, mean, std -> half-size draft."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.encoder = nn.Sequential(layer(3, w), layer(w, 2 * w, 2), layer(2 * w, 4 * w, 2))
        self.decoder = nn.Sequential(
            layer(4 * w, 4 * w),
            layer(4 * w, 2 * w),
            nn.Upsample(scale_factor=2, mode="nearest"),
            layer(2 * w, w),
            nn.Upsample(scale_factor=2, mode="nearest"),
            layer(w, w),
            nn.ReflectionPad2d(1),
            nn.Conv2d(w, 3, 3),
        )

    def forward(self, half: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        x = self.encoder(half)
        own_mean, own_std = moments(x)
        return self.decoder((x - own_mean) / own_std * std + mean)


class Revision(nn.Module):
    """Draft and Laplacian [1, 6, H, W] -> what is missing [1, 3, H, W]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.down = nn.Sequential(layer(6, w), layer(w, w, 2))
        self.middle = nn.Sequential(layer(w, w), nn.ReflectionPad2d(1), nn.Conv2d(w, w, 3))
        self.up = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="nearest"),
            layer(w, w),
            nn.ReflectionPad2d(1),
            nn.Conv2d(w, 3, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        return self.up(x + self.middle(x))


class Transfer(nn.Module):
    """forward(content [1, 3, H, W] in [0, 1], mean, std [1, C, 1, 1]) -> about the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.draft, self.revision = Draft(width), Revision(width)

    def forward(self, content: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        half = resized(content, 0.5)
        laplacian = content - resized(half, 2.0)
        draft = resized(self.draft(half, mean, std), 2.0)
        return draft + self.revision(torch.cat([laplacian, draft], dim=1))


class StyleStatistics(nn.Module):
    """style [1, 3, H, W] in [0, 1] -> mean, std [1, C, 1, 1]."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        return moments(self.encoder(style))


def network(width: int) -> Adapter:
    transfer = Transfer(width)
    seeded(transfer, 25)
    styles = StyleStatistics(transfer.draft.encoder)
    codes = [code.detach() for code in styles(drawn_pictures()[:1])]
    styled = _Styled(transfer, codes)
    settle(styled, transfer.draft.decoder[-1], 0.5)
    settle(styled, transfer.revision.up[-1])
    transfer.revision.up[-1].weight.data.mul_(0.3)
    shape = (1, 4 * width, 1, 1)
    ranged = Ranged(transfer, 0.0, 1.0, clamp=True)
    return Adapter(ranged, 8, {"mean": shape, "std": shape}, styles)


class _Styled(nn.Module):
    """The transfer with one style."""

    def __init__(self, transfer: nn.Module, codes: list[Tensor]) -> None:
        super().__init__()
        self.transfer, self.codes = transfer, codes

    def forward(self, content: Tensor) -> Tensor:
        return self.transfer(content, *self.codes)


def factory(checkpoint: Path | None) -> Adapter:
    return network(WIDTH).taught(checkpoint)


def tiny(checkpoint: Path | None) -> Adapter:
    return network(4)
