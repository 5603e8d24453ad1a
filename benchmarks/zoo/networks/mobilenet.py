"""A transfer network of MobileNetV3's blocks, AdaIN between its halves.

Howard et al. 2019, "Searching for MobileNetV3", arXiv:1905.02244: inverted residuals with depthwise
3x3 or 5x5, squeeze-and-excite, h-swish, batch normalization. The decoder is separable, with nearest
upsampling; a style is mean and deviation of the encoder's features.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.zoo.adapter import Adapter
from benchmarks.zoo.seeds import drawn_pictures, seeded, settle

WIDTH = 16


def normalized(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    """Convolution with zero padding, batch normalization."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class SqueezeExcite(nn.Module):
    """Channels scaled by what their means say."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(channels // 4, 4)
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, narrow, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(narrow, channels, 1),
            nn.Hardsigmoid(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale(x)


class InvertedResidual(nn.Module):
    """Widen, depthwise, squeeze-and-excite where asked, narrow; added where shapes agree."""

    def __init__(
        self, inputs: int, wide: int, outputs: int, kernel: int, stride: int, excite: bool
    ) -> None:
        super().__init__()
        self.skips = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            *normalized(inputs, wide, 1),
            nn.Hardswish(inplace=True),
            *normalized(wide, wide, kernel, stride, groups=wide),
            nn.Hardswish(inplace=True),
            *([SqueezeExcite(wide)] if excite else []),
            *normalized(wide, outputs, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.skips else self.body(x)


def separable(inputs: int, outputs: int) -> nn.Sequential:
    """Nearest upsampling, depthwise 3x3, 1x1, h-swish."""
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        *normalized(inputs, inputs, 3, groups=inputs),
        *normalized(inputs, outputs, 1),
        nn.Hardswish(inplace=True),
    )


def statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    variance, mean = torch.var_mean(x, dim=(2, 3), keepdim=True, unbiased=False)
    return mean, torch.sqrt(variance + 1e-5)


class Transfer(nn.Module):
    """forward(content [1, 3, H, W] in [0, 1], mean, std [1, C, 1, 1]) -> the same."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.encoder = nn.Sequential(
            *normalized(3, w, 3, 2),
            nn.Hardswish(inplace=True),
            InvertedResidual(w, w, w, 3, 1, True),
            InvertedResidual(w, 4 * w, 3 * w // 2, 3, 2, False),
            InvertedResidual(3 * w // 2, 6 * w, 3 * w // 2, 3, 1, False),
            InvertedResidual(3 * w // 2, 6 * w, 3 * w, 5, 2, True),
            InvertedResidual(3 * w, 8 * w, 3 * w, 5, 1, True),
        )
        self.decoder = nn.Sequential(
            InvertedResidual(3 * w, 8 * w, 3 * w, 5, 1, True),
            separable(3 * w, 3 * w // 2),
            separable(3 * w // 2, w),
            separable(w, w),
        )
        self.last = nn.Conv2d(w, 3, 3, 1, 1)

    def forward(self, content: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        x = F.instance_norm(self.encoder(content * 2.0 - 1.0)) * std + mean
        return torch.sigmoid(self.last(self.decoder(x)))


class StyleStatistics(nn.Module):
    """style [1, 3, H, W] in [0, 1] -> mean, std [1, C, 1, 1] of the encoder's features."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        return statistics(self.encoder(style * 2.0 - 1.0))


def network(width: int) -> Adapter:
    transfer = Transfer(width)
    seeded(transfer, 17)
    shape = (1, 3 * width, 1, 1)
    settle(_Styled(transfer), transfer.last)
    transfer.last.weight.data.mul_(4.0)  # the sigmoid's slope is 1/4
    return Adapter(
        transfer, 8, {"mean": shape, "std": shape}, StyleStatistics(transfer.encoder).eval()
    )


class _Styled(nn.Module):
    """The transfer with a drawn picture as its style."""

    def __init__(self, transfer: Transfer) -> None:
        super().__init__()
        self.transfer = transfer

    def forward(self, content: Tensor) -> Tensor:
        codes = statistics(self.transfer.encoder(drawn_pictures() * 2.0 - 1.0))
        return self.transfer(content, *codes)


def factory(checkpoint: Path | None) -> Adapter:
    return network(WIDTH).taught(checkpoint)


def tiny(checkpoint: Path | None) -> Adapter:
    return network(4)
