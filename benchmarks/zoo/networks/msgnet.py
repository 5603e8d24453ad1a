"""MSG-Net: features matched to a style's Gram matrix by a learned layer, one matrix per style.

Zhang and Dana 2017, "Multi-style Generative Network for Real-time Transfer", arXiv:1703.06953.
Bottleneck blocks with normalization first, upsampling inside of blocks, pictures in [0, 255].
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.zoo.adapter import Adapter, Ranged
from benchmarks.zoo.seeds import drawn_pictures, seeded, settle

WIDTH = 128
BLOCKS = 6
EXPANSION = 4


class Padded(nn.Module):
    """Nearest upsampling where asked, reflection pad, convolution."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, up: int = 1) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=up) if up > 1 else None
        self.pad = nn.ReflectionPad2d(kernel // 2) if kernel > 1 else None
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        x = self.up(x) if self.up is not None else x
        x = self.pad(x) if self.pad is not None else x
        return self.conv(x)


def before(inputs: int) -> tuple[nn.Module, nn.Module]:
    return nn.InstanceNorm2d(inputs), nn.ReLU()


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1, each behind normalization and ReLU; a 1x1 on the way around where needed."""

    def __init__(self, inputs: int, width: int, stride: int = 1, up: int = 1) -> None:
        super().__init__()
        outputs, self.same = width * EXPANSION, stride == 1 and up == 1
        self.around = None if self.same else Padded(inputs, outputs, 1, stride, up)
        self.body = nn.Sequential(
            *before(inputs),
            nn.Conv2d(inputs, width, 1),
            *before(width),
            Padded(width, width, 3, stride, up),
            *before(width),
            nn.Conv2d(width, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.around is None else self.around(x)
        return around + self.body(x)


def gram_matrix(features: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, C, C]."""
    n, c, h, w = features.size()
    flat = features.view(n, c, h * w)
    return flat.bmm(flat.transpose(1, 2)) / (c * h * w)


class CoMatch(nn.Module):
    """Features times a learned matrix times the style's Gram matrix."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, channels, channels))

    def forward(self, x: Tensor, gram: Tensor) -> Tensor:
        n, c, h, w = x.size()
        matrix = torch.bmm(self.weight.expand_as(gram), gram)
        return torch.bmm(matrix.transpose(1, 2).expand(n, c, c), x.view(n, c, -1)).view(n, c, h, w)


class Transfer(nn.Module):
    """forward(content [1, 3, H, W] in [0, 255], gram [1, C, C]) -> the same."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        quarter, wide = width // 4, width * EXPANSION
        self.descriptive = nn.Sequential(
            Padded(3, width // 2, 7, 1),
            *before(width // 2),
            Bottleneck(width // 2, quarter, 2),
            Bottleneck(quarter * EXPANSION, width, 2),
        )
        self.match = CoMatch(wide)
        self.generative = nn.Sequential(
            *(Bottleneck(wide, width) for _ in range(blocks)),
            Bottleneck(wide, quarter, up=2),
            Bottleneck(quarter * EXPANSION, quarter // 2, up=2),
            *before(quarter // 2 * EXPANSION),
            Padded(quarter // 2 * EXPANSION, 3, 7, 1),
        )

    def forward(self, content: Tensor, gram: Tensor) -> Tensor:
        return self.generative(self.match(self.descriptive(content), gram))


class StyleGram(nn.Module):
    """style [1, 3, H, W] in [0, 1] -> its Gram matrix [1, C, C], by the transfer's first half."""

    def __init__(self, descriptive: nn.Module) -> None:
        super().__init__()
        self.descriptive = descriptive

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        return (gram_matrix(self.descriptive(style * 255.0)),)


def network(width: int, blocks: int) -> Adapter:
    transfer = Transfer(width, blocks)
    seeded(transfer, 9)
    wide, styles = width * EXPANSION, StyleGram(transfer.descriptive)
    generator = torch.Generator().manual_seed(10)
    noise = torch.randn(1, wide, wide, generator=generator) * 0.1 * wide**-0.5
    gram = styles(drawn_pictures()[:1])[0]
    transfer.match.weight.data.copy_(
        (torch.eye(wide) + noise) / gram.diagonal(dim1=1, dim2=2).mean()
    )
    last = transfer.generative[-1].conv
    settle(_Styled(transfer, gram), last)
    last.weight.data.mul_(255.0)
    last.bias.data.mul_(255.0).add_(127.0)
    ranged = Ranged(transfer, 0.0, 255.0, clamp=True)
    return Adapter(ranged, 4, {"gram": (1, wide, wide)}, styles)


class _Styled(nn.Module):
    """The transfer with the code of one style, for pictures in [0, 1]."""

    def __init__(self, transfer: nn.Module, gram: Tensor) -> None:
        super().__init__()
        self.transfer, self.gram = transfer, gram

    def forward(self, content: Tensor) -> Tensor:
        return torch.cat([self.transfer(one * 255.0, self.gram) for one in content.split(1)])


def factory(checkpoint: Path | None) -> Adapter:
    return network(WIDTH, BLOCKS).taught(checkpoint)


def tiny(checkpoint: Path | None) -> Adapter:
    return network(8, 1)
