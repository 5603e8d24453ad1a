"""Real but tiny networks for tests: a narrow IAST and a foreign AdaIN network of another kind."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from iast_export.bundle.layout import Layout
from iast_export.network.iast import IAST, NetworkConfig
from iast_export.network.iast2 import IAST2, IAST2Config
from iast_export.specs import Tier

TINY_CONFIG = NetworkConfig(
    width=8,
    stem_width=8,
    encoder_widths=(8, 8, 8, 8),
    encoder_hidden=16,
    blocks=4,
    mid_site_after=2,
)


TINY_SECOND_CONFIG = IAST2Config(
    width=8,
    stem_width=8,
    coarse_width=8,
    skip_rank=4,
    encoder_widths=(8, 8, 8, 8),
    encoder_hidden=16,
)


class OneTier:
    """Any module as a network of one depth, without styles."""

    depths, size_multiple_px = (1,), 4
    code_shapes: Mapping[str, tuple[int, ...]] = {}

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def cut(self, depth: int) -> nn.Module:
        return self.module.eval()

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return ()


def tiny_iast(seed: int = 0) -> IAST:
    """The IAST architecture at width 8, with weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return IAST(TINY_CONFIG).eval()


def tiny_iast2(seed: int = 0) -> IAST2:
    """The second IAST architecture at width 8, with weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return IAST2(TINY_SECOND_CONFIG).eval()


def tiny_iast_factory(checkpoint: Path | None) -> IAST:
    """`--network tests.tiny_networks:tiny_iast_factory`; the checkpoint is not read."""
    return tiny_iast()


class _Separable(nn.Module):
    """Reflection-padded depthwise 3x3 and pointwise convolution, as default tools stumble over."""

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(1)
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, stride, groups=in_channels)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.pointwise(self.depthwise(self.pad(x))))


def _renormalize(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    own = x.mean((2, 3), keepdim=True)
    deviation = ((x - own) ** 2).mean((2, 3), keepdim=True).sqrt()
    return (x - own) / (deviation + 1e-3) * std + mean


class TinyAdaINTransfer(nn.Module):
    """forward(content, mean, std): separable encoder, two normalizations, nearest decoder."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.ReflectionPad2d(4), nn.Conv2d(3, width, 9), nn.ReLU())
        self.down = _Separable(width, width, stride=2)
        self.middle = nn.Sequential(nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.ReLU())
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.smooth = _Separable(width, width)
        self.last = nn.Sequential(nn.ReflectionPad2d(4), nn.Conv2d(width, 3, 9))

    def forward(self, content: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        x = _renormalize(self.down(self.first(content)), mean, std)
        x = _renormalize(self.middle(x), mean, std)
        return torch.sigmoid(self.last(self.smooth(self.up(x))))


class TinyAdaIN(nn.Module):
    """A `StyleNetwork` of one depth with two codes and no strength; sides in multiples of 2."""

    depths = (1,)
    size_multiple_px = 2

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.width = width
        self.transfer = TinyAdaINTransfer(width)
        self.encoder = nn.Sequential(nn.Conv2d(3, width, 4, stride=4), nn.ReLU())

    @property
    def code_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Channel means and deviations of the style."""
        return {"mean": (1, self.width, 1, 1), "std": (1, self.width, 1, 1)}

    def cut(self, depth: int) -> nn.Module:
        """A copy of the one transfer network."""
        if depth not in self.depths:
            raise ValueError(f"depth {depth} is not one of {self.depths}")
        copy = TinyAdaINTransfer(self.width)
        copy.load_state_dict(self.transfer.state_dict())
        return copy.eval().requires_grad_(False)

    @torch.no_grad()
    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        """Mean and deviation of the style's features, each [1, width, 1, 1]."""
        features = self.encoder(style)
        return features.mean((2, 3), keepdim=True), features.std((2, 3), keepdim=True)


def tiny_adain_factory(checkpoint: Path | None) -> TinyAdaIN:
    """`--network tests.tiny_networks:tiny_adain_factory`; the checkpoint is not read."""
    network = TinyAdaIN().eval()
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in network.parameters():
            fan_in = max(1, parameter[0].numel())
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan_in**0.5)
    return network


def fragile_factory(checkpoint: Path | None) -> TinyAdaIN:
    """As `tiny_adain_factory`, but its last layer makes any rounding before it many times as
    large."""
    network = tiny_adain_factory(checkpoint)
    with torch.no_grad():
        weight, bias = network.transfer.last.parameters()
        weight.sub_(weight.mean((1, 2, 3), keepdim=True)).mul_(80.0)
        bias.zero_()
    return network


class OneStyleTransfer(nn.Module):
    """forward(content): strided, normalized, upsampled; its style is trained in."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.InstanceNorm2d(8, affine=True))
        self.up = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(8, 3, 3, 1, 1))

    def forward(self, content: Tensor) -> Tensor:
        return torch.sigmoid(self.up(torch.relu(self.down(content))))


class OneStyleNet(OneTier):
    """A `StyleNetwork` of one depth without codes, in sides of multiples of 2."""

    size_multiple_px = 2

    def __init__(self) -> None:
        super().__init__(OneStyleTransfer())


def one_style_factory(checkpoint: Path | None) -> OneStyleNet:
    """`--network tests.tiny_networks:one_style_factory`; the checkpoint is not read."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        return OneStyleNet()


class LeakyTransfer(nn.Module):
    """forward(content): convolutions with rectifiers that leak, and a place of each row."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 8, 8, 8, 3)
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.rectifier = self.rectifiers()

    def rectifiers(self) -> nn.Module:
        """What leaks."""
        return nn.LeakyReLU(0.3)

    def forward(self, content: Tensor) -> Tensor:
        x = content + 0.1 * torch.linspace(-1, 1, content.shape[2]).view(1, 1, -1, 1)
        for layer in self.layers[:-1]:
            x = self.rectifier(layer(x))
        return torch.sigmoid(self.layers[-1](x))


class SlopedTransfer(LeakyTransfer):
    """`LeakyTransfer` with a slope that was trained."""

    def rectifiers(self) -> nn.Module:
        return nn.PReLU(init=0.3)


class PoolingTransfer(nn.Module):
    """forward(content): halved twice by averages, of windows that meet and that overlap."""

    def __init__(self) -> None:
        super().__init__()
        pairs = ((3, 8), (8, 8), (8, 8), (8, 3))
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairs)
        self.pools = nn.ModuleList([nn.AvgPool2d(2), nn.AvgPool2d(3, 2, 1)])

    def forward(self, content: Tensor) -> Tensor:
        x = content
        for layer, pool in zip(self.layers[:2], self.pools, strict=True):
            x = pool(torch.relu(layer(x)))
        x = nn.functional.interpolate(torch.relu(self.layers[2](x)), scale_factor=4)
        return torch.sigmoid(self.layers[3](x))


class _DepthwiseTransfer(nn.Module):
    """forward(content, mean, std): depthwise layers and a normalization; INT8 has nothing to
    gain."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv2d(3, 3, 3, padding=1, groups=3) for _ in range(2))

    def forward(self, content: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        x = torch.relu(self.layers[0](content))
        return torch.sigmoid(self.layers[1](_renormalize(x, mean, std)))


class DepthwiseNet:
    """A `StyleNetwork` of one depth made of depthwise convolutions only."""

    depths = (1,)
    size_multiple_px = 1
    code_shapes: Mapping[str, tuple[int, ...]] = {"mean": (1, 3, 1, 1), "std": (1, 3, 1, 1)}

    def cut(self, depth: int) -> nn.Module:
        """The one transfer network, from a seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            return _DepthwiseTransfer().eval().requires_grad_(False)

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        """Mean and deviation of the picture's colors."""
        return style.mean((2, 3), keepdim=True), style.std((2, 3), keepdim=True)


def depthwise_factory(checkpoint: Path | None) -> DepthwiseNet:
    """`--network tests.tiny_networks:depthwise_factory`; the checkpoint is not read."""
    return DepthwiseNet()


_TINY: Mapping[str, Callable[[], Any]] = {
    "iast": tiny_iast,
    "iast2": tiny_iast2,
    "adain": lambda: tiny_adain_factory(None),
}


@cache
def tiny_onnx(kind: str, depth: int, max_side_px: int) -> Path:
    """An exported FP32 file of a tiny network of `_TINY`, made once per test run."""
    from iast_export.build.export import export_tier

    tier = Tier(depth, max_side_px)
    path = Layout(_folder(), kind).onnx(tier, "fp32")
    export_tier(_TINY[kind](), tier, path)
    return path


def tiny_codes(kind: str) -> dict[str, NDArray[np.float32]]:
    """Codes of a generated artwork for a tiny network, by name."""
    from iast_export.build.tracing import example_codes

    network = _TINY[kind]()
    return {name: code.numpy() for name, code in example_codes(network).items()}


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="iast-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
