"""Small networks whose values pass FP16's largest number, converted once per test run."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from iast_export.build import convert
from iast_export.quantize.calibrate import collect
from iast_export.quantize.observers import observe_litert
from iast_export.quantize.ranges import Range
from iast_export.runtimes.session import Array
from iast_export.specs import Tier
from tests import litert_cases
from tests.tiny_networks import OneTier

KEY, SIDE_PX = "d1_16px", 16


class Loud(nn.Module):
    """Normalizes the results of a convolution whose squares are beyond FP16.

    How the variance is written, and whether something else reads what is normalized, are given.
    """

    def __init__(self, form: str, gain: float = 1000.0) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.form, self.gain = form, gain
        self.conv, self.last = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 3, 3, padding=1)
        with torch.no_grad():
            self.conv.weight *= gain
            self.conv.bias *= gain

    def forward(self, content: Tensor) -> Tensor:
        x = self.conv(content)
        if self.form == "sums":  # as published code divides sums, though nothing is loud
            mean = x.sum((2, 3), keepdim=True) * (1 / SIDE_PX**2)
            variance = ((x - mean) ** 2).sum((2, 3), keepdim=True) * (1 / (SIDE_PX**2 - 1))
        else:
            mean = x.mean((2, 3), keepdim=True)
            variance = ((x - mean) * (x - mean)).mean((2, 3), keepdim=True)
        result = (x - mean) * torch.rsqrt(variance + 1e-5)
        if self.form == "read twice":
            result = result + x / self.gain
        return torch.sigmoid(self.last(result))


class Balanced(nn.Module):
    """A convolution whose products cancel each other, far beyond FP16 on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 32, 1, bias=False), nn.Conv2d(32, 3, 1, bias=False)
        with torch.no_grad():
            self.one.weight.fill_(20000 / 3)
            signs = torch.tensor([1.0] * 16 + [-0.99] * 16)
            self.two.weight.copy_(signs.repeat(3, 1)[:, :, None, None])

    def forward(self, content: Tensor) -> Tensor:
        return torch.relu(self.two(torch.relu(self.one(content)))) * 1e-4 + content * 0.1


class Averaged(nn.Module):
    """Means whose sums are far beyond FP16, and no value is."""

    def forward(self, content: Tensor) -> Tensor:
        x = torch.tanh(content * 9.0) * 60000.0
        return x.mean((2, 3), keepdim=True) * (0.5 / 60000.0) + content * 0.1


NETWORKS = {
    "normalized": lambda: Loud("means"),
    "read twice": lambda: Loud("read twice"),
    "sums": lambda: Loud("sums", 40.0),
    "quiet": lambda: Loud("means", 1.0),
    "balanced": Balanced,
    "averaged": Averaged,
}


@functools.cache
def case(name: str) -> Path:
    """The FP32 file of one of `NETWORKS`, at 16 px."""
    path = litert_cases.folder() / f"half-{name.replace(' ', '-')}.tflite"
    convert.convert_fp32(OneTier(NETWORKS[name]()), (Tier(1, SIDE_PX),), path)
    return path


def fed() -> dict[str, Array]:
    return {"content": litert_cases.picture(SIDE_PX, SIDE_PX, 5).numpy()}


@functools.cache
def ranges(name: str) -> dict[str, Range]:
    return collect(observe_litert(case(name), KEY), [fed()])


class _Both(nn.Module):
    """forward(content, mean): a normalization that can be scaled, and a sum that can't be."""

    def __init__(self) -> None:
        super().__init__()
        self.loud, self.balanced = NETWORKS["normalized"](), Balanced()

    def forward(self, content: Tensor, mean: Tensor) -> Tensor:
        return 0.9 * self.loud(content) + 0.1 * self.balanced(content) + 0.01 * mean


class Overflowing(OneTier):
    """A network with a style whose FP16 would overflow at two places, as a build takes it."""

    code_shapes: Mapping[str, tuple[int, ...]] = {"mean": (1, 3, 1, 1)}

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return (style.mean((2, 3), keepdim=True),)


def overflowing_factory(checkpoint: Path | None) -> Overflowing:
    """`--network tests.half_cases:overflowing_factory`; the checkpoint is not read."""
    return Overflowing(_Both())
