"""SANet: content features attend to style features at two levels, then a VGG decoder.

Park and Lee 2019, "Arbitrary Style Transfer with Style-Attentional Networks", arXiv:1812.02342.
A style is its features at relu4_1 and relu5_1, of a picture of one size.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.zoo.adapter import Adapter, Ranged
from benchmarks.zoo.networks.vgg import (
    DISTILLED_WIDTH,
    Decoder,
    Encoder,
    channels,
    load_decoder,
    load_encoder,
)
from benchmarks.zoo.seeds import seeded, settle


def normalized(features: Tensor, eps: float = 1e-5) -> Tensor:
    """Each channel with mean 0 and deviation 1."""
    n, c, h, w = features.shape
    flat = features.view(n, c, h * w)
    mean = flat.mean(dim=2).view(n, c, 1, 1).expand(n, c, h, w)
    std = (flat.var(dim=2) + eps).sqrt().view(n, c, 1, 1).expand(n, c, h, w)
    return (features - mean) / std


class Attention(nn.Module):
    """content, style [N, C, H, W] -> content + what it looks at in the style."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.f, self.g = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.h, self.out = nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        query, key, value = self.f(normalized(content)), self.g(normalized(style)), self.h(style)
        n, c, h, w = query.size()
        query = query.view(n, -1, h * w).permute(0, 2, 1)
        key = key.view(n, -1, key.size(2) * key.size(3))
        value = value.view(n, -1, value.size(2) * value.size(3))
        scores = self.softmax(torch.bmm(query, key))
        seen = torch.bmm(value, scores.permute(0, 2, 1)).view(n, c, h, w)
        return content + self.out(seen)


class Transfer(nn.Module):
    """forward(content [1, 3, H, W], features of the style at relu4_1 and relu5_1) -> a picture."""

    def __init__(self, encoder: Encoder, decoder: Decoder, width: int) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.fourth, self.fifth = Attention(width), Attention(width)
        self.twice = nn.Upsample(scale_factor=2, mode="nearest")
        self.pad, self.merge = nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3)

    def forward(self, content: Tensor, style4: Tensor, style5: Tensor) -> Tensor:
        features = self.encoder(content)
        fourth = self.fourth(features[3], style4)
        fifth = self.twice(self.fifth(features[4], style5))
        return self.decoder(self.merge(self.pad(fourth + fifth)))


class StyleFeatures(nn.Module):
    """style [1, 3, H, W] -> features of relu4_1 and relu5_1 at one size."""

    def __init__(self, encoder: Encoder, side_px: int) -> None:
        super().__init__()
        self.encoder, self.side_px = encoder, side_px

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        sized = F.interpolate(
            style, size=(self.side_px, self.side_px), mode="bilinear", align_corners=False
        )
        return tuple(self.encoder(sized)[3:])


def network(width: int, style_side_px: int, checkpoint: Path | None = None) -> Adapter:
    encoder, decoder = Encoder(width, 5), Decoder(width, 4)
    wide = channels(5, width)
    transfer = Transfer(encoder, decoder, wide)
    seeded(transfer, 6)
    for attention in (transfer.fourth, transfer.fifth):
        attention.f.weight.data.mul_(wide**-0.5)
        attention.out.weight.data.mul_(0.3)
    with torch.no_grad():
        transfer.merge.weight.mul_(0.1)
        transfer.merge.weight[:, :, 1, 1] += torch.eye(wide)
    if checkpoint is not None:
        load_encoder(encoder, checkpoint)
        load_decoder(decoder, checkpoint.with_name("4SD.pt"))
    styles = StyleFeatures(encoder, style_side_px)
    codes = styles(torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(7)))
    if checkpoint is None:
        settle(_Styled(transfer, codes), decoder.conv11, 0.5)
    sides = style_side_px // 8, style_side_px // 16
    names = {f"style{4 + i}": (1, wide, side, side) for i, side in enumerate(sides)}
    return Adapter(Ranged(transfer, 0.0, 1.0, clamp=True), 16, names, styles)


class _Styled(nn.Module):
    """The transfer with codes of one style."""

    def __init__(self, transfer: nn.Module, codes: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.transfer, self.codes = transfer, codes

    def forward(self, content: Tensor) -> Tensor:
        return torch.cat([self.transfer(one, *self.codes) for one in content.split(1)])


def factory(checkpoint: Path | None) -> Adapter:
    """Distilled VGG weights where 5SE.pt is given (4SD.pt beside it); attention from a seed."""
    if checkpoint is not None and checkpoint.suffix == ".safetensors":
        return network(DISTILLED_WIDTH, 128).taught(checkpoint)
    return network(DISTILLED_WIDTH, 128, checkpoint)


def tiny(checkpoint: Path | None) -> Adapter:
    return network(2, 64)
