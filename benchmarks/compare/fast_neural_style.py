"""A published one-style network (Johnson et al. 2016, instance normalization) and its weights.

The weights stay outside of the project; `factory` reads them from an .npz with PyTorch's names.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from iast_export.errors import InputError

BLOCKS = 5


def layer(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Reflection pad and convolution."""
    return nn.Sequential(
        nn.ReflectionPad2d(kernel // 2), nn.Conv2d(in_channels, out_channels, kernel, stride)
    )


def norm(channels: int) -> nn.InstanceNorm2d:
    return nn.InstanceNorm2d(channels, affine=True)


class Block(nn.Module):
    """x + conv, norm, ReLU, conv, norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.in1 = layer(channels, channels, 3), norm(channels)
        self.conv2, self.in2 = layer(channels, channels, 3), norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.in2(self.conv2(torch.relu(self.in1(self.conv1(x)))))
        return x + added


class Transformer(nn.Module):
    """forward(content [1, 3, H, W] in [0, 1]) -> the same shape and range."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.conv1, self.in1 = layer(3, width, 9), norm(width)
        self.conv2, self.in2 = layer(width, 2 * width, 3, 2), norm(2 * width)
        self.conv3, self.in3 = layer(2 * width, 4 * width, 3, 2), norm(4 * width)
        for i in range(1, BLOCKS + 1):
            setattr(self, f"res{i}", Block(4 * width))
        self.deconv1, self.in4 = layer(4 * width, 2 * width, 3), norm(2 * width)
        self.deconv2, self.in5 = layer(2 * width, width, 3), norm(width)
        self.deconv3 = layer(width, 3, 9)
        self.twice = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, content: Tensor) -> Tensor:
        x = torch.relu(self.in1(self.conv1(content * 255.0)))
        x = torch.relu(self.in2(self.conv2(x)))
        x = torch.relu(self.in3(self.conv3(x)))
        for i in range(1, BLOCKS + 1):
            x = getattr(self, f"res{i}")(x)
        x = torch.relu(self.in4(self.deconv1(self.twice(x))))
        x = torch.relu(self.in5(self.deconv2(self.twice(x))))
        return torch.clamp(self.deconv3(x) / 255.0, 0.0, 1.0)


class FastNeuralStyle(nn.Module):
    """A `StyleNetwork` of one depth and one style, which is in its weights: there is no code."""

    depths = (1,)
    size_multiple_px = 4
    code_shapes: Mapping[str, tuple[int, ...]] = {}

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.transfer = Transformer(width)

    def cut(self, depth: int) -> nn.Module:
        """A copy of the one network."""
        if depth not in self.depths:
            raise ValueError(f"depth {depth} is not one of {self.depths}")
        return deepcopy(self.transfer)

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        """No code."""
        return ()


def factory(checkpoint: Path | None) -> FastNeuralStyle:
    """The network with the weights of an .npz.

    Raises:
        InputError: the file is missing or holds other tensors.
    """
    if checkpoint is None or not checkpoint.is_file():
        raise InputError(
            f"{checkpoint} is missing", "give --weights FILE.npz, or leave this network out"
        )
    network = FastNeuralStyle()
    wanted = network.transfer.state_dict()
    with np.load(checkpoint) as arrays:
        named = {
            _renamed(name): torch.from_numpy(arrays[name].astype(np.float32))
            for name in arrays.files
        }
    if {name: value.shape for name, value in named.items()} != {
        k: v.shape for k, v in wanted.items()
    }:
        raise InputError(
            f"{checkpoint} holds other tensors", "use a published fast-neural-style network"
        )
    network.transfer.load_state_dict(named)
    return network.eval()


def _renamed(name: str) -> str:
    """`res1.conv1.weight` as `res1.conv1.1.weight`: the convolution is behind its padding."""
    head, _, tail = name.rpartition(".")
    return f"{head}.1.{tail}" if "conv" in head.rpartition(".")[2] else name
