"""White-box cartoon: a U-Net with LeakyReLU, and a guided filter over its result.

Wang and Yu 2020, "Learning to Cartoonize Using White-box Cartoon Representations" (CVPR); the
guided filter of He et al. 2013 as box filters, which are depthwise convolutions. Pictures in
[-1, 1]; strides pad at the right and bottom alone.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.zoo.adapter import Adapter, Ranged
from benchmarks.zoo.seeds import seeded, settle

WIDTH = 32
BLOCKS = 4


def leaky(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2)


def twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def strided(x: Tensor, conv: nn.Conv2d) -> Tensor:
    return conv(F.pad(x, (0, 1, 0, 1)))


class Residual(nn.Module):
    """x + convolution, LeakyReLU, convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, channels, 3, padding=1)
        self.two = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.two(leaky(self.one(x)))


class UNet(nn.Module):
    """forward(content [1, 3, H, W] in [-1, 1]) -> the same shape, about the same range."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.first = nn.Conv2d(3, w, 7, padding=3)
        self.down1, self.wide1 = nn.Conv2d(w, w, 3, 2), nn.Conv2d(w, 2 * w, 3, padding=1)
        self.down2 = nn.Conv2d(2 * w, 2 * w, 3, 2)
        self.wide2 = nn.Conv2d(2 * w, 4 * w, 3, padding=1)
        self.blocks = nn.Sequential(*(Residual(4 * w) for _ in range(BLOCKS)))
        self.up0 = nn.Conv2d(4 * w, 2 * w, 3, padding=1)
        self.up1 = nn.Conv2d(2 * w, 2 * w, 3, padding=1)
        self.narrow1 = nn.Conv2d(2 * w, w, 3, padding=1)
        self.up2 = nn.Conv2d(w, w, 3, padding=1)
        self.last = nn.Conv2d(w, 3, 7, padding=3)

    def forward(self, content: Tensor) -> Tensor:
        full = leaky(self.first(content))
        half = leaky(self.wide1(leaky(strided(full, self.down1))))
        quarter = leaky(self.wide2(leaky(strided(half, self.down2))))
        x = leaky(self.up0(self.blocks(quarter)))
        x = leaky(self.narrow1(leaky(self.up1(twice(x) + half))))
        x = leaky(self.up2(twice(x) + full))
        return self.last(x)


def box_filter(x: Tensor, radius: int) -> Tensor:
    """Mean over a square; zeros beyond the border count."""
    side, channels = 2 * radius + 1, x.shape[1]
    weight = torch.full((channels, 1, side, side), 1.0 / side**2)
    return F.conv2d(x, weight, padding=radius, groups=channels)


def guided_filter(guide: Tensor, x: Tensor, radius: int = 1, eps: float = 5e-3) -> Tensor:
    """`x` smoothed where the guide is smooth: locally an affine map of the guide."""
    count = box_filter(torch.ones_like(guide[:, :1]), radius)
    mean_guide = box_filter(guide, radius) / count
    mean_x = box_filter(x, radius) / count
    covariance = box_filter(guide * x, radius) / count - mean_guide * mean_x
    variance = box_filter(guide * guide, radius) / count - mean_guide * mean_guide
    scale = covariance / (variance + eps)
    shift = mean_x - scale * mean_guide
    return box_filter(scale, radius) / count * guide + box_filter(shift, radius) / count


class Cartoon(nn.Module):
    """forward(content [1, 3, H, W] in [-1, 1]) -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.unet = UNet(width)

    def forward(self, content: Tensor) -> Tensor:
        return guided_filter(content, self.unet(content))


def network(width: int) -> Adapter:
    cartoon = Cartoon(width)
    seeded(cartoon, 3)
    for block in cartoon.unet.blocks:
        block.two.weight.data.mul_(0.4)
    settle(cartoon, cartoon.unet.last)
    cartoon.unet.last.weight.data.mul_(2.0)
    return Adapter(Ranged(cartoon, -1.0, 1.0, clamp=True), size_multiple_px=4)


def factory(checkpoint: Path | None) -> Adapter:
    return network(WIDTH).taught(checkpoint)


def tiny(checkpoint: Path | None) -> Adapter:
    return network(4)
