"""Conditional instance normalization, its gains predicted from an artwork by a small vector.

Dumoulin et al. 2017, "A Learned Representation for Artistic Style", arXiv:1610.07629; Ghiasi et
al. 2017, arXiv:1705.06830, for the vector of 100 numbers, from which linear layers make every gain
and offset. Mirror padding, nearest upsampling, a sigmoid at the end.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.zoo.adapter import Adapter
from benchmarks.zoo.seeds import drawn_pictures, seeded, settle

WIDTH = 32
BOTTLENECK = 100
BLOCKS = 5


class Conditional(nn.Module):
    """Normalization over the picture, gain and offset by linear layers of the style."""

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.gain = nn.Linear(bottleneck, channels)
        self.offset = nn.Linear(bottleneck, channels)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        mean = torch.mean(x, dim=(2, 3), keepdim=True)
        variance = torch.mean(torch.square(x - mean), dim=(2, 3), keepdim=True)
        normalized = (x - mean) * torch.rsqrt(variance + 1e-5)
        gain = self.gain(style).unsqueeze(-1).unsqueeze(-1)
        return normalized * gain + self.offset(style).unsqueeze(-1).unsqueeze(-1)


class Layer(nn.Module):
    """Upsampling where asked, mirror pad, convolution, conditional normalization, ReLU if asked."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        bottleneck: int,
        stride: int = 1,
        up: bool = False,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.half, self.up, self.relu = kernel // 2, up, relu
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride)
        self.norm = Conditional(outputs, bottleneck)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else x
        x = self.conv(F.pad(x, (self.half,) * 4, mode="reflect"))
        x = self.norm(x, style)
        return F.relu(x) if self.relu else x


class Residual(nn.Module):
    """x + two layers, the second without ReLU."""

    def __init__(self, channels: int, bottleneck: int) -> None:
        super().__init__()
        self.one = Layer(channels, channels, 3, bottleneck)
        self.two = Layer(channels, channels, 3, bottleneck, relu=False)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return x + self.two(self.one(x, style), style)


class Transfer(nn.Module):
    """forward(content [1, 3, H, W] in [0, 1], bottleneck [1, B]) -> the same."""

    def __init__(self, width: int, blocks: int, bottleneck: int) -> None:
        super().__init__()
        w, b = width, bottleneck
        self.layers = nn.ModuleList(
            [
                Layer(3, w, 9, b),
                Layer(w, 2 * w, 3, b, stride=2),
                Layer(2 * w, 4 * w, 3, b, stride=2),
                *(Residual(4 * w, b) for _ in range(blocks)),
                Layer(4 * w, 2 * w, 3, b, up=True),
                Layer(2 * w, w, 3, b, up=True),
            ]
        )
        self.last = nn.Conv2d(w, 3, 9)

    def forward(self, content: Tensor, bottleneck: Tensor) -> Tensor:
        x = content
        for layer in self.layers:
            x = layer(x, bottleneck)
        return torch.sigmoid(self.last(F.pad(x, (4, 4, 4, 4), mode="reflect")))


class Predictor(nn.Module):
    """style [1, 3, H, W] -> its vector [1, B]: strided separable layers, then the mean."""

    def __init__(self, width: int, bottleneck: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 2, 1), nn.ReLU6()]
        for i in range(3):
            c = width * 2**i
            layers += [nn.Conv2d(c, c, 3, 2, 1, groups=c), nn.ReLU6()]
            layers += [nn.Conv2d(c, 2 * c, 1), nn.ReLU6()]
        self.features = nn.Sequential(*layers)
        self.linear = nn.Linear(8 * width, bottleneck)

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        return (self.linear(self.features(style).mean(dim=(2, 3))),)


def network(width: int, blocks: int, bottleneck: int) -> Adapter:
    transfer, predictor = Transfer(width, blocks, bottleneck), Predictor(width, bottleneck)
    seeded(transfer, 15)
    seeded(predictor, 16)
    with torch.no_grad():
        for part in transfer.modules():
            if isinstance(part, Conditional):
                part.gain.weight.mul_(0.2)
                part.gain.bias.add_(1.0)
                part.offset.weight.mul_(0.2)
        code = predictor(drawn_pictures()[:1])[0]
        settle(_Styled(transfer, code), transfer.last)
        transfer.last.weight.mul_(4.0)  # the sigmoid's slope is 1/4
    return Adapter(transfer, 4, {"bottleneck": (1, bottleneck)}, predictor)


class _Styled(nn.Module):
    """The transfer with one style."""

    def __init__(self, transfer: nn.Module, code: Tensor) -> None:
        super().__init__()
        self.transfer, self.code = transfer, code

    def forward(self, content: Tensor) -> Tensor:
        return self.transfer(content, self.code)


def factory(checkpoint: Path | None) -> Adapter:
    return network(WIDTH, BLOCKS, BOTTLENECK).taught(checkpoint)


def tiny(checkpoint: Path | None) -> Adapter:
    return network(4, 1, 100)
