"""AnimeGANv2: photographs to anime, one style in the weights.

Chen et al. 2020, "AnimeGAN: A Novel Lightweight GAN for Photo Animation"; its second version takes
layer normalization in place of instance normalization. Inverted residuals in the middle, bilinear
upsampling, pictures in [-1, 1].
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.zoo.adapter import Adapter, Ranged
from benchmarks.zoo.seeds import seeded, settle

WIDTH = 32


def unit(
    in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Reflection pad, convolution, layer normalization, LeakyReLU."""
    side = kernel // 2
    pad = (0, 1, 0, 1) if stride == 2 else (side,) * 4
    return nn.Sequential(
        nn.ReflectionPad2d(pad),
        nn.Conv2d(in_channels, out_channels, kernel, stride, groups=groups, bias=False),
        nn.GroupNorm(1, out_channels),
        nn.LeakyReLU(0.2, inplace=True),
    )


class InvertedResidual(nn.Module):
    """Widen by 1x1, depthwise 3x3, narrow by 1x1 without activation; added where widths agree."""

    def __init__(self, in_channels: int, out_channels: int, expansion: int = 2) -> None:
        super().__init__()
        wide = in_channels * expansion
        self.skips = in_channels == out_channels
        self.body = nn.Sequential(
            unit(in_channels, wide, 1),
            unit(wide, wide, 3, groups=wide),
            nn.Conv2d(wide, out_channels, 1, bias=False),
            nn.GroupNorm(1, out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        return x + y if self.skips else y


class Generator(nn.Module):
    """forward(content [1, 3, H, W] in [-1, 1]) -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.a = nn.Sequential(unit(3, w, 7), unit(w, 2 * w, stride=2), unit(2 * w, 2 * w))
        self.b = nn.Sequential(unit(2 * w, 4 * w, stride=2), unit(4 * w, 4 * w))
        self.c = nn.Sequential(
            unit(4 * w, 4 * w),
            InvertedResidual(4 * w, 8 * w),
            InvertedResidual(8 * w, 8 * w),
            InvertedResidual(8 * w, 8 * w),
            InvertedResidual(8 * w, 8 * w),
            unit(8 * w, 4 * w),
        )
        self.d = nn.Sequential(unit(4 * w, 4 * w), unit(4 * w, 4 * w))
        self.e = nn.Sequential(unit(4 * w, 2 * w), unit(2 * w, 2 * w), unit(2 * w, w, 7))
        self.last = nn.Conv2d(w, 3, 1)

    def forward(self, content: Tensor) -> Tensor:
        x = self.c(self.b(self.a(content)))
        x = self.d(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
        x = self.e(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False))
        return torch.tanh(self.last(x))


def network(width: int) -> Adapter:
    generator = Generator(width)
    seeded(generator, 2)
    settle(generator, generator.last)
    generator.last.weight.data.mul_(2.0)
    return Adapter(Ranged(generator, -1.0, 1.0, clamp=False), size_multiple_px=4)


def factory(checkpoint: Path | None) -> Adapter:
    return network(WIDTH).taught(checkpoint)


def tiny(checkpoint: Path | None) -> Adapter:
    return network(4)
