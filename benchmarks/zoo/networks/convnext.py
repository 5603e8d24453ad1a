"""A transfer network of ConvNeXt blocks: channels last inside, linear layers over positions, GELU.

Liu et al. 2022, "A ConvNet for the 2020s", arXiv:2201.03545. A patch stem of stride 4, depthwise
7x7, layer normalization over channels, layer scale; the style scales and shifts between two stages;
pixel shuffle (Shi et al. 2016) at the end.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.zoo.adapter import Adapter, Ranged
from benchmarks.zoo.seeds import seeded, settle

WIDTH = 64
PATCH = 4


class ChannelNorm(nn.Module):
    """Layer normalization over the channels of [N, C, H, W]."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight, self.bias = (
            nn.Parameter(torch.ones(channels)),
            nn.Parameter(torch.zeros(channels)),
        )
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + self.eps)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class Block(nn.Module):
    """x + scale * (depthwise 7x7, normalization, two linear layers with GELU between)."""

    def __init__(self, channels: int, scale: float = 0.3) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.widen, self.act = nn.Linear(channels, 4 * channels), nn.GELU()
        self.narrow = nn.Linear(4 * channels, channels)
        self.gamma = nn.Parameter(scale * torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(x).permute(0, 2, 3, 1)
        y = self.gamma * self.narrow(self.act(self.widen(self.norm(y))))
        return x + y.permute(0, 3, 1, 2)


class Transfer(nn.Module):
    """forward(content [1, 3, H, W] in [-1, 1], gain, shift [1, C, 1, 1]) -> about the same."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, PATCH, PATCH), ChannelNorm(width))
        self.first = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.second = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.norm = ChannelNorm(width)
        self.last = nn.Conv2d(width, 3 * PATCH**2, 3, padding=1)

    def forward(self, content: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
        x = self.first(self.stem(content))
        x = self.second(x * gain + shift)
        return F.pixel_shuffle(self.last(self.norm(x)), PATCH)


class StyleEncoder(nn.Module):
    """style [1, 3, H, W] in [0, 1] -> gain, shift [1, C, 1, 1]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, PATCH, PATCH), ChannelNorm(width))
        self.block = Block(width)

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        x = self.block(self.stem(style * 2.0 - 1.0))
        return 0.5 + x.std((2, 3), keepdim=True), x.mean((2, 3), keepdim=True)


def network(width: int, blocks: int) -> Adapter:
    transfer, styles = Transfer(width, blocks), StyleEncoder(width)
    seeded(transfer, 19)
    seeded(styles, 20)
    settle(_Plain(transfer), transfer.last)
    transfer.last.weight.data.mul_(2.0)
    shape = (1, width, 1, 1)
    ranged = Ranged(transfer, -1.0, 1.0, clamp=True)
    return Adapter(ranged, PATCH, {"gain": shape, "shift": shape}, styles)


class _Plain(nn.Module):
    """The transfer without a style."""

    def __init__(self, transfer: nn.Module) -> None:
        super().__init__()
        self.transfer = transfer

    def forward(self, content: Tensor) -> Tensor:
        return self.transfer(content * 2.0 - 1.0, torch.ones(()), torch.zeros(()))


def factory(checkpoint: Path | None) -> Adapter:
    return network(WIDTH, 3).taught(checkpoint)


def tiny(checkpoint: Path | None) -> Adapter:
    return network(8, 1)
