"""Linear style transfer: a matrix from covariances of content and style, applied to features.

Li et al. 2019, "Learning Linear Transformations for Fast Image and Video Style Transfer" (CVPR),
arXiv:1808.04537, between relu3_1 and its decoder. The style's matrix and mean are its code.
"""

from __future__ import annotations

from pathlib import Path

import torch
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
from benchmarks.zoo.seeds import drawn_pictures, seeded, settle

LEVEL = 3
MATRIX = 32


class Covariance(nn.Module):
    """Centered features [N, C, H, W] -> a matrix [N, M, M]: three convolutions, x x^T, a layer."""

    def __init__(self, channels: int, matrix: int) -> None:
        super().__init__()
        self.matrix = matrix
        self.convs = nn.Sequential(
            nn.Conv2d(channels, channels // 2, 3, 1, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // 2, channels // 2, 3, 1, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // 2, matrix, 3, 1, 1),
        )
        self.fc = nn.Linear(matrix * matrix, matrix * matrix)

    def forward(self, x: Tensor) -> Tensor:
        out = self.convs(x)
        b, c, h, w = out.size()
        out = out.view(b, c, -1)
        out = torch.bmm(out, out.transpose(1, 2)).div(h * w)
        return self.fc(out.view(b, -1)).view(b, self.matrix, self.matrix)


def channel_means(x: Tensor) -> Tensor:
    b, c = x.size()[:2]
    return x.view(b, c, -1).mean(dim=2, keepdim=True).unsqueeze(3)


class Transfer(nn.Module):
    """forward(content [1, 3, H, W], matrix [1, M, M], mean [1, C, 1, 1]) -> a picture."""

    def __init__(self, encoder: Encoder, decoder: Decoder, channels: int, matrix: int) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.covariance = Covariance(channels, matrix)
        self.compress = nn.Conv2d(channels, matrix, 1)
        self.unzip = nn.Conv2d(matrix, channels, 1)

    def forward(self, content: Tensor, style_matrix: Tensor, style_mean: Tensor) -> Tensor:
        features = self.encoder(content)[-1]
        centered = features - channel_means(features).expand_as(features)
        compressed = self.compress(centered)
        b, c, h, w = compressed.size()
        matrix = torch.bmm(style_matrix, self.covariance(centered))
        moved = torch.bmm(matrix, compressed.view(b, c, -1)).view(b, c, h, w)
        out = self.unzip(moved)
        return self.decoder(out + style_mean.expand_as(out))


class StyleMatrix(nn.Module):
    """style [1, 3, H, W] -> its matrix [1, M, M] and the mean of its features [1, C, 1, 1]."""

    def __init__(self, encoder: Encoder, channels: int, matrix: int) -> None:
        super().__init__()
        self.encoder, self.covariance = encoder, Covariance(channels, matrix)

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        features = self.encoder(style)[-1]
        mean = channel_means(features)
        return self.covariance(features - mean.expand_as(features)), mean


def network(width: int, matrix: int, checkpoint: Path | None = None) -> Adapter:
    encoder, decoder = Encoder(width, LEVEL), Decoder(width, LEVEL)
    wide = channels(LEVEL, width)
    transfer = Transfer(encoder, decoder, wide, matrix)
    styles = StyleMatrix(encoder, wide, matrix)
    seeded(transfer, 11)
    seeded(styles.covariance, 12)
    with torch.no_grad():  # a matrix near 1, as training finds it first: then features pass through
        for part in (transfer.covariance, styles.covariance):
            part.fc.weight.mul_(0.02)
            part.fc.bias.copy_(torch.eye(matrix).flatten())
        basis, _ = torch.linalg.qr(transfer.compress.weight[:, :, 0, 0].T)
        transfer.compress.weight.copy_(basis.T[:, :, None, None])
        transfer.unzip.weight.copy_(basis[:, :, None, None])
    if checkpoint is not None:
        load_encoder(encoder, checkpoint)
        load_decoder(decoder, decoder_beside(checkpoint))
    else:
        settle(_Styled(transfer, styles), decoder.conv11, 0.5)
    codes = {"style_matrix": (1, matrix, matrix), "style_mean": (1, wide, 1, 1)}
    return Adapter(Ranged(transfer, 0.0, 1.0, clamp=True), 4, codes, styles)


class _Styled(nn.Module):
    """The transfer with a drawn picture as its style."""

    def __init__(self, transfer: Transfer, styles: StyleMatrix) -> None:
        super().__init__()
        self.transfer, self.styles = transfer, styles

    def forward(self, content: Tensor) -> Tensor:
        return self.transfer(content, *self.styles(drawn_pictures()))


def factory(checkpoint: Path | None) -> Adapter:
    """Distilled VGG weights where 3SE.pt is given (3SD.pt beside it); the matrices from a seed."""
    if checkpoint is not None and checkpoint.suffix == ".safetensors":
        return network(DISTILLED_WIDTH, MATRIX).taught(checkpoint)
    return network(DISTILLED_WIDTH, MATRIX, checkpoint)


def tiny(checkpoint: Path | None) -> Adapter:
    return network(4, 8)
