"""AdaIN with a VGG encoder and its mirrored decoder; a style is mean and deviation of features.

Huang and Belongie 2017, arXiv:1703.06868. `strength` mixes the content's own features back in.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from benchmarks.zoo.adapter import Adapter, Ranged
from benchmarks.zoo.networks.vgg import (
    DISTILLED_WIDTH,
    Decoder,
    Encoder,
    channels,
    decoder_beside,
    load_decoder,
    load_encoder,
)
from benchmarks.zoo.seeds import seeded, settle

LEVEL = 4


def mean_and_deviation(features: Tensor, eps: float = 1e-5) -> tuple[Tensor, Tensor]:
    """Per channel, each [N, C, 1, 1]."""
    n, c = features.size()[:2]
    variance = features.view(n, c, -1).var(dim=2) + eps
    return features.view(n, c, -1).mean(dim=2).view(n, c, 1, 1), variance.sqrt().view(n, c, 1, 1)


def adaptive_instance_normalization(content: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Content features with the style's mean and deviation."""
    size = content.size()
    own_mean, own_std = mean_and_deviation(content)
    normalized = (content - own_mean.expand(size)) / own_std.expand(size)
    return normalized * std.expand(size) + mean.expand(size)


class Transfer(nn.Module):
    """forward(content [1, 3, H, W], mean, std [1, C, 1, 1], strength [1, 1]) -> a picture."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, content: Tensor, mean: Tensor, std: Tensor, strength: Tensor) -> Tensor:
        features = self.encoder(content)[-1]
        styled = adaptive_instance_normalization(features, mean, std)
        return self.decoder(strength * styled + (1 - strength) * features)


class StyleStatistics(nn.Module):
    """style [1, 3, H, W] -> mean, std [1, C, 1, 1]."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        return mean_and_deviation(self.encoder(style)[-1])


class AdaIN(Adapter):
    """The adapter with a strength, which is the user's."""

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return (*self.style_encoder(style), style.new_ones(1, 1))


def network(width: int, checkpoint: Path | None = None, mode: str = "nearest") -> AdaIN:
    encoder, decoder = Encoder(width, LEVEL).eval(), Decoder(width, LEVEL, mode).eval()
    if checkpoint is not None:
        load_encoder(encoder, checkpoint)
        load_decoder(decoder, decoder_beside(checkpoint))
    else:
        seeded(encoder, 4)
        seeded(decoder, 5)
        settle(nn.Sequential(encoder, _Last(), decoder), decoder.conv11, 0.5)
    shape = (1, channels(LEVEL, width), 1, 1)
    codes = {"mean": shape, "std": shape, "strength": (1, 1)}
    transfer = Ranged(Transfer(encoder, decoder), 0.0, 1.0, clamp=True)
    return AdaIN(transfer, 8, codes, StyleStatistics(encoder))


class _Last(nn.Module):
    def forward(self, features: list[Tensor]) -> Tensor:
        return features[-1]


def factory(checkpoint: Path | None) -> AdaIN:
    """Distilled weights where 4SE.pt is given (4SD.pt beside it), else a seed."""
    return network(DISTILLED_WIDTH, checkpoint)


def bilinear(checkpoint: Path | None) -> AdaIN:
    """As `factory`, doubled bilinearly, as later decoders do."""
    return network(DISTILLED_WIDTH, checkpoint, "bilinear")


def tiny(checkpoint: Path | None) -> AdaIN:
    return network(4)
