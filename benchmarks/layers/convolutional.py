"""Tiny networks of layers that convolutional ones have: pools, norms, strides, kernels, edges.

Written for this, after no one's code; what is in each says `catalog`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution whose result is as large as its input over the stride."""
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)


class Hourglass(nn.Module):
    """Maxima over edges on the way down, transposed convolutions on the way up."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = conv(3, 16), conv(16, 32), conv(32, 32)
        self.batch = nn.BatchNorm2d(16)
        self.instance = nn.InstanceNorm2d(32, affine=True, track_running_stats=True)
        self.up = nn.ConvTranspose2d(32, 32, 2, 2)
        self.further = nn.ConvTranspose2d(64, 16, 4, 2, 1)
        self.last = conv(32, 3)

    def forward(self, content: Tensor) -> Tensor:
        near = F.relu(self.batch(self.one(content)), inplace=True)
        half = F.relu6(self.instance(self.two(F.max_pool2d(near, 2))))
        far = F.hardswish(self.three(F.max_pool2d(half, 3, 2, 1)))
        up = self.further(torch.cat([self.up(far), half], 1))
        return torch.sigmoid(self.last(torch.cat([up, near], 1)))


class Dense(nn.Module):
    """Pixels taken apart, layers that read all before them, a residual to the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.enlarged, self.last = conv(12, 16), conv(16, 16), conv(16, 3)
        self.grown = nn.ModuleList([conv(16, 8), conv(24, 8), conv(32, 16)])

    def forward(self, content: Tensor) -> Tensor:
        first = self.first(F.pixel_unshuffle(content, 2))
        parts = [first]
        for layer in self.grown:
            parts.append(F.leaky_relu(layer(torch.cat(parts, 1)), 0.2))
        x = self.enlarged(first + parts[-1] * 0.2)
        x = self.last(F.interpolate(x, scale_factor=2, mode="nearest"))
        return (content + 0.3 * torch.tanh(x)).clamp(0.0, 1.0)


class Gated(nn.Module):
    """Normalized over channels, halves that multiply each other, one weight for each channel."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = conv(3, 16), conv(16, 3)
        self.gain, self.offset = (nn.Parameter(torch.full((1, 16, 1, 1), v)) for v in (1.0, 0.1))
        self.wide, self.back = nn.Conv2d(16, 32, 1), nn.Conv2d(16, 16, 1)
        self.deep = nn.Conv2d(32, 32, 3, 1, 1, groups=32)
        self.weigh = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 16, 1))

    def forward(self, content: Tensor) -> Tensor:
        x = self.first(content)
        own = x - x.mean(1, keepdim=True)
        own = own / torch.sqrt(own.pow(2).mean(1, keepdim=True) + 1e-6) * self.gain + self.offset
        one, other = self.deep(self.wide(own)).chunk(2, dim=1)
        y = one * other
        return (content + 0.3 * self.last(x + self.back(y * self.weigh(y)))).clamp(0.0, 1.0)


class Inverted(nn.Module):
    """Patches, large depthwise kernels, a layer norm, a response norm, folded weight norms."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.deep = nn.Conv2d(3, 24, 4, 4), nn.Conv2d(24, 24, 7, padding=3, groups=24)
        self.norm, self.wide, self.back = nn.LayerNorm(24), nn.Linear(24, 48), nn.Linear(48, 24)
        self.gain, self.drop = nn.Parameter(torch.rand(48)), nn.Dropout(0.3)
        self.head = nn.utils.parametrizations.weight_norm(nn.Conv2d(24, 48, 1))

    def forward(self, content: Tensor) -> Tensor:
        x = self.stem(content)
        y = F.gelu(self.wide(self.norm(self.deep(x).permute(0, 2, 3, 1))), approximate="tanh")
        lengths = torch.linalg.vector_norm(y, dim=(1, 2), keepdim=True)
        y = y + self.gain * y * (lengths / (lengths.mean(-1, keepdim=True) + 1e-6))
        x = x + self.drop(self.back(y)).permute(0, 3, 1, 2)
        return F.hardtanh(F.pixel_shuffle(self.head(x), 4) * 0.3 + content, 0.0, 1.0)


class Wavelet(nn.Module):
    """Haar's filters there and back, edges mirrored and wound around."""

    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        low, high = torch.ones(2, 2) / 2, torch.tensor([[1.0, -1.0], [1.0, -1.0]]) / 2
        corner = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]) / 2
        both = torch.stack([low, high, high.T, corner])[:, None]
        self.register_buffer("filters", both.repeat(16, 1, 1, 1))
        self.first = nn.Conv2d(3, 16, 3, padding=1, padding_mode="reflect")
        self.inner = nn.Conv2d(64, 64, 3, padding=1, groups=4)
        self.last = nn.Conv2d(16, 3, 3, padding=1, padding_mode="circular")

    def forward(self, content: Tensor) -> Tensor:
        x = F.conv2d(F.relu(self.first(content)), self.filters, stride=2, groups=16)
        x = x + F.elu(self.inner(x))
        return torch.sigmoid(self.last(F.conv_transpose2d(x, self.filters, stride=2, groups=16)))


class Shuffled(nn.Module):
    """Groups that swap channels, a transposed convolution of 3, bicubic enlarging, 9x9 at last."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 5, 4, 2, padding_mode="replicate")
        self.one, self.deep = (
            nn.Conv2d(16, 16, 1, groups=4),
            nn.Conv2d(16, 16, 3, 1, 1, groups=16),
        )
        self.up, self.last = nn.ConvTranspose2d(16, 16, 3, 2, 1, 1), nn.Conv2d(16, 3, 9)

    def forward(self, content: Tensor) -> Tensor:
        x = self.one(self.first(content))
        n, c, h, w = x.shape
        x = x.view(n, 4, c // 4, h, w).transpose(1, 2).reshape(n, c, h, w)
        x = F.selu(self.up(F.mish(self.deep(x))))
        x = F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)
        return torch.tanh(self.last(F.pad(x, (4, 4, 4, 4), mode="reflect"))) * 0.5 + 0.5


class Pyramid(nn.Module):
    """A blur of fixed weights, details beside it, a choice by brightness."""

    blur: Tensor

    def __init__(self) -> None:
        super().__init__()
        row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        self.register_buffer("blur", torch.outer(row, row).repeat(3, 1, 1, 1))
        self.first, self.slopes, self.last = conv(6, 16), nn.PReLU(16), conv(16, 3)

    def forward(self, content: Tensor) -> Tensor:
        around = F.pad(content, (2, 2, 2, 2), mode="replicate")
        low = F.conv2d(around, self.blur, groups=3)[..., ::2, ::2]
        low = F.interpolate(low, size=content.shape[-2:], mode="bilinear", align_corners=False)
        x = self.last(self.slopes(self.first(torch.cat([low, content - low], 1))))
        weights = content.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
        bright = (content * weights).sum(1, keepdim=True) > 0.5
        return torch.where(bright, torch.sigmoid(x), torch.sigmoid(x * 0.7))


class Maxima(nn.Module):
    """Edges filled with infinity by the network itself, windows that overlap, a least value."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three, self.last = (
            conv(3, 16),
            conv(16, 16),
            conv(16, 16),
            conv(16, 12),
        )

    def forward(self, content: Tensor) -> Tensor:
        x = F.pad(F.relu(self.one(content)), (0, 1, 0, 1), value=float("-inf"))
        x = F.relu(self.two(F.max_pool2d(x, 3, 2)))
        x = self.three(F.max_pool2d(x, 3, 1, 1))
        x = F.max_pool2d(x, 3, 1, 1) - F.max_pool2d(-x, 5, 1, 2)
        return torch.sigmoid(F.pixel_shuffle(self.last(x), 2))


class Positions(nn.Module):
    """Rows and columns of kernels, holes in them, gates, lengths of one, coordinates beside."""

    def __init__(self) -> None:
        super().__init__()
        self.row = nn.Conv2d(3, 16, (1, 7), padding=(0, 3))
        self.column = nn.Conv2d(16, 16, (7, 1), padding="same")
        self.holes = nn.Conv2d(16, 32, 3, padding=2, dilation=2)
        self.last = nn.Conv2d(18, 3, 5, padding=2)

    def forward(self, content: Tensor) -> Tensor:
        h, w = content.shape[-2:]
        x = F.celu(self.column(self.row(content)))
        x = x * torch.rsqrt((x * x).mean(1, keepdim=True) + 1e-6) * 0.5
        x = F.glu(self.holes(x), dim=1)
        x = F.normalize(x, dim=1) + F.softsign(x) * torch.exp(-x.abs())
        down = torch.linspace(-1, 1, h).view(1, 1, h, 1).expand(1, 1, h, w)
        across = torch.linspace(-1, 1, w).view(1, 1, 1, w).expand(1, 1, h, w)
        return torch.sigmoid(self.last(torch.cat([x, down, across], 1)))


class Functions(nn.Module):
    """Extremes of the whole picture, steps, powers, logarithms, the error function."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = conv(3, 8), conv(8, 3)

    def forward(self, content: Tensor) -> Tensor:
        x = self.first(content)
        low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        x = (x - low) / (high - low + 1e-3)
        x = torch.floor(x * 4) / 4 * 0.2 + x
        x = torch.addcmul(x, x, x, value=0.1).clamp_min(0).pow(1.3)
        x = torch.log1p(x) + torch.erf(x) + x.square().mean(1, True).sqrt()
        return torch.sigmoid(self.last(x))


class Padded(nn.Module):
    """Pads the picture to a multiple of 4 by itself, and cuts it back."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.last = conv(3, 16, 3, 2), conv(16, 16, 3, 2), conv(16, 48)

    def forward(self, content: Tensor) -> Tensor:
        h, w = content.shape[-2:]
        x = F.pad(content, (0, (4 - w % 4) % 4, 0, (4 - h % 4) % 4), mode="replicate")
        x = F.pixel_shuffle(self.last(F.relu(self.two(F.relu(self.one(x))))), 4)
        return torch.sigmoid(x[:, :, :h, :w])


class Fourier(nn.Module):
    """Frequencies halved."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = conv(3, 8), conv(8, 3)

    def forward(self, content: Tensor) -> Tensor:
        x = self.first(content)
        return torch.sigmoid(self.last(torch.fft.irfft2(torch.fft.rfft2(x) * 0.5, s=x.shape[-2:])))


class Unpooled(nn.Module):
    """Maxima put back to where they were."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = conv(3, 8), conv(8, 3)

    def forward(self, content: Tensor) -> Tensor:
        largest, places = F.max_pool2d(self.first(content), 2, return_indices=True)
        return torch.sigmoid(self.last(F.max_unpool2d(largest, places, 2)))


class Dilated(nn.Module):
    """A maximum of windows with holes, another of windows cut short."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = conv(3, 16), conv(16, 16), conv(16, 12)

    def forward(self, content: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.first(content)), 3, 1, 1, dilation=2)
        x = F.max_pool2d(self.second(F.pad(x, (1, 1, 1, 1))), 3, 2, ceil_mode=True)
        return torch.sigmoid(F.pixel_shuffle(self.last(x), 2))
