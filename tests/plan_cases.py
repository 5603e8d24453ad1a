"""Small networks that hold every kind of operator group between them, and their plans."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.fixtures.adain import AdaIN
from iast_export.build.request import Build, Request
from iast_export.plan import MeasureOptions, plan_tier
from iast_export.recipe import Recipe, parse_recipe
from iast_export.reports.plan import PlanReport
from iast_export.specs import Runtime
from tests.tiny_networks import tiny_iast

RECIPE = b"name = 'tiny'\ntiers = [{depth = 1, max_side_px = 32}]\n"
QUICK = MeasureOptions(warmup=0, blocks=2)


class MobileTransfer(nn.Module):
    """What mobile networks are made of, without a style: hard-swish, groups, concatenation,
    sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, 2, padding=1)
        self.grouped = nn.Conv2d(16, 16, 3, padding=1, groups=4)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.last = nn.Conv2d(24, 3, 3, padding=1)

    def forward(self, content: Tensor) -> Tensor:
        x = F.hardswish(self.first(content))
        y = F.relu(self.up(F.hardsigmoid(self.grouped(x))))
        wide = F.interpolate(x, scale_factor=2, mode="bilinear")
        return torch.sigmoid(self.last(torch.cat([y, wide], 1)))


class SwishTransfer(nn.Module):
    """A hard-swish in arithmetic between two convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.last = nn.Conv2d(16, 16, 3, padding=1)
        self.picture = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, content: Tensor) -> Tensor:
        x = self.first(content)
        x = x * torch.clamp(x + 3, 0, 6) / 6
        return torch.sigmoid(self.picture(F.relu(self.last(x))))


class GroupedTransfer(nn.Module):
    """Groups among dense convolutions: a grouped one, and a depthwise one with two outputs per
    channel; and 24 channels, which fill no whole number of a runtime's blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, padding=1)
        self.grouped = nn.Conv2d(16, 16, 3, padding=1, groups=4)
        self.middle = nn.Conv2d(16, 16, 1)
        self.doubled = nn.Conv2d(16, 32, 3, 2, padding=1, groups=16)
        self.last = nn.Conv2d(32, 24, 1)
        self.picture = nn.Conv2d(24, 12, 3, padding=1)

    def forward(self, content: Tensor) -> Tensor:
        x = F.relu(self.middle(F.relu(self.grouped(F.relu(self.first(content))))))
        x = F.relu(self.last(F.relu(self.doubled(x))))
        return F.pixel_shuffle(self.picture(x), 2).clamp(0.0, 1.0)


class UnusualTransfer(nn.Module):
    """What has no name among groups, or reads no picture: a product of two maps, a box filter that
    counts its pixels, a choice by comparison, a sorting by index, tensors made on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, 2, padding=1)
        self.last = nn.Conv2d(8, 12, 3, padding=1)
        self.codes = nn.Linear(8, 16)

    def forward(self, content: Tensor) -> Tensor:
        x = self.first(content)
        flat = x.flatten(2)
        x = x + torch.bmm(torch.bmm(flat, flat.transpose(1, 2)) / 999, flat).view_as(x)
        gain, shift = torch.chunk(self.codes(x.mean((2, 3))).view(1, 16, 1, 1), 2, dim=1)
        x = torch.where(x > 0, x, F.elu(x)) * (1 + gain) + shift
        window = torch.full((1, 1, 3, 3), 1 / 9.0)
        x = x / F.conv2d(torch.ones_like(x[:, :1]), window, padding=1)
        x = x.index_select(1, torch.tensor([3, 1, 2, 0, 7, 6, 5, 4]))
        picture = F.pixel_shuffle(self.last(x), 2) * torch.tensor([1.0, 0.9, 1.1]).view(1, 3, 1, 1)
        return torch.sigmoid(picture)


class Mobile(nn.Module):
    """A `StyleNetwork` of one style."""

    depths = (1,)
    size_multiple_px = 4
    code_shapes: Mapping[str, tuple[int, ...]] = {}

    def __init__(self, transfer: type[nn.Module] = MobileTransfer) -> None:
        super().__init__()
        self.transfer = transfer()

    def cut(self, depth: int) -> nn.Module:
        return deepcopy(self.transfer).eval().requires_grad_(False)

    def encode_style(self, style: Tensor) -> tuple[Tensor, ...]:
        return ()


def unusual_factory(checkpoint: Path | None) -> nn.Module:
    return _seeded(Mobile, UnusualTransfer)


def _seeded(make: type[nn.Module], *args: object) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make(*args).eval()


def mobile_factory(checkpoint: Path | None) -> nn.Module:
    return _seeded(Mobile)


def grouped_factory(checkpoint: Path | None) -> nn.Module:
    return _seeded(Mobile, GroupedTransfer)


def swish_factory(checkpoint: Path | None) -> nn.Module:
    return _seeded(Mobile, SwishTransfer)


def adain_factory(checkpoint: Path | None) -> nn.Module:
    """The AdaIN fixture, narrow."""
    return _seeded(AdaIN, (8, 8, 16), 2)


def iast_factory(checkpoint: Path | None) -> nn.Module:
    return tiny_iast()


def recipe() -> Recipe:
    return parse_recipe(RECIPE, "tiny")


def build_of(name: str) -> Build:
    """`mobile`, `grouped`, `swish`, `adain` or `iast` at 32 px; nothing lies in its folder."""
    return Build(Request(Path("nowhere"), recipe(), network=f"tests.plan_cases:{name}_factory"))


@functools.cache
def planned(name: str) -> PlanReport:
    """The plan of one of them; XDG_CACHE_HOME must be set by the caller."""
    return plan_tier(build_of(name), options=QUICK)


def kinds(report: PlanReport, runtime: Runtime) -> set[str]:
    return {row.kind for plan in report.runtimes if plan.runtime == runtime for row in plan.groups}
