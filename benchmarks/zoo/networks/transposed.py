"""A residual generator with transposed convolutions, one style in the weights.

Zhu et al. 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks",
arXiv:1703.10593 (its generator follows Johnson et al. 2016): reflection padding, instance
normalization, 3x3 transposed convolutions of stride 2, tanh, pictures in [-1, 1].
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from benchmarks.zoo.adapter import Adapter, Ranged
from benchmarks.zoo.seeds import seeded, settle

WIDTH = 32
BLOCKS = 6


class Residual(nn.Module):
    """x + reflection pad, convolution, normalization, twice."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def down(inputs: int, outputs: int) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
    return [conv, nn.InstanceNorm2d(outputs), nn.ReLU(True)]


def up(inputs: int, outputs: int) -> list[nn.Module]:
    conv = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
    return [conv, nn.InstanceNorm2d(outputs), nn.ReLU(True)]


def generator(width: int, blocks: int) -> nn.Sequential:
    """content [1, 3, H, W] in [-1, 1] -> the same."""
    return nn.Sequential(
        nn.ReflectionPad2d(3),
        nn.Conv2d(3, width, 7),
        nn.InstanceNorm2d(width),
        nn.ReLU(True),
        *down(width, 2 * width),
        *down(2 * width, 4 * width),
        *(Residual(4 * width) for _ in range(blocks)),
        *up(4 * width, 2 * width),
        *up(2 * width, width),
        nn.ReflectionPad2d(3),
        nn.Conv2d(width, 3, 7),
        nn.Tanh(),
    )


def network(width: int, blocks: int) -> Adapter:
    made = generator(width, blocks)
    seeded(made, 18)
    last = made[-2]
    settle(made, last)
    last.weight.data.mul_(2.0)
    return Adapter(Ranged(made, -1.0, 1.0, clamp=False), size_multiple_px=4)


def factory(checkpoint: Path | None) -> Adapter:
    return network(WIDTH, BLOCKS).taught(checkpoint)


def tiny(checkpoint: Path | None) -> Adapter:
    return network(4, 1)
