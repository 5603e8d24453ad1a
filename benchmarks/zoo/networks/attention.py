"""Transformer layers between patches of content and style, and a convolutional decoder.

Deng et al. 2022, "StyTr2: Image Style Transfer with Transformers", arXiv:2105.14576, without its
positional encoding: patches of 8 px, self-attention of the content, cross-attention to the style's
patches by `nn.MultiheadAttention` (Vaswani et al. 2017), normalization behind each sum.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.zoo.adapter import Adapter, Ranged
from benchmarks.zoo.seeds import drawn_pictures, seeded, settle

WIDTH = 128
PATCH = 8


class Feedforward(nn.Module):
    """x + two linear layers, normalized."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.two(F.relu(self.one(x))))


class SelfLayer(nn.Module):
    """Patches look at each other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm, self.feedforward = nn.LayerNorm(width), Feedforward(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x + self.attention(x, x, x, need_weights=False)[0])
        return self.feedforward(x)


class CrossLayer(nn.Module):
    """Patches of the content look at the style's."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm, self.feedforward = nn.LayerNorm(width), Feedforward(width)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = self.norm(x + self.attention(x, style, style, need_weights=False)[0])
        return self.feedforward(x)


class Decoder(nn.Module):
    """[1, C, H / 8, W / 8] -> a picture: three times nearest upsampling."""

    def __init__(self, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(3):
            c = width // 2**i
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(c, c // 2, 3), nn.ReLU()]
            layers += [nn.Upsample(scale_factor=2, mode="nearest")]
        self.body = nn.Sequential(*layers)
        self.pad, self.last = nn.ReflectionPad2d(1), nn.Conv2d(width // 8, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.pad(self.body(x)))


class Transfer(nn.Module):
    """forward(content [1, 3, H, W] in [0, 1], tokens [1, N, C] of the style) -> about the same."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, width, PATCH, PATCH)
        self.own = nn.ModuleList([SelfLayer(width, heads) for _ in range(layers)])
        self.cross = nn.ModuleList([CrossLayer(width, heads) for _ in range(layers)])
        self.decoder = Decoder(width)

    def forward(self, content: Tensor, tokens: Tensor) -> Tensor:
        patches = self.embed(content)
        n, c, h, w = patches.shape
        x = patches.flatten(2).permute(0, 2, 1)
        for layer in self.own:
            x = layer(x)
        for layer in self.cross:
            x = layer(x, tokens)
        return self.decoder(x.permute(0, 2, 1).reshape(n, c, h, w))


class StyleTokens(nn.Module):
    """style [1, 3, H, W] in [0, 1] -> tokens [1, N, C] of one size."""

    def __init__(self, width: int, heads: int, side_px: int) -> None:
        super().__init__()
        self.side_px, self.embed = side_px, nn.Conv2d(3, width, PATCH, PATCH)
        self.layer = SelfLayer(width, heads)

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        size = (self.side_px, self.side_px)
        sized = F.interpolate(style, size=size, mode="bilinear", align_corners=False)
        return (self.layer(self.embed(sized).flatten(2).permute(0, 2, 1)),)


def network(width: int, heads: int, layers: int, style_side_px: int) -> Adapter:
    transfer = Transfer(width, heads, layers)
    styles = StyleTokens(width, heads, style_side_px)
    for part, seed in ((transfer, 23), (styles, 24)):
        generator = torch.Generator().manual_seed(seed + 100)
        seeded(part, seed)
        for attention in (m for m in part.modules() if isinstance(m, nn.MultiheadAttention)):
            weight = attention.in_proj_weight.data
            weight.copy_(torch.randn(weight.shape, generator=generator) * width**-0.5)
    tokens = styles(drawn_pictures()[:1])[0].detach()
    settle(_Styled(transfer, tokens), transfer.decoder.last, 0.5)
    ranged = Ranged(transfer, 0.0, 1.0, clamp=True)
    return Adapter(ranged, PATCH, {"tokens": tuple(tokens.shape)}, styles)


class _Styled(nn.Module):
    """The transfer with one style."""

    def __init__(self, transfer: nn.Module, tokens: Tensor) -> None:
        super().__init__()
        self.transfer, self.tokens = transfer, tokens

    def forward(self, content: Tensor) -> Tensor:
        return self.transfer(content, self.tokens.expand(len(content), -1, -1))


def factory(checkpoint: Path | None) -> Adapter:
    return network(WIDTH, 4, 2, 128).taught(checkpoint)


def tiny(checkpoint: Path | None) -> Adapter:
    return network(8, 2, 1, 32)
