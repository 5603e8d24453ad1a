"""A bilateral grid of affine color maps, learned at low resolution and sliced at full resolution.

Gharbi et al. 2017, "Deep Bilateral Learning for Real-Time Image Enhancement", arXiv:1707.02880;
style by AdaIN in the low-resolution path as in Xia et al. 2020, "Joint Bilateral Learning for
Real-time Universal Photorealistic Style Transfer", arXiv:2004.10955. Slicing is `grid_sample` of a
volume, as PyTorch writes it.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.zoo.adapter import Adapter, Ranged
from benchmarks.zoo.seeds import seeded

WIDTH = 8
LOW_PX = 256
BINS = 8
CURVES = 16


def strided(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1), nn.ReLU())


class Guide(nn.Module):
    """A gray picture in [-1, 1] by a color matrix and learned curves."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = nn.Conv2d(3, 3, 1)
        self.shifts = nn.Parameter(torch.linspace(0.0, 1.0, CURVES + 1)[:-1].view(1, 1, 1, 1, -1))
        self.slopes = nn.Parameter(torch.zeros(1, 3, 1, 1, CURVES))
        self.mix = nn.Conv2d(3, 1, 1)

    def forward(self, picture: Tensor) -> Tensor:
        curved = F.relu(self.matrix(picture).unsqueeze(-1) - self.shifts) * self.slopes
        return torch.tanh(self.mix(curved.sum(-1)))


class Coefficients(nn.Module):
    """Low-resolution picture -> a grid [1, 12, BINS, side / 16, side / 16] of affine maps."""

    def __init__(self, width: int) -> None:
        super().__init__()
        w = width
        self.splat = nn.Sequential(strided(3, w), strided(w, 2 * w), strided(2 * w, 4 * w))
        self.deep = strided(4 * w, 8 * w)
        self.local = nn.Sequential(
            nn.Conv2d(8 * w, 8 * w, 3, 1, 1), nn.ReLU(), nn.Conv2d(8 * w, 8 * w, 3, 1, 1)
        )
        self.whole = nn.Sequential(strided(8 * w, 8 * w), strided(8 * w, 8 * w))
        self.linear = nn.Sequential(nn.Linear(8 * w, 8 * w), nn.ReLU(), nn.Linear(8 * w, 8 * w))
        self.last = nn.Conv2d(8 * w, 12 * BINS, 1)

    def features(self, low: Tensor) -> Tensor:
        return self.splat(low)

    def forward(self, low: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        x = self.deep(F.instance_norm(self.features(low)) * std + mean)
        whole = self.linear(self.whole(x).mean(dim=(2, 3)))
        x = self.last(F.relu(self.local(x) + whole[:, :, None, None]))
        n, _, h, w = x.shape
        return x.view(n, 12, BINS, h, w)


def slice_grid(grid: Tensor, guide: Tensor) -> Tensor:
    """An affine map per pixel [1, 12, H, W], looked up by place and guide."""
    n, _, h, w = guide.shape
    rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    rows = rows.to(guide.dtype) / (h - 1) * 2.0 - 1.0
    columns = columns.to(guide.dtype) / (w - 1) * 2.0 - 1.0
    place = torch.stack([columns, rows], dim=-1).expand(n, h, w, 2)
    where = torch.cat([place, guide.permute(0, 2, 3, 1)], dim=-1).unsqueeze(1)
    return F.grid_sample(grid, where, align_corners=True, padding_mode="border").squeeze(2)


class Transfer(nn.Module):
    """forward(content [1, 3, H, W] in [0, 1], mean, std [1, C, 1, 1]) -> about the same."""

    def __init__(self, width: int, low_px: int) -> None:
        super().__init__()
        self.low_px = low_px
        self.guide, self.coefficients = Guide(), Coefficients(width)

    def low(self, picture: Tensor) -> Tensor:
        size = (self.low_px, self.low_px)
        return F.interpolate(picture, size=size, mode="bilinear", align_corners=False)

    def forward(self, content: Tensor, mean: Tensor, std: Tensor) -> Tensor:
        grid = self.coefficients(self.low(content), mean, std)
        maps = slice_grid(grid, self.guide(content))
        scaled = maps.view(content.shape[0], 3, 4, *content.shape[2:])
        return (scaled[:, :, :3] * content.unsqueeze(1)).sum(dim=2) + scaled[:, :, 3]


class StyleStatistics(nn.Module):
    """style [1, 3, H, W] in [0, 1] -> mean, std [1, C, 1, 1] of the low-resolution features."""

    def __init__(self, transfer: Transfer) -> None:
        super().__init__()
        self.transfer = transfer

    def forward(self, style: Tensor) -> tuple[Tensor, ...]:
        x = self.transfer.coefficients.features(self.transfer.low(style))
        return x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)


def network(width: int, low_px: int) -> Adapter:
    transfer = Transfer(width, low_px)
    seeded(transfer, 21)
    generator = torch.Generator().manual_seed(22)
    identity = torch.cat([torch.eye(3), torch.zeros(3, 1)], dim=1).flatten()
    with torch.no_grad():  # maps near the identity, as authors start them
        last = transfer.coefficients.last
        last.weight.mul_(0.1)
        last.bias.copy_(identity.repeat_interleave(BINS))
        slopes = torch.rand(transfer.guide.slopes.shape, generator=generator)
        transfer.guide.slopes.copy_(slopes * 0.5)
    shape = (1, 4 * width, 1, 1)
    ranged = Ranged(transfer, 0.0, 1.0, clamp=True)
    return Adapter(ranged, 1, {"mean": shape, "std": shape}, StyleStatistics(transfer))


def factory(checkpoint: Path | None) -> Adapter:
    return network(WIDTH, LOW_PX).taught(checkpoint)


def tiny(checkpoint: Path | None) -> Adapter:
    return network(2, 64)
