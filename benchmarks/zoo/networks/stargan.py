"""StarGANv2-like: residual blocks with AdaIN by linear layers of a style vector.

Choi et al. 2020, "StarGAN v2: Diverse Image Synthesis for Multiple Domains", arXiv:1912.01865.
LeakyReLU 0.2, average pools down, nearest up, blocks scaled by 1 / sqrt(2), pictures in [-1, 1].
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.zoo.adapter import Adapter, Ranged
from benchmarks.zoo.seeds import drawn_pictures, seeded, settle

WIDTH = 32
STYLE = 64


class ResBlock(nn.Module):
    """Normalization, LeakyReLU, 3x3, twice; the first half at the larger size."""

    def __init__(self, inputs: int, outputs: int, normalize: bool, down: bool) -> None:
        super().__init__()
        self.down, self.normalize = down, normalize
        self.act = nn.LeakyReLU(0.2)
        self.conv1 = nn.Conv2d(inputs, inputs, 3, 1, 1)
        self.conv2 = nn.Conv2d(inputs, outputs, 3, 1, 1)
        if normalize:
            self.norm1 = nn.InstanceNorm2d(inputs, affine=True)
            self.norm2 = nn.InstanceNorm2d(inputs, affine=True)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else None

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.skip is None else self.skip(x)
        around = F.avg_pool2d(around, 2) if self.down else around
        x = self.conv1(self.act(self.norm1(x) if self.normalize else x))
        x = F.avg_pool2d(x, 2) if self.down else x
        x = self.conv2(self.act(self.norm2(x) if self.normalize else x))
        return (around + x) / math.sqrt(2)


class AdaIN(nn.Module):
    """Instance normalization with gain and offset by a linear layer of the style."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm2d(channels, affine=False)
        self.fc = nn.Linear(style, channels * 2)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        h = self.fc(style)
        h = h.view(h.size(0), h.size(1), 1, 1)
        gamma, beta = torch.chunk(h, chunks=2, dim=1)
        return (1 + gamma) * self.norm(x) + beta


class AdaINBlock(nn.Module):
    """AdaIN, LeakyReLU, 3x3, twice; the second half at the larger size."""

    def __init__(self, inputs: int, outputs: int, style: int, up: bool) -> None:
        super().__init__()
        self.up, self.act = up, nn.LeakyReLU(0.2)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 1, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.norm1, self.norm2 = AdaIN(style, inputs), AdaIN(style, outputs)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False) if inputs != outputs else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        around = F.interpolate(x, scale_factor=2, mode="nearest") if self.up else x
        around = around if self.skip is None else self.skip(around)
        x = self.act(self.norm1(x, style))
        x = F.interpolate(x, scale_factor=2, mode="nearest") if self.up else x
        x = self.conv2(self.act(self.norm2(self.conv1(x), style)))
        return (x + around) / math.sqrt(2)


class Generator(nn.Module):
    """forward(content [1, 3, H, W] in [-1, 1], style [1, S]) -> the same, about that range."""

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        w = width
        self.from_rgb = nn.Conv2d(3, w, 3, 1, 1)
        self.encode = nn.Sequential(
            ResBlock(w, 2 * w, True, True),
            ResBlock(2 * w, 4 * w, True, True),
            ResBlock(4 * w, 4 * w, True, True),
            ResBlock(4 * w, 4 * w, True, False),
        )
        self.decode = nn.ModuleList(
            [
                AdaINBlock(4 * w, 4 * w, style, False),
                AdaINBlock(4 * w, 4 * w, style, True),
                AdaINBlock(4 * w, 2 * w, style, True),
                AdaINBlock(2 * w, w, style, True),
            ]
        )
        self.to_rgb = nn.Sequential(
            nn.InstanceNorm2d(w, affine=True), nn.LeakyReLU(0.2), nn.Conv2d(w, 3, 1)
        )

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        x = self.encode(self.from_rgb(content))
        for block in self.decode:
            x = block(x, style)
        return self.to_rgb(x)


class StyleEncoder(nn.Module):
    """style [1, 3, 256, 256] in [0, 1] -> a vector [1, S]: blocks down to 4x4, one 4x4 kernel."""

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        blocks, inputs = [nn.Conv2d(3, width, 3, 1, 1)], width
        for _ in range(6):
            outputs = min(2 * inputs, 4 * width)
            blocks.append(ResBlock(inputs, outputs, False, True))
            inputs = outputs
        self.shared = nn.Sequential(
            *blocks, nn.LeakyReLU(0.2), nn.Conv2d(inputs, inputs, 4, 1, 0), nn.LeakyReLU(0.2)
        )
        self.unshared = nn.Linear(inputs, style)

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        h = self.shared(picture * 2.0 - 1.0)
        return (self.unshared(h.view(h.size(0), -1)),)


def network(width: int, style: int) -> Adapter:
    generator, styles = Generator(width, style), StyleEncoder(width, style)
    seeded(generator, 13)
    seeded(styles, 14)
    for block in generator.decode:
        for norm in (block.norm1, block.norm2):
            norm.fc.weight.data.mul_(0.5)
    with torch.no_grad():
        code = styles(drawn_pictures(256)[:1])[0]
        styles.unshared.weight.mul_(0.5 / code.std())
        settle(_Styled(generator, styles(drawn_pictures(256)[:1])[0]), generator.to_rgb[-1])
    generator.to_rgb[-1].weight.data.mul_(2.0)
    ranged = Ranged(generator, -1.0, 1.0, clamp=True)
    return Adapter(ranged, 8, {"style": (1, style)}, styles)


class _Styled(nn.Module):
    """The generator with one style."""

    def __init__(self, generator: nn.Module, code: Tensor) -> None:
        super().__init__()
        self.generator, self.code = generator, code

    def forward(self, content: Tensor) -> Tensor:
        return self.generator(content * 2.0 - 1.0, self.code)


def factory(checkpoint: Path | None) -> Adapter:
    return network(WIDTH, STYLE).taught(checkpoint)


def tiny(checkpoint: Path | None) -> Adapter:
    return network(4, 8)
